"""Objects that the tests of the lab apply, and how to wait for them."""

import subprocess
from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab
from chaos.lab.control_plane.api import Api
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.wait import until

PODS, SERVICES = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/services"
READY_DEADLINE_S = 60.0


def model_pod(name: str, *, node: str) -> Mapping[str, Any]:
    """A pod of the reference model on a node."""
    container = {
        "name": "model",
        "image": MODEL_IMAGE,
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "nodeName": node, "terminationGracePeriodSeconds": 1},
    }


def service_of(name: str) -> Mapping[str, Any]:
    """A Service before the pods labelled with that name."""
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def await_pod_ready(api: Api, name: str) -> Mapping[str, Any]:
    """Wait until a pod is Ready, and return it."""
    seen: dict[str, Any] = {}

    def ready() -> Mapping[str, Any] | None:
        pod: Mapping[str, Any] = api.get(f"{PODS}/{name}")
        seen.update(pod["status"])
        conditions = pod["status"].get("conditions", ())
        return pod if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

    return until(ready, deadline_s=READY_DEADLINE_S, awaited=f"pod {name} Ready", last_seen=lambda: str(seen))


def await_gone(api: Api, path: str) -> None:
    """Wait until there is no object at a path."""
    until(lambda: api.get(path) is None, deadline_s=READY_DEADLINE_S, awaited=f"{path} gone")


def status_from_client(lab: Lab, url: str) -> int:
    """The status of an answer as the lab's client gets it; 0 if there is none."""
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).status)"
    argv = lab.client_command(["python3", "-c", fetch, url])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    return int(done.stdout) if done.returncode == 0 else 0
