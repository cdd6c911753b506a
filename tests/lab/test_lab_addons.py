"""Add-ons on the lab: each does what it is for, a second time changes nothing, and nothing of it is left afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from host_snapshot import differences, host_snapshot
from lab_objects import PODS, await_pod_ready, model_pod, status_from_client

from chaos.errors import UsageError
from chaos.lab import Lab
from chaos.lab.addons.catalogue import wanted
from chaos.lab.addons.prometheus import PROMETHEUS_URL
from chaos.lab.bring_up import usual_artefacts
from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.host.processes import processes_recorded
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.progress import Silent, Terminal
from chaos.wait import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
DEADLINE_S = 60.0
CUSTOM = "/apis/custom.metrics.k8s.io"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default"


@contextmanager
def lab_with(lab: Lab, *names: str) -> Iterator[Api]:
    """A lab with add-ons, built before the host is looked at; nothing of either is left."""
    usual_artefacts(Silent())
    for addon in wanted(names):
        addon.make(Terminal())
    before = host_snapshot()
    try:
        with lab.use("the tests of add-ons", nodes=2, progress=Terminal()), suite_api(lab.paths) as api:
            lab.add(names, Terminal())
            yield api
    finally:
        lab.down(progress=Terminal())
    assert not differences(before, host_snapshot())


def scraped_pod(name: str) -> Mapping[str, Any]:
    """A pod of the reference model that asks to be scraped."""
    pod = model_pod(name, node="n1")
    return {**pod, "metadata": {**pod["metadata"], "annotations": SCRAPED}}


def value(api: Api, path: str) -> str:
    """The one value of a metric, or nothing as long as it is not served."""
    status, answer = api.call("GET", path)
    items = json.loads(answer)["items"] if status == 200 else []
    return str(items[0]["value"]) if items else ""


def running(lab: Lab) -> dict[str, int]:
    """The lab's programs that live."""
    return {one.name: one.pid for one in processes_recorded(lab.paths.processes) if one.alive()}


def test_a_pods_queue_is_a_custom_and_an_external_metric(no_lab: Lab) -> None:
    """By both versions of the one API, by the sum of the other; a second `add` is the same programs, and fast."""
    with lab_with(no_lab, "prometheus-adapter") as api:
        assert no_lab.status().addons == ("prometheus", "prometheus-adapter")
        api.create(PODS, scraped_pod("queue"))
        await_pod_ready(api, "queue")
        for version in ("v1beta1", "v1beta2"):
            path = f"{CUSTOM}/{version}/namespaces/default/pods/queue/model_requests_running"
            until(lambda path=path: value(api, path), deadline_s=DEADLINE_S, awaited=path)  # type: ignore[misc]
        summed = f"{EXTERNAL}/model_requests_running?labelSelector=app%3Dqueue"
        until(lambda: value(api, summed) == "0", deadline_s=DEADLINE_S, awaited=summed)
        before = running(no_lab)
        no_lab.add(["prometheus-adapter", "prometheus"], Silent())
        assert running(no_lab) == before
        with pytest.raises(UsageError, match=r"external\.metrics\.k8s\.io"):
            no_lab.add(["keda"], Silent())
        api.delete(f"{PODS}/queue")
        until(lambda: not value(api, summed), deadline_s=DEADLINE_S, awaited="the pod to be scraped no more")
        said = subprocess.run(
            [sys.executable, "-c", "from chaos.cli.app import main; main()", "lab", "status"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "add-ons: prometheus, prometheus-adapter" in said


def deployment(name: str) -> Mapping[str, Any]:
    """One replica of the reference model, scraped."""
    template = scraped_pod(name)
    spec = {key: told for key, told in template["spec"].items() if key != "nodeName"}
    assert spec["containers"][0]["image"] == MODEL_IMAGE
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": SCRAPED}, "spec": spec},
        },
    }


def scaled_object(name: str) -> Mapping[str, Any]:
    """KEDA's autoscaler of a Deployment by what Prometheus has of its running requests."""
    asked = {"serverAddress": PROMETHEUS_URL, "query": "sum(model_requests_running) + 7", "threshold": "3"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": 1,
            "maxReplicaCount": 3,
            "pollingInterval": 2,
            "triggers": [{"type": "prometheus", "metadata": asked}],
        },
    }


def test_a_scaled_object_makes_an_autoscaler_that_scales(no_lab: Lab) -> None:
    """KEDA asks Prometheus, the autoscaler asks KEDA, and the Deployment grows to what 7 at 3 each need."""
    with lab_with(no_lab, "keda", "prometheus") as api:
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        api.create(deployments, deployment("queue"))
        api.create("/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects", scaled_object("queue"))
        path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/keda-hpa-queue"
        until(lambda: api.get(path), deadline_s=DEADLINE_S, awaited="the HorizontalPodAutoscaler")
        metric = f"{EXTERNAL}/s0-prometheus?labelSelector={quote('scaledobject.keda.sh/name=queue')}"
        until(lambda: value(api, metric) == "7", deadline_s=DEADLINE_S, awaited=metric)
        until(
            lambda: api.get(f"{deployments}/queue")["spec"]["replicas"] == 3,
            deadline_s=DEADLINE_S,
            awaited="three replicas",
        )


def test_a_network_policy_holds_and_probes_pass_it(no_lab: Lab) -> None:
    """Where no policy is about a pod everything passes; a pod that nobody may reach is Ready all the same."""
    with lab_with(no_lab, "network-policies") as api:
        api.create(PODS, model_pod("shut", node="n2"))
        address = await_pod_ready(api, "shut")["status"]["podIP"]
        url = f"http://{address}:8080/readyz"
        assert status_from_client(no_lab, url) == 200
        policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
        spec = {"podSelector": {"matchLabels": {"app": "shut"}}, "policyTypes": ["Ingress"]}
        api.create(policies, {"metadata": {"name": "nobody"}, "spec": spec})
        until(lambda: status_from_client(no_lab, url) == 0, deadline_s=DEADLINE_S, awaited="nobody to reach it")
        seen = await_pod_ready(api, "shut")["status"]
        assert seen["containerStatuses"][0]["restartCount"] == 0
        api.delete(f"{policies}/nobody")
        until(lambda: status_from_client(no_lab, url) == 200, deadline_s=DEADLINE_S, awaited="the pod to be reached")
