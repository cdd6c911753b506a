"""KEDA: its operator, which makes an autoscaler of a ScaledObject, and the server of the metrics that this one asks.

Nothing of KEDA is in this repository but the list of its modules: its custom resources and roles are read from the
module itself when it is built.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chaos.errors import LabError
from chaos.lab.addons.addon import MODULES, Addon, AddonProgram, Site
from chaos.lab.addons.prometheus import PROMETHEUS_URL
from chaos.lab.control_plane.aggregated import AggregatedServer, Collected
from chaos.lab.control_plane.authorization import RBAC, access_review, cluster_role_binding
from chaos.lab.control_plane.build import module_version
from chaos.lab.control_plane.pki import private_folder, write_private
from chaos.lab.host.cache import cached, digest
from chaos.lab.host.toolchain import GoProgram, compile_key, compile_program, go_output
from chaos.progress import Progress

__all__ = ["KEDA", "manifests"]

MODULE = MODULES / "keda"
PATH = "github.com/kedacore/keda/v2"
NAMESPACE = "keda"
SERVER = AggregatedServer("keda-metrics", "gameday:keda", 4445, ("external.metrics.k8s.io/v1beta1",))
# How its metrics server asks the operator, on the loopback of the control plane; both ways with certificates.
LOOPBACK, ASKED_PORT, OPERATOR_METRICS_PORT, HEALTH_PORT, SERVER_METRICS_PORT = "127.0.0.1", 9666, 8085, 8086, 8087
# Of its own folder `config`: what it cannot do without. Its Deployments and certificates are ours.
MANIFESTS = ("crd/bases/*.yaml", "rbac/role.yaml", "rbac/aggregate_cluster_roles.yaml")
KUSTOMIZATION = "crd/kustomization.yaml"
COLLECTIONS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ClusterRole": f"/apis/{RBAC}/v1/clusterroles",
    "Role": f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/roles",
}
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _go_programs() -> tuple[GoProgram, GoProgram]:
    version = module_version(MODULE, PATH)
    named = (("github.com/kedacore/keda/v2/version.Version", version.removeprefix("v")),)
    return (
        GoProgram(f"KEDA {version}, the operator", MODULE, f"{PATH}/cmd/operator", 360, 20, variables=named),
        GoProgram(f"KEDA {version}, the metrics server", MODULE, f"{PATH}/cmd/adapter", 380, 15, variables=named),
    )


def _make(progress: Progress) -> Path:
    operator, server = _go_programs()

    def build(folder: Path) -> None:
        compile_program(operator, folder / "operator", progress)
        compile_program(server, folder / "server", progress)
        source = Path(go_output(MODULE, "list", "-m", "-f", "{{.Dir}}", PATH))
        with progress.step("read KEDA's custom resources"):
            (folder / "manifests.json").write_text(json.dumps(list(manifests(source / "config"))))

    key = digest(compile_key(operator), compile_key(server), KUSTOMIZATION, *MANIFESTS)
    return cached(f"keda-{module_version(MODULE, PATH)}", key, build)


def manifests(config: Path) -> Iterator[Mapping[str, Any]]:
    """Custom resources and roles of the module's folder `config`, with the patches of its own kustomization.

    Raises LabError where one is not to be found.
    """
    resources = (config / KUSTOMIZATION).parent
    patches = {
        patch["target"]["name"]: _read(resources / patch["path"])[0]
        for kustomization in _read(config / KUSTOMIZATION)
        for patch in kustomization.get("patches") or ()
    }
    for pattern in MANIFESTS:
        files = sorted(config.glob(pattern)) or [config / pattern]
        for one in (one for file in files for one in _read(file)):
            _patch(one, patches.get(one["metadata"]["name"], ()))
            yield one


def _read(file: Path) -> list[Any]:
    try:
        return [one for one in yaml.load_all(file.read_text(), Loader=LOADER) if one]
    except FileNotFoundError:
        raise LabError(f"KEDA's module has no {file}", "run `go clean -modcache`, then again") from None


def _patch(document: Any, operations: Sequence[Mapping[str, Any]]) -> None:
    """Do what a JSON patch (RFC 6902) says; those of KEDA add and remove."""
    for operation in operations:
        *way, last = operation["path"].removeprefix("/").split("/")
        place = document
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        if operation["op"] == "remove":
            del place[last]
        elif isinstance(place, list):
            place.insert(len(place) if last == "-" else int(last), operation["value"])
        else:
            place[last] = operation["value"]


def _objects(site: Site) -> Sequence[Collected]:
    user, read = SERVER.user, json.loads((site.made / "manifests.json").read_text())
    named = {one["kind"]: one["metadata"]["name"] for one in read if one["metadata"]["name"] == "keda-operator"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    local = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": named["Role"]},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": named["Role"]},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }
    whole = cluster_role_binding(user, role=named["ClusterRole"], kind="User", subject=user)
    return (
        ("/api/v1/namespaces", namespace),
        *[(COLLECTIONS[one["kind"]], one) for one in read],
        (f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/rolebindings", local),
        (f"/apis/{RBAC}/v1/clusterrolebindings", whole),
        *SERVER.objects(site.authority.certificate),
    )


def _programs(site: Site) -> Sequence[AddonProgram]:
    kubeconfig = site.kubeconfig("keda", user=SERVER.user)
    certificates = _certificates(site)
    logs = ("--zap-encoder=console", "--zap-time-encoding=rfc3339")
    environment = {"WATCH_NAMESPACE": "", "POD_NAMESPACE": NAMESPACE, "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE}
    operator: list[str | Path] = [
        site.made / "operator",
        f"--kubeconfig={kubeconfig}",
        "--enable-cert-rotation=false",
        f"--cert-dir={certificates}",
        f"--metrics-service-bind-address={LOOPBACK}:{ASKED_PORT}",
        f"--metrics-bind-address={LOOPBACK}:{OPERATOR_METRICS_PORT}",
        f"--health-probe-bind-address={LOOPBACK}:{HEALTH_PORT}",
        *logs,
    ]
    server: list[str | Path] = [
        site.made / "server",
        f"--kubeconfig={kubeconfig}",
        f"--lister-kubeconfig={kubeconfig}",
        *SERVER.arguments(site.authority, kubeconfig),
        f"--cert-dir={certificates}",
        f"--metrics-service-address={LOOPBACK}:{ASKED_PORT}",
        f"--port={SERVER_METRICS_PORT}",
        *logs,
    ]
    return (
        AddonProgram("keda-operator", operator, environment=environment),
        AddonProgram("keda-metrics", server, environment=environment),
    )


def _certificates(site: Site) -> Path:
    """The folder in which both look for a certificate by fixed names; it is a server's and a client's."""
    folder = private_folder(site.folder / "certificates")
    own = site.authority.issue("keda-operator", user=SERVER.user, addresses=[LOOPBACK], hosts=["localhost"])
    for name, path in (("ca.crt", site.authority.certificate), ("tls.crt", own.certificate), ("tls.key", own.key)):
        write_private(folder / name, path.read_bytes())
    return folder


KEDA = Addon(
    name="keda",
    title="KEDA",
    told=f"ScaledObjects are acted on; a trigger that asks the add-on Prometheus has serverAddress {PROMETHEUS_URL}",
    api_services=SERVER.api_services,
    make=_make,
    objects=_objects,
    reviews=(
        SERVER.start_review(),
        access_review(SERVER.user, "list", "scaledobjects", group="keda.sh"),
        access_review(SERVER.user, "list", "secrets", namespace=NAMESPACE),
    ),
    programs=_programs,
)
