"""New replicas that wait for nodes: the real scheduler's words, and simulated nodes that come 40 s later."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from cluster_room import Room, room
from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster

from chaos.checks.autoscaling.new_pods import ready_in_time
from chaos.checks.autoscaling.room import lacks_room
from chaos.checks.verdict import Answer, Obligation
from chaos.cluster import Recorder, Scope, mutations
from chaos.history import History, load_history
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.lab.control_plane.build import kube_program
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.progress import Terminal
from chaos.semantics import LAB

NAME, LABELS = "chat", {"app": "chat"}
COMES_AFTER_S, LATER_S = 40, 15
"""As long as a node autoscaler takes at best, and what is recorded after that."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SimulatedCluster]:
    """A cluster of its own, with a node that has room for two replicas."""
    progress = Terminal()
    with SimulatedCluster(kube=kube_program(progress), kwok=kwok_program(progress)) as made:
        made.add_nodes(1, capacity={"cpu": "2", "memory": "8Gi", "pods": "20"})
        yield made


def deployment(namespace: str) -> dict[str, Any]:
    """Two replicas of a CPU each."""
    container = {"name": "m", "image": "none", "resources": {"requests": {"cpu": "1"}}}
    spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template},
    }


def node_is_made(made: Room, pod: PodView) -> dict[str, Any]:
    """The Event by which the cluster autoscaler says that it makes a node for a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod.name}.scale-up", "namespace": made.namespace},
        "involvedObject": {"kind": "Pod", "namespace": made.namespace, "name": pod.name, "uid": pod.uid},
        "reason": "TriggeredScaleUp",
        "message": "pod triggered scale-up: [{pool 1->2 (max: 4)}]",
        "type": "Normal",
        "source": {"component": "cluster-autoscaler"},
    }


def recorded(made: Room, cluster: SimulatedCluster, late: str, *, told: bool) -> History:
    """Two replicas become three; a node comes 40 s after the third was found to have no room."""
    kinds = ("Deployment", "ReplicaSet", "Pod", "Event")
    scopes = [*(Scope(kind, made.namespace) for kind in kinds), Scope("Node", None)]
    with Recorder(made.cluster, made.clock, made.folder / "watch.jsonl", scopes) as recorder:
        begin_ns = made.clock.now_ns()
        made.make(deployment(made.namespace))

        def pods() -> list[PodView]:
            return [PodView(raw) for raw in recorder.objects("Pod")]

        def waiting() -> list[PodView]:
            return [pod for pod in pods() if pod.condition("PodScheduled").get("reason") == "Unschedulable"]

        assert recorder.wait_for(lambda: sum(pod.ready for pod in pods()) == 2, 30)
        scaled = made.executor.do(mutations.scale(Ref("Deployment", made.namespace, NAME), 3))
        assert scaled.outcome == "ok", scaled.reason
        assert recorder.wait_for(lambda: len(waiting()) == 1, 30)
        if told:
            made.make(node_is_made(made, waiting()[0]))
        # The node comes when it comes: nothing that could be waited for brings it.
        threading.Event().wait(COMES_AFTER_S)
        cluster.add_nodes(1, prefix=late, capacity={"cpu": "2", "memory": "8Gi", "pods": "20"})
        assert recorder.wait_for(lambda: sum(pod.ready for pod in pods()) == 3, LATER_S)
        end_ns = made.clock.now_ns()
    marks = {"begin": begin_ns, "end": end_ns}
    phases = [{"at_ns": at, "event": f"phase-{word}", "phase": "baseline"} for word, at in marks.items()]
    (made.folder / "actions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in phases))
    system = {"namespace": made.namespace, "workload": {"kind": "Deployment", "name": NAME}, "service": ""}
    plain = {"schema": 2, "scenario": "test_late_nodes", "seed": 17, "clock": asdict(made.clock), "system": system}
    (made.folder / "trial.json").write_text(json.dumps({**plain, "timings": {**asdict(LAB), "assumed": []}}))
    return load_history(made.folder)


def declared(history: History, room: str | None) -> list[Obligation]:
    """What is owed for the third replica, by what the owners declared."""
    raw = {**history.facts.raw, "autoscaling": {"room": room}}
    told = replace(history, facts=replace(history.facts, raw=raw))
    (third,) = (life for life in pod_lives(told) if lacks_room(told, life))
    return [*ready_in_time(told, third, told.ended_ns)]


@pytest.mark.timed
@pytest.mark.parametrize("told", [False, True], ids=["nobody speaks", "a node is made"])
def test_a_node_that_comes_after_40_s_is_judged_as_declared(
    cluster: SimulatedCluster, tmp_path: Path, *, told: bool
) -> None:
    """Room that is said to be there was not: FAIL, unless a node autoscaler said that it makes a node."""
    late = "told" if told else "silent"
    with room(cluster.kubeconfig, cluster.context, tmp_path) as made:
        history = recorded(made, cluster, late, told=told)
        gone = made.executor.do(mutations.delete(Ref("Node", "", f"{late}-0")))
        assert gone.outcome == "ok", gone.reason
    answers = {room: declared(history, room) for room in (None, "present", "grows")}
    for room_, owed in answers.items():
        wanted = Answer.FAIL if room_ == "present" and not told else Answer.UNKNOWN
        assert [one.answer for one in owed] == [wanted], (room_, owed)
        assert "Insufficient cpu" in owed[0].reason
        assert ("TriggeredScaleUp" in owed[0].reason) is told
