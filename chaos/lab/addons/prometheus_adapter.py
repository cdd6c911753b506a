"""prometheus-adapter: what model servers say of their queues, as the metrics APIs that the autoscaler asks.

Names are those of the engines' own metrics, with `_` in place of `:` (`vllm_num_requests_waiting`), as the charts of
vLLM's production stack have them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.lab.addons.addon import MODULES, Addon, AddonProgram, Site
from chaos.lab.addons.prometheus import PROMETHEUS, PROMETHEUS_URL, SCRAPE_S
from chaos.lab.control_plane.aggregated import AggregatedServer, Collected
from chaos.lab.control_plane.authorization import RBAC, cluster_role, cluster_role_binding
from chaos.lab.control_plane.build import module_version
from chaos.lab.host.cache import cached
from chaos.lab.host.toolchain import GoProgram, compile_key, compile_program
from chaos.progress import Progress
from chaos.semantics.engines import ENGINES, Series

__all__ = ["METRICS", "PROMETHEUS_ADAPTER", "rules"]

MODULE = MODULES / "prometheus_adapter"
PATH = "sigs.k8s.io/prometheus-adapter"
SERVER = AggregatedServer(
    "prometheus-adapter",
    "gameday:prometheus-adapter",
    4444,
    # The autoscaler takes the first that it knows, in this order.
    ("custom.metrics.k8s.io/v1beta2", "custom.metrics.k8s.io/v1beta1", "external.metrics.k8s.io/v1beta1"),
)
SERIES = tuple(series for engine in ENGINES for series in (*engine.running, *engine.waiting))
# How soon a metric that nobody had before is served, and for how long one that is gone still has a name.
RELIST_S, NAMED_S = SCRAPE_S, 30


def metric_name(series: Series) -> str:
    """What the metrics APIs call it."""
    return series.name.replace(":", "_") + (f"_{series.value}" if series.label else "")


METRICS = tuple(dict.fromkeys(map(metric_name, SERIES)))
"""The metrics of running and waiting requests that are served, for each engine that tells them."""


def rules() -> Mapping[str, Any]:
    """The adapter's configuration: each metric of a pod, and the sum over the pods that a selector picks."""
    resources = {"overrides": {name: {"resource": name} for name in ("namespace", "pod")}}
    custom, external = [], []
    for series in dict.fromkeys(SERIES):
        own = f'{series.label}="{series.value}"' if series.label else ""
        matchers = ",".join(filter(None, (own, "<<.LabelMatchers>>")))
        of_pods = ",".join(filter(None, (own, 'namespace!=""', 'pod!=""')))
        query = f"sum(<<.Series>>{{{matchers}}})"
        rule = {
            "seriesQuery": f"{series.name}{{{of_pods}}}",
            "resources": resources,
            "name": {"matches": f"^{series.name}$", "as": metric_name(series)},
        }
        custom.append({**rule, "metricsQuery": f"{query} by (<<.GroupBy>>)"})
        external.append({**rule, "metricsQuery": query})
    return {"rules": custom, "externalRules": external}


def _program() -> GoProgram:
    version = module_version(MODULE, PATH)
    return GoProgram(
        title=f"prometheus-adapter {version}", module=MODULE, package=f"{PATH}/cmd/adapter", cold_s=120, link_s=6
    )


def _make(progress: Progress) -> Path:
    program = _program()

    def build(folder: Path) -> None:
        compile_program(program, folder / "adapter", progress)

    return cached(f"prometheus-adapter-{module_version(MODULE, PATH)}", compile_key(program), build)


def _programs(site: Site) -> Sequence[AddonProgram]:
    configured = site.folder / "rules.json"
    configured.write_text(json.dumps(rules(), indent=1))
    kubeconfig = site.kubeconfig(SERVER.name, user=SERVER.user)
    argv: list[str | Path] = [
        site.made / "adapter",
        f"--lister-kubeconfig={kubeconfig}",
        *SERVER.arguments(site.authority, kubeconfig),
        f"--prometheus-url={PROMETHEUS_URL}",
        f"--config={configured}",
        f"--metrics-relist-interval={RELIST_S}s",
        f"--metrics-max-age={NAMED_S}s",
    ]
    return (AddonProgram(SERVER.name, argv),)


def _objects(site: Site) -> Sequence[Collected]:
    """Its rights are those of its own manifests (deploy/manifests of the release)."""
    watched = ["nodes", "namespaces", "pods", "services"]
    role = cluster_role(SERVER.user, [{"apiGroups": [""], "resources": watched, "verbs": ["get", "list", "watch"]}])
    binding = cluster_role_binding(SERVER.user, role=SERVER.user, kind="User", subject=SERVER.user)
    return (
        (f"/apis/{RBAC}/v1/clusterroles", role),
        (f"/apis/{RBAC}/v1/clusterrolebindings", binding),
        *SERVER.objects(site.authority.certificate),
    )


PROMETHEUS_ADAPTER = Addon(
    name="prometheus-adapter",
    title="prometheus-adapter",
    told=f"custom.metrics.k8s.io and external.metrics.k8s.io have {', '.join(METRICS)}",
    needs=(PROMETHEUS.name,),
    api_services=SERVER.api_services,
    make=_make,
    objects=_objects,
    reviews=(SERVER.start_review(),),
    programs=_programs,
)
