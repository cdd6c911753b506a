"""The gameday.toml that `gameday init` writes, and the patches that it prints, from manifests instead of a cluster."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hostile_words import HOSTILE

from chaos.cluster import ClusterFacts
from chaos.objects.base import Ref
from chaos.review import Finding, review_objects
from chaos.system.adopt.find import Adopted, adopt
from chaos.system.deploy.manifest_folder import read_manifests
from chaos.trial.config import GamedayConfig, read_config
from chaos.trial.config_template import file_text
from loadgen.profile_base import is_path

LABELS = {"app": "chat"}
HEALTH = {"httpGet": {"path": "/ready", "port": 8000}}
PROBES: dict[str, Any] = {
    "startupProbe": {**HEALTH, "failureThreshold": 60},
    "readinessProbe": HEALTH,
    "livenessProbe": {**HEALTH, "failureThreshold": 6},
}
FACTS = ClusterFacts("staging", "https://staging.example", "v1.36.3", "3f0c", ())

HPA: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "chat-hpa"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}


def found(folder: Path, *others: dict[str, Any], replicas: int = 3, bound: Any = 1, **container: Any) -> Adopted:
    """A service as it would be found, with these fields of its container."""
    server = {
        "name": "server",
        "image": "registry.example/chat:1",
        "ports": [{"containerPort": 8000}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        **container,
    }
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [server]}}
    objects = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "chat"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "chat"},
            "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8000}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "chat"},
            "spec": {"maxUnavailable": bound, "selector": {"matchLabels": LABELS}},
        },
        *others,
    ]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects))
    manifests = read_manifests(folder)
    return adopt(manifests, manifests.query("llm"))


def lacks_of(service: Adopted) -> tuple[Finding, ...]:
    """What `gameday init` says of a service."""
    return review_objects(service.raws).findings


def of_rule(rule: str, service: Adopted) -> Finding:
    """The one finding of a rule."""
    (found_,) = [one for one in lacks_of(service) if one.rule == rule]
    return found_


def probe_of(lack: Finding, which: str) -> dict[str, Any]:
    """The probe that a patch adds."""
    probe: dict[str, Any] = yaml.safe_load(lack.patch)["spec"]["template"]["spec"]["containers"][0][which]
    return probe


def test_every_part_that_people_may_fill_in_is_there(tmp_path: Path) -> None:
    """With every commented line taken in, the file is read, and says something of each part and each limit."""
    text = file_text(found(tmp_path), FACTS, "")
    file = tmp_path / "gameday.toml"
    file.write_text(text)
    plain = read_config(file)
    assert (plain.cluster.context, plain.cluster.uid, plain.system.deployment) == ("staging", "3f0c", "chat")
    file.write_text(re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text))
    whole = read_config(file)
    assert {name for name in GamedayConfig.model_fields if getattr(whole, name) is None} == set()
    assert whole.cluster.timings.model_fields_set
    assert whole.load.model_fields_set == {"in_cluster", "image", "workers"}
    assert whole.safety.model_fields_set == set(type(whole.safety).model_fields) - {"abort_every_s"}
    assert "abort_every_s" in text
    assert whole.traffic.url
    means = whole.system.own_means()
    assert all((means.process, means.not_ready, means.ready, means.debug_image, whole.system.replica_rps))


@pytest.mark.parametrize("given", [HEALTH, {"tcpSocket": {"port": 8000}}, {"exec": {"command": ["well"]}}])
def test_a_missing_liveness_probe_asks_what_readiness_asks_and_is_patient(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    """No path is guessed at, for a wrong one would have the pods killed; and applied, it is no lack any more."""
    lack = of_rule("liveness-probe-missing", found(tmp_path, readinessProbe={**given, "periodSeconds": 1}))
    patched, startup = probe_of(lack, "livenessProbe"), probe_of(lack, "startupProbe")
    assert patched == {**given, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6}
    assert startup == {**given, "periodSeconds": 10, "failureThreshold": 60}
    mended = found(tmp_path, readinessProbe=given, livenessProbe=patched, startupProbe=startup)
    assert {one.rule for one in lacks_of(mended)} <= {"readiness-asks-port"}


def test_without_any_probe_the_port_is_asked(tmp_path: Path) -> None:
    """That much is known to be right; what it cannot see is told."""
    (lack,) = lacks_of(found(tmp_path))
    assert probe_of(lack, "readinessProbe")["tcpSocket"] == {"port": 8000}
    assert probe_of(lack, "livenessProbe")["tcpSocket"] == {"port": 8000}
    assert "only sees whether the port is open" in lack.sentence


def test_a_single_replica_is_mended_where_its_number_is_decided(tmp_path: Path) -> None:
    """Beside an autoscaler the number is its own: a patch of the workload would be undone at once."""
    plain = yaml.safe_load(of_rule("replicas-one", found(tmp_path, replicas=1, **PROBES)).patch)
    assert (plain["kind"], plain["spec"]) == ("Deployment", {"replicas": 2})
    scaled = yaml.safe_load(of_rule("replicas-one", found(tmp_path, HPA, **PROBES)).patch)
    assert (scaled["kind"], scaled["metadata"]["name"], scaled["spec"]) == (
        "HorizontalPodAutoscaler",
        "chat-hpa",
        {"minReplicas": 2},
    )


@pytest.mark.parametrize(("bound", "lacking"), [(0, True), (1, False), ("0%", True), ("50%", False)])
def test_a_disruption_budget_that_lets_nobody_go_is_told(tmp_path: Path, bound: Any, lacking: bool) -> None:  # noqa: FBT001  # a table
    """Every drain of their nodes would wait for ever."""
    told = [lack.sentence for lack in lacks_of(found(tmp_path, bound=bound, **PROBES))]
    assert told == (["the disruption budget chat lets none of 3 replicas go: it blocks every drain"] if lacking else [])


PATHS = [
    '/data\n[node_infrastructure]\noff = "touch x {node}"\non = "touch x {node}"',
    '/data"\n[safety]\npods_max = 99 #',
    "/data\r\n[safety]",
    "/data\x7f",
    "/\U0001f600 {0} {path}",
    "/ends in \\",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_the_cluster_writes_no_line_of_the_file(path: str, tmp_path: Path) -> None:
    """Whoever may write a Deployment may not write the file of who adopts it: a line there is a command here."""
    volume = SimpleNamespace(mount_path=path, claim="models", storage="")
    service = found(tmp_path)
    spec = service.system.spec.model_copy(update={"volumes": (volume,)})
    text = file_text(replace(service, system=replace(service.system, spec=spec)), FACTS, path)
    (tmp_path / "gameday.toml").write_text(text, "utf-8")
    read = read_config(tmp_path / "gameday.toml")
    assert read.cluster.kubeconfig == path
    assert read.node_infrastructure is None
    assert read.safety.pods_max == max(1, spec.losses_tolerated)


@pytest.mark.parametrize("text", [*PATHS, *HOSTILE, '/x"]=\\', 'x"\n[safety]\nabort = ["touch", "x"]\n#'])
def test_no_word_of_the_cluster_writes_a_line_of_the_file(text: str, tmp_path: Path) -> None:
    """Contexts, names of every kind, probes' paths and claims: each is a value of its own key, or of a comment.

    What is no path that could be asked is not proposed as one.
    """
    service = found(tmp_path, HPA)
    volume = SimpleNamespace(mount_path="/data", claim=text, storage="")
    changes = {"volumes": (volume,), "readiness": SimpleNamespace(path=text)}
    system = replace(
        service.system,
        namespace=text,
        service=text,
        workload=Ref("Deployment", text, text),
        objects=(Ref("PodDisruptionBudget", text, text), Ref("HorizontalPodAutoscaler", text, text)),
        spec=service.system.spec.model_copy(update=changes),
    )
    read = tomllib.loads(file_text(replace(service, system=system), replace(FACTS, context=text, uid=text), ""))
    assert read["cluster"] == {"context": text, "uid": text}
    names = ("namespace", "deployment", "service", "disruption_budget", "autoscaler")
    assert read["system"] == dict.fromkeys(names, text) | {"port": 80, "tolerance": read["system"]["tolerance"]}
    assert read["traffic"] == {"profile": "http", "request": {"path": text if is_path(text) else "/"}}
    assert (read.keys(), read["safety"].keys()) == (
        {"cluster", "system", "traffic", "slo", "safety"},
        {"pods_max", "nodes_max"},
    )
