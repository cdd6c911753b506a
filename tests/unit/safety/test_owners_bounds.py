"""The owners' bounds on a service that already runs hold whatever a scenario is about."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_objects import node
from histories import NAMESPACE, WORKLOAD, Story, deployment, pod
from saved_histories import saved
from trial_contexts import context_with

from chaos import faults
from chaos.errors import UsageError, plural
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.safety import BlastRadius
from chaos.system import SystemSpec
from chaos.trial.adopted_environment import AdoptedEnvironment
from chaos.trial.config import GamedayConfig
from chaos.trial.context import TrialContext
from chaos.trial.environment import Environment
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.preflight.consent import Consent

NODES = ("n1", "n2", "n3")


def config(**safety: Any) -> GamedayConfig:
    """A file with these limits."""
    return GamedayConfig.model_validate({"system": {"namespace": "llm", "deployment": "chat"}, "safety": safety})


@pytest.mark.parametrize(
    ("safety", "replicas", "tolerated", "most"),
    [
        ({}, 4, 2, 2),
        ({}, 4, 0, 1),
        ({"pods_max": 3}, 4, 1, 3),
        ({"pods_max": 3, "percent_max": 50}, 4, 1, 2),
        ({"percent_max": 50}, 10, 2, 2),
        ({"percent_max": 10}, 4, 2, 0),
    ],
)
def test_how_many_pods_may_be_down_at_once(safety: dict[str, Any], replicas: int, tolerated: int, most: int) -> None:
    """The file's number, else the tolerance, at least one; and never more than the share, though that be none."""
    cluster: Any = None
    assert Adoption(Path("gameday.toml"), config(**safety), cluster).pods_max(replicas, tolerated) == most


def adopted_with(**safety: Any) -> Environment:
    """A cluster of others with these limits, of which only the bounds are asked."""
    nothing: Any = None
    return AdoptedEnvironment(
        cluster=nothing,
        adoption=Adoption(Path("gameday.toml"), config(**safety), nothing),
        lease=nothing,
        abort_command=nothing,
        until_end=nothing,
        say=print,
    )


TEN = SystemSpec(name="chat", image="chat:1", replicas=10)


@pytest.mark.parametrize(
    ("safety", "wanted", "most"),
    [
        pytest.param({"percent_max": 50, "pods_max": 5}, 10, 5, id="half of ten"),
        pytest.param({"percent_max": 50, "pods_max": 5}, 2, 1, id="half of two"),
        pytest.param({"percent_max": 50, "pods_max": 5}, 1, 0, id="half of one is none"),
        pytest.param({"percent_max": 50, "pods_max": 50}, 20, 10, id="half of twenty"),
        pytest.param({}, 10, 5, id="the tolerance"),
        pytest.param({}, 8, 3, id="less what was scaled in"),
        pytest.param({}, 2, 1, id="at least one, as ever"),
        pytest.param({}, 20, 5, id="the promise is of ten"),
        pytest.param({"pods_max": 3}, 2, 2, id="never more than there are"),
    ],
)
def test_bounds_are_those_of_the_moment_at_which_a_fault_acts(safety: dict[str, Any], wanted: int, most: int) -> None:
    """A share, and the tolerance, are of what is wanted then, whatever was wanted as the session began."""
    environment = adopted_with(**safety)
    assert environment.blast_radius(TEN, "llm", None, wanted=wanted, nodes=3).pods_max == most
    assert environment.blast_radius(TEN, "llm", 1, wanted=wanted, nodes=3).pods_max == min(1, most)


@pytest.mark.parametrize(("nodes", "most"), [(10, 9), (3, 2), (1, 1)])
def test_a_node_is_left_of_those_that_there_are_now(nodes: int, most: int) -> None:
    """On a cluster of ours: nodes may have been taken away since the session began. Owners' bounds are numbers."""
    nothing: Any = None
    assert Environment(cluster=nothing).blast_radius(TEN, "llm", None, wanted=10, nodes=nodes).nodes_max == most
    assert adopted_with(nodes_max=2).blast_radius(TEN, "llm", None, wanted=10, nodes=nodes).nodes_max == 2


def by_half(workload: dict[str, Any], ready: str, tmp_path: Path, story: Story | None = None) -> TrialContext:
    """A trial whose owners allow half of the replicas, as the workload and these Ready pods are now."""
    kind = workload.get("kind", "Deployment")
    objects = {
        "Node": [node("n1"), node("n2"), node("n3")],
        "Pod": [pod(name, ready=True, node="n1") for name in ready],
        kind: [workload],
    }
    bounds = adopted_with(percent_max=50, pods_max=10).blast_radius
    return context_with(
        run=saved((story or Story().replicas(*"abcdefghij")).history(), tmp_path / "run"),
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace=NAMESPACE,
        workload_kind=WorkloadKind.named(kind),
        system=SimpleNamespace(workload=Ref(kind, NAMESPACE, WORKLOAD, "d-1"), objects=()),
        blast_radius=partial(bounds, TEN, NAMESPACE, None),
        consent=Consent(),
    )


def scaled(fault: faults.Fault, workload: dict[str, Any], ready: str, tmp_path: Path) -> str:
    """What these bounds say of a fault, empty if they let it pass."""
    context = by_half(workload, ready, tmp_path)
    try:
        context.admit(fault)
    except UsageError as refused:
        return refused.what
    return ""


def kill(*names: str) -> faults.Fault:
    """Kill these pods."""
    return faults.PodKill(Targets("some", tuple(Ref("Pod", NAMESPACE, name, name) for name in names)))


def test_half_of_ten_is_not_all_of_two(tmp_path: Path) -> None:
    """After a scale-in the pods that are left are no share of those that were; of ten that are wanted five may go."""
    assert scaled(kill(*"abcde"), deployment(10), "abcdefghij", tmp_path) == ""
    assert scaled(kill("a"), deployment(2), "ab", tmp_path / "one") == ""
    assert "2 pods and 0 already down are more than the 1 allowed" in scaled(
        kill("a", "b"), deployment(2), "ab", tmp_path / "both"
    )


def test_a_fault_that_goes_on_is_held_against_what_is_left(tmp_path: Path) -> None:
    """A pool whose drain was allowed while ten were wanted: of two that are left, only one may go at once."""
    both = kill("a", "b").victims
    pool = faults.RollingPoolDrain(Targets("none", ()))
    assert by_half(deployment(10), "abcdefghij", tmp_path).objection_to(pool, both) == ""
    left = by_half(deployment(2), "ab", tmp_path / "left")
    assert "2 pods and 0 already down" in left.objection_to(pool, both)
    assert left.objection_to(pool, both[:1]) == ""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(kill("a"), id="a pod"),
        pytest.param(
            faults.NodeDown(Targets("n1", (Ref("Node", "", "n1", "uid-n1"),)), leave_foreign=True), id="a node"
        ),
        pytest.param(
            faults.BudgetChange(Ref("PodDisruptionBudget", NAMESPACE, WORKLOAD, "b"), min_available=1), id="a budget"
        ),
    ],
)
def test_a_number_that_nobody_knows_is_not_zero(fault: faults.Fault, tmp_path: Path) -> None:
    """A workload that does not say how many replicas it wants, or is gone: whatever may take a pod is refused."""
    silent = {"kind": "Rollout.argoproj.io", "metadata": {"name": WORKLOAD}, "spec": {}}
    words = "wants, and so how many are down already, is not known"
    assert words in scaled(fault, silent, "ab", tmp_path)
    assert words in scaled(fault, {"kind": "Deployment", "metadata": {"name": "another"}}, "ab", tmp_path / "gone")


def test_a_node_without_pods_needs_no_number_of_them(tmp_path: Path) -> None:
    """What takes no pod of the system is not held up by a workload that says nothing."""
    silent = {"kind": "Rollout.argoproj.io", "metadata": {"name": WORKLOAD}, "spec": {}}
    empty = faults.NodeDown(Targets("n2", (Ref("Node", "", "n2", "uid-n2"),)), leave_foreign=True)
    assert scaled(empty, silent, "ab", tmp_path) == ""


def admit(*, adopted: bool) -> None:
    """Ask whether every node may be lost at once, where one node is the bound."""
    objects = {"Node": [node(name) for name in NODES], "Pod": [], "Deployment": []}
    context = context_with(
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace="llm",
        adopted=adopted,
        system=SimpleNamespace(workload=Ref("Deployment", "llm", "chat"), objects=()),
        blast_radius=lambda **_: BlastRadius("llm", pods_max=8, nodes_max=1),
        consent=lambda _fault: "",
    )
    refs = tuple(Ref("Node", "", name, f"uid-{name}") for name in NODES)
    down = faults.NodeDown(Targets("all nodes", refs), leave_foreign=True, whole_namespace=True, every_node=True)
    context.admit(down)


def test_a_scenario_of_every_node_does_not_lift_the_owners_bound() -> None:
    """On a cluster of ours it may hit them all; on one of others just as many as the file says."""
    admit(adopted=False)
    with pytest.raises(UsageError, match="3 nodes and 0 already out are more than the 1 allowed"):
        admit(adopted=True)


@pytest.mark.parametrize(("cordoned", "refused"), [(False, False), (True, True)])
def test_a_node_that_others_took_meanwhile_counts_at_the_next_of_a_pool(*, cordoned: bool, refused: bool) -> None:
    """How many may be out is asked again before each node of a drain that goes on for minutes."""
    objects = {"Node": [node("n1"), node("n2"), node("n3", cordoned=cordoned)], "Pod": [], "Deployment": []}
    context = context_with(
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace="llm",
        adopted=True,
        system=SimpleNamespace(workload=Ref("Deployment", "llm", "chat"), objects=()),
        blast_radius=lambda **_: BlastRadius("llm", pods_max=8, nodes_max=1),
    )
    first, second = (Ref("Node", "", name, f"uid-{name}") for name in ("n1", "n2"))
    pool = faults.RollingPoolDrain(Targets("a pool", (first, second)), leave_foreign=True)
    assert ("1 node and 1 already out" in context.objection_to(pool, (second,))) is refused


BUDGET = Ref("PodDisruptionBudget", NAMESPACE, WORKLOAD, "b-1")
CHAT = Ref("Deployment", NAMESPACE, WORKLOAD, "d-1")
PROBED = {"name": "model", "image": "chat:1", "readinessProbe": {"httpGet": {"path": "/", "port": 1}}}
RECREATE = {"strategy": {"type": "Recreate"}}
HALF = {"strategy": {"rollingUpdate": {"maxUnavailable": "50%", "maxSurge": 0}}}
NONE = {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}


def admitted(
    fault: faults.Fault,
    spec: dict[str, Any],
    tmp_path: Path,
    *,
    ready: int = 4,
    pods_max: int = 1,
    active: tuple[faults.Fault, ...] = (),
) -> str:
    """What a blast radius says of a fault on a Deployment of four replicas; empty if it lets it pass."""
    names = "abcd"
    run = saved(Story().replicas(*names).history(), tmp_path / "run")
    template = {"spec": {"containers": [PROBED]}}
    workload = deployment(4)
    workload["metadata"]["uid"] = "d-1"
    workload["spec"] = {"replicas": 4, "template": template, **spec}
    pods = [pod(name, ready=place < ready, node="n1") for place, name in enumerate(names)]
    objects = {"Node": [node("n1"), node("n2")], "Pod": pods, "Deployment": [workload]}
    context = context_with(
        run=run,
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace=NAMESPACE,
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=CHAT, objects=(CHAT, BUDGET)),
        blast_radius=lambda **_: BlastRadius(NAMESPACE, pods_max=pods_max, nodes_max=1),
        consent=lambda _fault: "",
        active=lambda: active,
    )
    try:
        context.admit(fault)
    except UsageError as refused:
        return refused.what
    return ""


@pytest.mark.parametrize(
    ("fault", "spec", "at_risk"),
    [
        pytest.param(faults.Scale(CHAT, 3), {}, 1, id="one fewer"),
        pytest.param(faults.Scale(CHAT, 1), {}, 3, id="all but one"),
        pytest.param(faults.Scale(CHAT, 7), {}, 3, id="three more"),
        pytest.param(faults.Scale(CHAT, 10_000), {}, 9996, id="many more"),
        pytest.param(faults.RollingUpdate(CHAT), {}, 1, id="a release, by default"),
        pytest.param(faults.RollingUpdate(CHAT), NONE, 0, id="a release that misses none"),
        pytest.param(faults.RollingUpdate(CHAT), HALF, 2, id="a release by halves"),
        pytest.param(faults.RollingUpdate(CHAT), RECREATE, 4, id="a release of all at once"),
        pytest.param(
            faults.RollingUpdate(CHAT), NONE | {"template": {"spec": {"containers": [{}]}}}, 4, id="without a probe"
        ),
        pytest.param(faults.BadRollout(CHAT, "probe"), {}, 1, id="a bad release, by default"),
        pytest.param(faults.BadRollout(CHAT, "image"), HALF, 2, id="a bad release by halves"),
        pytest.param(faults.BadRollout(CHAT, "image"), RECREATE, 4, id="a bad release of all at once"),
        pytest.param(faults.BudgetChange(BUDGET, max_unavailable=0), {}, 0, id="none may be evicted"),
        pytest.param(faults.BudgetChange(BUDGET, min_available="100%"), {}, 0, id="all are needed"),
        pytest.param(faults.BudgetChange(BUDGET, max_unavailable=1), {}, 1, id="one may be evicted"),
        pytest.param(faults.BudgetChange(BUDGET, min_available=1), {}, 3, id="one is needed"),
        pytest.param(faults.BudgetChange(BUDGET, max_unavailable="51%"), {}, 3, id="more than half may be evicted"),
    ],
)
def test_a_change_counts_by_the_worst_that_it_can_do(
    fault: faults.Fault, spec: dict[str, Any], at_risk: int, tmp_path: Path
) -> None:
    """Just so many pods have to be within the owners' bound; one less and it is refused, naming the number."""
    assert admitted(fault, spec, tmp_path, pods_max=at_risk) == ""
    if at_risk:
        refused = admitted(fault, spec, tmp_path / "less", pods_max=at_risk - 1)
        assert f"{plural(at_risk, 'pod')} and 0 already down" in refused


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        pytest.param(faults.RollingUpdate(CHAT), False, id="a release counts what is missing"),
        pytest.param(faults.BudgetChange(BUDGET, max_unavailable=1), False, id="so does a budget"),
        pytest.param(faults.Scale(CHAT, 3), True, id="a smaller number does not"),
    ],
)
def test_what_is_down_already_counts_once(fault: faults.Fault, tmp_path: Path, *, refused: bool) -> None:
    """One of four is missing and one may be: what lets nobody go until that one is back may be done."""
    assert bool(admitted(fault, {}, tmp_path, ready=3)) is refused


@pytest.mark.parametrize("uid", ["d-2", ""])
def test_a_neighbours_workload_is_refused(uid: str, tmp_path: Path) -> None:
    """A Deployment of the same namespace, or the system's own by its name alone, is none that may be changed."""
    said = admitted(faults.Scale(Ref("Deployment", NAMESPACE, WORKLOAD, uid), 4), {}, tmp_path)
    assert "is not part of the system" in said


def test_pods_that_came_to_a_node_since_the_pick_count(tmp_path: Path) -> None:
    """A node takes whoever is on it, and not only those that were when it was picked."""
    aim = Targets("n1", (Ref("Node", "", "n1", "uid-n1"), Ref("Pod", NAMESPACE, "a", "a")))
    down = faults.NodeDown(aim, leave_foreign=True)
    assert "4 pods and 0 already down" in admitted(down, {}, tmp_path, pods_max=3)
    assert admitted(down, {}, tmp_path / "more", pods_max=4) == ""


A = Targets("a", (Ref("Pod", NAMESPACE, "a", "a"),))
N2 = Targets("n2", (Ref("Node", "", "n2", "uid-n2"), *A.refs))


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(faults.ProcessHang(A), id="a hang that no probe has seen yet"),
        pytest.param(faults.NetworkPartition(A), id="a pod that its own kubelet finds well"),
        pytest.param(faults.NodeDown(N2, leave_foreign=True), id="a node that is not missed yet"),
    ],
)
def test_what_another_fault_has_taken_counts_though_it_reads_as_ready(first: faults.Fault, tmp_path: Path) -> None:
    """One replica of four may be down, and one serves nobody: no further one is taken, but for that very one."""
    assert "2 pods and 0 already down" in admitted(kill("b"), {}, tmp_path / "b", active=(first,))
    assert admitted(kill("b"), {}, tmp_path / "two", pods_max=2, active=(first,)) == ""
    assert admitted(kill("a"), {}, tmp_path / "a", active=(first,)) == ""
    assert admitted(kill("b"), {}, tmp_path / "gone", active=(kill("a"),)) == ""


def test_a_node_that_another_fault_switched_off_counts_though_it_reads_as_ready(tmp_path: Path) -> None:
    """The API server calls it lost some 40 s later; until then one more would be one too many."""
    aim = Targets("n1", (Ref("Node", "", "n1", "uid-n1"),))
    second, first = faults.NodeDown(aim, leave_foreign=True), faults.NodeDown(N2, leave_foreign=True)
    assert "1 node and 1 already out" in admitted(second, {}, tmp_path / "two", pods_max=4, active=(first,))
    assert admitted(second, {}, tmp_path / "one", pods_max=4) == ""


def growing(*, ready: tuple[str, ...], lost: tuple[str, ...] = ()) -> Story:
    """Two replicas were Ready, the autoscaler asks for four, and these are Ready now."""
    story = Story().replicas("a", "b")
    story.saw(20, "MODIFIED", deployment(4), "Deployment").saw(21, "ADDED", pod("c")).saw(21, "ADDED", pod("d"))
    for uid in lost:
        story.killed(uid, 25)
    for uid in set(ready) - {"a", "b"}:
        story.saw(26, "MODIFIED", pod(uid, ready=True))
    return story


@pytest.mark.parametrize(
    ("ready", "lost", "down"),
    [
        pytest.param(("a", "b"), (), 0, id="none is lost"),
        pytest.param(("b",), ("a",), 1, id="one of the former is lost"),
        pytest.param(("a", "b", "c"), (), 0, id="one has come"),
        pytest.param(("b", "c"), ("a",), 0, id="one has come for one that is lost"),
    ],
)
def test_a_replica_that_was_never_up_is_not_down(
    ready: tuple[str, ...], lost: tuple[str, ...], down: int, tmp_path: Path
) -> None:
    """What an autoscaler is only adding leaves the blast radius alone; what served and is gone does not."""
    run = saved(growing(ready=ready, lost=lost).history(), tmp_path / "run")
    objects = {"Pod": [pod(uid, ready=True) for uid in ready], "Deployment": [deployment(4)]}
    context = context_with(
        run=run,
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", NAMESPACE, WORKLOAD)),
    )
    assert context.replicas_down() == down


def test_half_of_those_that_are_up_is_not_half_of_those_to_come(tmp_path: Path) -> None:
    """While an autoscaler adds two to two, one of them is half; once all four are Ready, two are."""
    both = kill("a", "b")
    early = by_half(deployment(4), "ab", tmp_path / "early", growing(ready=("a", "b")))
    early.admit(kill("a"))
    with pytest.raises(UsageError, match="2 pods and 0 already down are more than the 1 allowed"):
        early.admit(both)
    by_half(deployment(4), "abcd", tmp_path / "late", growing(ready=tuple("abcd"))).admit(both)


def test_what_is_down_already_ends_the_trial_and_not_the_scenario(tmp_path: Path) -> None:
    """Two of four may go: with two lost in mid-trial none may, which is evidence; of four that are up, three never."""
    lost, said = Story().replicas(*"abcd").killed("c", 20).killed("d", 25), list[str]()
    assert not by_half(deployment(4), "ab", tmp_path / "lost", lost).permits(kill("a"), said.append)
    assert said == ["blast radius: 1 pod and 2 already down are more than the 2 allowed at once"]
    whole = by_half(deployment(4), "abcd", tmp_path / "whole", Story().replicas(*"abcd"))
    with pytest.raises(UsageError, match="3 pods and 0 already down are more than the 2 allowed"):
        whole.permits(kill(*"abc"), pytest.fail)
