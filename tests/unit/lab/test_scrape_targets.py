"""Which pods the lab's Prometheus is led to, and the program that says so, before an API server of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from served_lists import ServedList

from chaos.lab.addons import scrape_targets
from chaos.lab.addons.scrape_targets import target, targets
from chaos.lab.control_plane.pki import Authority
from chaos.wait import until

SCRAPED = {"prometheus.io/scrape": "true"}


def pod(name: str = "a", *, annotations: dict[str, str] | None = SCRAPED, **changes: Any) -> dict[str, Any]:
    """A pod of a model that runs and asks to be scraped."""
    container = {"name": "model", "ports": [{"containerPort": 8080}, {"containerPort": 9000}]}
    return {
        "metadata": {
            "name": name,
            "namespace": changes.get("namespace", "llm"),
            "labels": changes.get("labels", {"app": "model"}),
            **({} if annotations is None else {"annotations": annotations}),
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "sidecar"}, container]},
        "status": changes.get("status", {"phase": "Running", "podIP": "10.244.1.7"}),
    }


def test_a_pod_that_asks_is_scraped_where_it_says() -> None:
    """Without more words at the first port that is declared, by http, at /metrics."""
    plain = target(pod())
    assert plain is not None
    assert plain["targets"] == ["10.244.1.7:8080"]
    assert plain["labels"] == {
        "app": "model",
        "namespace": "llm",
        "pod": "a",
        "node": "n1",
        "__metrics_path__": "/metrics",
        "__scheme__": "http",
    }
    words = {"port": "8000", "path": "/own", "scheme": "https"}
    own = target(pod(annotations=SCRAPED | {f"prometheus.io/{name}": value for name, value in words.items()}))
    assert own is not None
    assert own["targets"] == ["10.244.1.7:8000"]
    assert (own["labels"]["__metrics_path__"], own["labels"]["__scheme__"]) == ("/own", "https")


@pytest.mark.parametrize(
    "other",
    [
        pod(annotations=None),
        pod(annotations={}),
        pod(annotations={"prometheus.io/scrape": "false"}),
        pod(status={"phase": "Pending"}),
        pod(status={"phase": "Running"}),
        pod(status={"phase": "Succeeded", "podIP": "10.244.1.7"}),
        {"metadata": {"name": "bare", "namespace": "llm"}},
        {**pod(), "spec": {"containers": [{"name": "no ports"}]}},
    ],
)
def test_no_other_is(other: dict[str, Any]) -> None:
    """Not one that does not ask, has no address, has ended, or says no port."""
    assert target(other) is None


def test_labels_are_written_as_prometheus_writes_them_and_take_the_place_of_none_of_ours() -> None:
    """A label of the pod called `pod` or `namespace` would tell an autoscaler of another."""
    strange = {"app.kubernetes.io/name": "m", "pod": "x", "namespace": "y", "__address__": "evil:1", "0x": "no"}
    found = target(pod(labels=strange))
    assert found is not None
    assert found["labels"]["app_kubernetes_io_name"] == "m"
    assert (found["labels"]["pod"], found["labels"]["namespace"]) == ("a", "llm")
    assert not {"__address__", "0x"} & set(found["labels"])


def test_the_order_is_that_of_names_whatever_the_server_gives() -> None:
    """So that the file changes only when a pod does."""
    pods = [pod("b"), pod("a"), pod("c", namespace="a"), pod("d", annotations=None)]
    assert targets(pods) == targets(reversed(pods))
    assert [one["labels"]["pod"] for one in targets(pods)] == ["c", "a", "b"]


def test_the_program_follows_the_pods_and_keeps_what_it_knows_while_nobody_answers(tmp_path: Path) -> None:
    """It needs no package of ours; the file is replaced as a whole, and each complaint is made once."""
    authority, served, out = Authority(tmp_path, "ca"), ServedList(), tmp_path / "targets.json"
    own = authority.issue("prometheus", user="gameday:prometheus")

    def names() -> list[str]:
        return [one["labels"]["pod"] for one in json.loads(out.read_text())] if out.exists() else ["none yet"]

    with served.serving(authority) as server, (tmp_path / "log").open("w+") as log:
        argv = [sys.executable, "-I", scrape_targets.__file__, server, authority.certificate]
        argv += [own.certificate, own.key, out, "0.05"]
        with subprocess.Popen(argv, stderr=log, env={}, cwd="/") as program:
            try:
                until(lambda: names() == [], deadline_s=20, awaited="an empty list")
                served.items = [pod("a")]
                until(lambda: names() == ["a"], deadline_s=20, awaited="the pod")
                served.status, served.items = 403, []
                until(lambda: "403" in (tmp_path / "log").read_text(), deadline_s=20, awaited="the complaint")
                assert names() == ["a"]
                served.status = 200
                until(lambda: names() == [], deadline_s=20, awaited="the pod to be gone")
                assert program.poll() is None
            finally:
                program.kill()
    assert "gameday:prometheus" in next(iter(served.clients))
    assert (tmp_path / "log").read_text().count("403") == 1
