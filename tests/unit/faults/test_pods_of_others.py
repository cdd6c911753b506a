"""What a node takes with it that is not the system's: counted, named, and lost only where the fault was told so."""

import json
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from cluster_objects import NAMESPACE, node, owner, pod
from trial_contexts import context_with
from typing_extensions import override

from chaos import faults
from chaos.cluster import Done
from chaos.cluster.transport import Answer
from chaos.errors import ClusterRefused, UsageError
from chaos.faults.base import Injection, TargetedFault
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import Infrastructure
from chaos.faults.support.background_task import Work
from chaos.faults.support.cluster_view import pods_of_others
from chaos.faults.support.node_eviction import Drain, Terms
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.safety import BlastRadius
from chaos.trial.context import TrialContext
from chaos.trial.preflight.consent import Consent

OURS = pod("web-1")
UNSEEN = pod("web-2")
NEIGHBOUR = pod("redis-0", app="redis", by=owner("StatefulSet", "redis"))
BARE = pod("debug", app="debug", by={})
STRANGER = pod("chat-1", app="chat", namespace="other-team")
NAMESAKE = pod("web-9", namespace="other-team")

DAEMON = pod("agent", app="agent", by=owner("DaemonSet", "agent"), namespace="monitoring")
HERE_TOO = pod("mesh", app="mesh", by=owner("DaemonSet", "mesh"))
STATIC = pod("proxy", app="proxy", by=owner("Node", "n1", api="v1"), namespace="kube-system")
STATIC["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "abc"}
DONE = pod("backup", app="backup", by=owner("Job", "backup", api="batch/v1"), phase="Succeeded")
LOAD = pod("gameday-load-1", app="load", labels={"app.kubernetes.io/managed-by": "gameday"})

N1 = Targets("node n1", (Ref("Node", "", "n1", "uid-n1"),))


class Cluster:
    """Stands for one that lists the pods of n1, or refuses to."""

    def __init__(self, *pods: dict[str, Any], status: int = 200) -> None:
        self._answer = Answer(status, json.dumps({"items": pods, "message": "no"}).encode())

    def read(self, _path: str, _query: object = None) -> Answer:
        """The list."""
        return self._answer

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The node of that name."""
        assert (kind, namespace) == ("Node", None)
        return node(name)


def context_of(*pods: dict[str, Any], adopted: bool = True, status: int = 200) -> TrialContext:
    """A trial of the workload `web`, of which the recorder has seen one pod, with these pods on n1."""
    objects = {"Node": [node("n1"), node("n2")], "Pod": [OURS], "Deployment": []}
    objects["Deployment"] = [{"metadata": {"name": "web"}, "spec": {"replicas": 1}}]
    return context_with(
        cluster=Cluster(*pods, status=status),
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace=NAMESPACE,
        selector={"app": "web"},
        adopted=adopted,
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", NAMESPACE, "web"), objects=()),
        blast_radius=lambda **_: BlastRadius(NAMESPACE, pods_max=5, nodes_max=1),
        consent=Consent(),
    )


def refused(fault: faults.Fault, *pods: dict[str, Any], adopted: bool = True) -> str:
    """Why a fault is not made on n1 with these pods on it; empty if it may be."""
    try:
        context_of(*pods, adopted=adopted).admit(fault)
    except UsageError as error:
        return str(error)
    return ""


def down(**more: Any) -> faults.Fault:
    """Lose n1."""
    return faults.NodeDown(N1, **more)


@pytest.mark.parametrize(
    ("fault", "there", "words"),
    [
        pytest.param(down(), NEIGHBOUR, "1 pod of others on n1: shop/redis-0", id="a neighbour"),
        pytest.param(down(), BARE, "shop/debug", id="a neighbour that nobody replaces"),
        pytest.param(down(), STRANGER, "other-team/chat-1", id="another namespace"),
        pytest.param(down(), NAMESAKE, "other-team/web-9", id="the same labels elsewhere"),
        pytest.param(down(leave_foreign=True), NEIGHBOUR, "whole_namespace=True for those", id="agreed to others"),
        pytest.param(down(whole_namespace=True), STRANGER, "leave_foreign=True for other", id="and the reverse"),
    ],
)
def test_pods_of_others_on_a_lost_node_need_consent(fault: faults.Fault, there: dict[str, Any], words: str) -> None:
    """Whoever they are, they are counted and named before anything is done, and the line says what to write."""
    assert words in refused(fault, OURS, there)


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        pytest.param(down(), (OURS, UNSEEN), id="ours, one not seen yet"),
        pytest.param(down(), (DAEMON, HERE_TOO), id="of DaemonSets"),
        pytest.param(down(), (STATIC,), id="static"),
        pytest.param(down(), (DONE,), id="finished"),
        pytest.param(down(), (LOAD,), id="load of ours"),
        pytest.param(down(whole_namespace=True), (NEIGHBOUR, BARE), id="agreed"),
        pytest.param(down(whole_namespace=True, leave_foreign=True), (NEIGHBOUR, STRANGER), id="agreed to both"),
        pytest.param(faults.NodeDrain(N1), (NEIGHBOUR,), id="a drain leaves neighbours"),
        pytest.param(faults.RollingPoolDrain(N1), (NEIGHBOUR,), id="so does that of a pool"),
    ],
)
def test_what_is_the_nodes_own_or_agreed_to_needs_none(fault: faults.Fault, there: tuple[dict[str, Any], ...]) -> None:
    """A node with nobody's pods but the system's and those that come back with it may be lost as before."""
    assert refused(fault, OURS, *there) == ""


def test_all_that_a_trial_deployed_is_its_own() -> None:
    """Manifests may bring more than the system: nobody else lives in a namespace of the trial's own."""
    assert refused(down(), OURS, NEIGHBOUR, adopted=False) == ""
    assert "other-team/chat-1" in refused(down(), OURS, STRANGER, adopted=False)


def test_a_fault_of_somebodys_own_on_nodes_takes_everybody() -> None:
    """Who writes one says that it leaves others alone, or it is taken for one that does not."""

    class Reimage(TargetedFault):
        name: ClassVar[str] = "reimage"
        hits_nodes: ClassVar[bool] = True

        @property
        @override
        def words(self) -> str:
            return "reimage"

        @override
        def inject(self, context: FaultContext) -> Injection:
            return Injection(self, context)

    assert "shop/redis-0" in refused(Reimage(N1), OURS, NEIGHBOUR)


def test_nodes_whose_pods_nobody_may_list_are_not_lost() -> None:
    """Who lives there is not known, so it counts as somebody."""
    with pytest.raises(ClusterRefused, match="list the pods on node n1"):
        context_of(status=403).admit(down())


@pytest.mark.parametrize(
    "body", [b"<title>Sign in</title>", b'{"error": "login required"}', b'{"items": null}', b"[]", b""]
)
def test_what_is_no_list_of_pods_does_not_say_that_nobody_lives_there(body: bytes) -> None:
    """A gateway's 200 is none of the API server's: a node is not lost on its word."""
    context = context_of()
    answer = Answer(200, body)
    cast("Any", context.cluster).read = lambda *_: answer
    with pytest.raises(ClusterRefused, match="list the pods on node n1"):
        context.admit(down())


EVICTED = PodView(OURS)


@pytest.mark.parametrize(("found", "state"), [(EVICTED.raw, "refused"), (None, "gone")], ids=["there", "gone"])
def test_a_404_to_an_eviction_is_looked_up(found: dict[str, Any] | None, state: str) -> None:
    """A gateway's says nothing of the pod, which is asked for again until it goes."""
    context: Any = SimpleNamespace(cluster=SimpleNamespace(get=lambda *_: found), recorder=None)
    drain = Drain(context, Work("the drain"), N1.refs[0], Terms(60))
    assert drain._judged(EVICTED, Done("fail", 404, "<html>", "404 not found")).state == state


def test_what_is_lost_with_a_node_is_told() -> None:
    """The record names the pods of others that the fault was allowed to take."""
    noted: list[str] = []
    journal = SimpleNamespace(event=lambda _kind, text: noted.append(text))
    infrastructure: Any = SimpleNamespace(manual_on=str)
    there = context_of(OURS, NEIGHBOUR, DAEMON)
    context: Any = SimpleNamespace(
        cluster=there.cluster,
        recorder=there.recorder,
        namespace=there.namespace,
        selector=there.selector,
        journal=journal,
        infrastructure=Infrastructure(infrastructure),
        record=lambda _entry: "nothing is done here",
    )
    assert pods_of_others(context, ["n1"]) == (Ref("Pod", NAMESPACE, "redis-0", "uid-redis-0"),)
    assert "nothing is done here" in down(whole_namespace=True).inject(context).missed
    assert noted == ["pods of others are lost with node n1: shop/redis-0"]
