"""A router in front of three replicas of llama.cpp's server, named by its role in gameday.toml.

vllm-router follows the pods by Kubernetes' API: what a dead one costs is told, and it sends nothing to a replica that
has left. One that keeps a dead replica for good is caught.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from adopted_by_init import adopted_by_init, tried
from adopted_session import lab
from broken_servers import command_of
from llama_cpp import PATIENT
from plain_model import NAME, kubectl, spec_with
from router_image import ROUTE, router_image
from test_adopted_set import pytestmark

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.history import load_history
from chaos.lab import Lab, LabFacts
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.progress import Terminal

__all__ = ["lab", "pytestmark"]

ROUTER, PORT = "router", 8080
ENGINES = f"app.kubernetes.io/name={NAME}"
AVAILABLE_WITHIN = "55s"

SCENARIOS = "tests/staging/router_scenarios.py"
DEAD_ROUTER = f"{SCENARIOS}::test_a_dead_router_costs_what_it_had"
DEAD_ENGINE = f"{SCENARIOS}::test_no_request_goes_to_a_replica_that_has_left"

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def following(image: str, namespace: str) -> dict[str, Any]:
    """The container of vllm-router: it watches the pods of the engine, and asks each for its health."""
    words = {
        "--host": "0.0.0.0",  # noqa: S104  # in its pod
        "--port": str(PORT),
        "--policy": "round_robin",
        "--selector": ENGINES,
        "--service-discovery-port": str(PORT),
        "--service-discovery-namespace": namespace,
        "--health-check-interval-secs": "1",
        "--worker-startup-check-interval": "1",
        "--request-timeout-secs": "60",
    }
    given = [word for pair in words.items() for word in pair]
    ready = {"httpGet": {"path": "/readiness", "port": PORT}, "periodSeconds": 1, "failureThreshold": 3}
    return {"image": image, "command": [*ROUTE, "--service-discovery", *given], "readinessProbe": ready}


def keeping(facts: LabFacts, namespace: str) -> dict[str, Any]:
    """The container of a router that knows the replicas as they are now, and never learns of others."""
    path = "jsonpath={.items[*].status.podIP}"
    addresses = kubectl(facts.kubeconfig, "get", "pods", "-n", namespace, "-l", ENGINES, "-o", path).split()
    replicas = ",".join(f"{one}:{PORT}" for one in addresses)
    env = [{"name": "REPLICAS", "value": replicas}, {"name": "BROKEN", "value": "keeps"}]
    ready = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    return {"image": MODEL_IMAGE, "command": list(command_of("broken_router")), "env": env, "readinessProbe": ready}


def router_objects(namespace: str, container: dict[str, Any]) -> list[dict[str, Any]]:
    """Two routers behind a Service, with an account that may see the namespace's pods."""
    where, labels = {"name": ROUTER, "namespace": namespace}, {"app.kubernetes.io/name": ROUTER}
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    account = {"kind": "ServiceAccount", "name": ROUTER, "namespace": namespace}
    pod = {
        "serviceAccountName": ROUTER,
        "containers": [
            {
                "name": ROUTER,
                "imagePullPolicy": "Never",
                "ports": [{"name": "http", "containerPort": PORT}],
                "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                "securityContext": SECURITY,
                **container,
            }
        ],
    }
    role = {"apiGroup": group, "kind": "Role", "name": ROUTER}
    deployment = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    port = {"name": "http", "port": 80, "targetPort": "http"}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "ServiceAccount", {}),
        (f"{group}/v1", "Role", {"rules": [rule]}),
        (f"{group}/v1", "RoleBinding", {"roleRef": role, "subjects": [account]}),
        ("apps/v1", "Deployment", {"spec": deployment}),
        ("v1", "Service", {"spec": {"selector": labels, "ports": [port]}}),
    ]
    return [{"apiVersion": version, "kind": kind, "metadata": where, **rest} for version, kind, rest in kinds]


@contextmanager
def routed(facts: LabFacts, namespace: str, folder: Path, *, image: str = "") -> Iterator[tuple[Path, str]]:
    """Engines behind a router: vllm-router where its `image` is given. The file with both roles, and the URL."""
    with adopted_by_init(facts, namespace, folder, spec_with(PATIENT)) as file:
        container = following(image, namespace) if image else keeping(facts, namespace)
        kubectl(facts.kubeconfig, "apply", "-f", "-", stdin=yaml.safe_dump_all(router_objects(namespace, container)))
        of = (f"deployment/{ROUTER}", "-n", namespace)
        kubectl(facts.kubeconfig, "wait", "--for=condition=Available", *of, f"--timeout={AVAILABLE_WITHIN}")
        kubectl(facts.kubeconfig, "annotate", *of, "gameday.dev/allow=pod-kill,load")
        file.write_text(f'{file.read_text()}\n[system.roles]\nrouter = "deployment/{ROUTER}"\n')
        where = ("service", ROUTER, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
        yield file, f"http://{kubectl(facts.kubeconfig, 'get', *where).strip()}:80"


def test_a_dead_router_is_told_and_a_dead_engine_is_left_alone(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """What users lost they lost while a router was away; and nothing went to the engine that had left."""
    running, facts = lab
    namespace, image = "team-routed", running.take_image(router_image(Terminal()), Terminal())
    with routed(facts, namespace, tmp_path / "routed", image=image) as (file, url):
        found = tried(facts, file, namespace, [DEAD_ROUTER, DEAD_ENGINE], lab=running, url=url)
        runs = [path.parent for path in sorted((file.parent / "runs").glob("*/verdict.json"))]
    assert {row.scenario: (row.result, row.reason) for row in found if row.result != "PASS"} == {}
    assert {tuple(load_history(run).roles) for run in runs} == {(ROUTER,)}


def test_a_router_that_keeps_a_dead_replica_is_caught(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """It goes on choosing it: users get its 502, though every replica among the endpoints is Ready."""
    running, facts = lab
    namespace = "team-misrouted"
    with routed(facts, namespace, tmp_path / "misrouted") as (file, url):
        (row,) = tried(facts, file, namespace, [DEAD_ENGINE], lab=running, url=url)
        (run,) = [path.parent for path in (file.parent / "runs").glob("*/verdict.json")]
    assert row.result == "failure", row
    verdict = {one.check: one for one in read_verdict(run).findings}
    caught = verdict["routed-to-ready"]
    assert caught.answer is Answer.FAIL, caught.line()
    assert "502" in caught.reason, caught.line()
