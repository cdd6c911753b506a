"""Picks: who is chosen from a system and a cluster written by hand."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from chaos.errors import GamedayError, UsageError
from chaos.faults import targets
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView


@dataclass(frozen=True, slots=True)
class Written:
    """A system written by hand: where each pod lies, and whether it is Ready."""

    found: Sequence[PodView]
    machines: Sequence[NodeView]
    seed: int = 7
    inert: bool = False
    at_once: int | None = None
    nodes_at_once: int | None = None
    words: str = "app=model"
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rng", random.Random(self.seed))  # noqa: S311  # replayable

    def role(self, name: str) -> "Written":
        """None but itself."""
        raise UsageError(f"no {name}")

    def ready_pods(self) -> Sequence[PodView]:
        """The ready ones."""
        return [pod for pod in self.found if pod.ready]

    def pods(self) -> Sequence[PodView]:
        """All."""
        return self.found

    def nodes(self) -> Sequence[NodeView]:
        """All nodes."""
        return self.machines


def pod(name: str, node: str, *, ready: bool = True, deleting: bool = False, grace_s: int = 30) -> PodView:
    """One pod that runs."""
    metadata: dict[str, Any] = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "creationTimestamp": f"t-{name}"}
    if deleting:
        metadata["deletionTimestamp"] = "now"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return PodView(
        {
            "metadata": metadata,
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": grace_s},
            "status": {"phase": "Running", "conditions": [condition]},
        }
    )


def node(name: str, *, ready: bool = True, closed: bool = False, labels: Mapping[str, str] | None = None) -> NodeView:
    """One node."""
    return NodeView(
        {
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": dict(labels or {})},
            "spec": {"unschedulable": True} if closed else {},
            "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}]},
        }
    )


THREE = [node("n1", labels={"pool": "blue"}), node("n2", labels={"pool": "green"}), node("n3", labels={"pool": "blue"})]


def names(chosen: targets.Targets) -> list[str]:
    """Who was chosen."""
    return [ref.name for ref in chosen.refs]


def test_the_fullest_node_comes_with_the_pods_on_it() -> None:
    """The node is chosen by ready replicas, and its pods are among the victims, with the longest grace."""
    system = Written([pod("a", "n1"), pod("b", "n2", grace_s=5), pod("c", "n2", grace_s=60)], THREE)
    chosen = targets.fullest_node(system)
    assert names(chosen) == ["n2", "b", "c"]
    assert (chosen.refs[0].kind, chosen.refs[0].uid) == ("Node", "uid-n2")
    assert chosen.words == "node n2, with 2 of 3 ready replicas"
    assert chosen.grace_s == 60


def test_pods_that_are_not_ready_do_not_fill_a_node() -> None:
    """Only ready replicas count: two that are starting do not outweigh one that serves."""
    system = Written([pod("a", "n1"), pod("b", "n2", ready=False), pod("c", "n2", ready=False)], THREE)
    assert names(targets.fullest_node(system)) == ["n1", "a"]


def test_closed_and_lost_nodes_are_not_picked() -> None:
    """A node that is cordoned or not Ready is no candidate, however full it is."""
    nodes = [node("n1"), node("n2", closed=True), node("n3", ready=False)]
    system = Written([pod("a", "n1"), pod("b", "n2"), pod("c", "n2"), pod("d", "n3"), pod("e", "n3")], nodes)
    assert names(targets.fullest_node(system)) == ["n1", "a"]


def test_among_equals_the_seed_chooses_and_chooses_again() -> None:
    """The same seed picks the same node; over many seeds every equal one is picked."""
    pods = [pod("a", "n1"), pod("b", "n2"), pod("c", "n3")]
    picked = [names(targets.fullest_node(Written(pods, THREE, seed=seed)))[0] for seed in range(30)]
    again = [names(targets.fullest_node(Written(pods, THREE, seed=seed)))[0] for seed in range(30)]
    assert picked == again
    assert set(picked) == {"n1", "n2", "n3"}


def test_several_nodes_are_different_ones() -> None:
    """Picking two gives the two fullest, the fullest first, each as targets of its own."""
    system = Written([pod("a", "n1"), pod("b", "n2"), pod("c", "n2"), pod("d", "n2"), pod("e", "n1")], THREE)
    assert [names(one) for one in targets.fullest_nodes(system, 2)] == [["n2", "b", "c", "d"], ["n1", "a", "e"]]


def test_more_nodes_than_there_are_is_an_error_in_words() -> None:
    """Asking for two where one node holds all says how many there are."""
    system = Written([pod("a", "n1")], THREE)
    with pytest.raises(GamedayError, match="1 open nodes hold a ready pod that matches app=model, not 2"):
        targets.fullest_nodes(system, 2)


def test_the_node_of_a_pick_is_where_that_pod_runs() -> None:
    """The node is that of the pod that the inner pick chose, with all pods on it."""
    system = Written([pod("a", "n1"), pod("b", "n1"), pod("c", "n1")], THREE)
    assert names(targets.node_of(system, targets.one(system))) == ["n1", "a", "b", "c"]


def test_pods_on_several_nodes_have_no_one_node() -> None:
    """A pick of pods on two nodes is refused in words."""
    system = Written([pod("a", "n1"), pod("b", "n2")], THREE)
    with pytest.raises(GamedayError, match="on 2 nodes, not on one"):
        targets.node_of(system, targets.every(system))


def test_a_pool_is_every_node_with_the_label_in_order() -> None:
    """The nodes come first, by name, then the pods on them; nodes without a pod belong to the pool too."""
    chosen = targets.pool(Written([pod("a", "n1"), pod("b", "n2")], THREE), "pool", "blue")
    assert names(chosen) == ["n1", "n3", "a"]
    assert chosen.words == "the node pool pool=blue (n1, n3), with 1 of 2 ready replicas"


def test_a_pool_without_a_node_says_which_there_are() -> None:
    """A mistyped value is answered with the values that nodes have."""
    with pytest.raises(GamedayError, match="no node has the label pool=red") as caught:
        targets.pool(Written([], THREE), "pool", "red")
    assert "blue, green" in str(caught.value)


def test_unready_picks_the_newest_that_runs_and_is_not_ready() -> None:
    """Pods that are Ready, or on their way out, are not picked."""
    pods = [pod("a", "n1"), pod("b", "n1", ready=False), pod("c", "n2", ready=False)]
    system = Written([*pods, pod("d", "n2", ready=False, deleting=True)], THREE)
    assert names(targets.unready(system)) == ["c"]
    with pytest.raises(GamedayError, match="no pod that runs and is not Ready"):
        targets.unready(Written([pod("a", "n1")], THREE))


ZONE = "topology.kubernetes.io/zone"
ZONED = [node(name, labels={ZONE: zone}) for name, zone in (("n1", "a"), ("n2", "b"), ("n3", "a"))]


def test_the_fullest_zone_is_every_node_in_it() -> None:
    """The zone is chosen by its ready replicas together, and comes with all its nodes and their pods."""
    system = Written([pod("a", "n1"), pod("b", "n2"), pod("c", "n3")], ZONED)
    chosen = targets.fullest_zone(system)
    assert names(chosen) == ["n1", "n3", "a", "c"]
    assert chosen.words == "zone a (n1, n3), with 2 of 3 ready replicas"


def test_one_zone_is_not_lost_as_a_zone() -> None:
    """Where all nodes are in one zone, or say nothing, losing it would leave nothing, and that is said."""
    for machines in (THREE, [node("n1", labels={ZONE: "a"})]):
        with pytest.raises(GamedayError, match="zones by their label"):
            targets.fullest_zone(Written([pod("a", "n1")], machines))


def test_the_fullest_pool_is_chosen_by_the_replicas_that_it_holds() -> None:
    """Of the values of a label the one counts whose nodes hold most, wherever that is today."""
    chosen = targets.fullest_pool(Written([pod("a", "n2"), pod("b", "n2"), pod("c", "n3")], THREE), "pool")
    assert names(chosen) == ["n2", "a", "b"]
    assert chosen.words == "pool green (n2), with 2 of 3 ready replicas"


def test_one_pool_is_not_given_up_as_a_pool() -> None:
    """Where there are not two pools, emptying one would leave nothing, and that is said."""
    with pytest.raises(GamedayError, match="the nodes are in 0 pools by their label team"):
        targets.fullest_pool(Written([pod("a", "n1")], THREE), "team")


def test_a_node_with_more_than_its_share_is_not_picked() -> None:
    """Where users are promised what the other nodes carry, a node that holds more of them is not hit."""
    crowded = [pod("a", "n1"), pod("b", "n1"), pod("c", "n1"), pod("d", "n2")]
    assert names(targets.fullest_node(Written(crowded, THREE), share_max=0.5)) == ["n2", "d"]
    with pytest.raises(GamedayError, match=r"lie 3 on n1, and the scenario counts on at most 1\.5 of them on a node"):
        targets.fullest_node(Written(crowded[:3], THREE), share_max=0.5)
    assert names(targets.fullest_node(Written(crowded, THREE), share_max=0.75)) == ["n1", "a", "b", "c"]
    assert targets.fullest_node(Written([], [], inert=True), share_max=0.5).refs == ()


def test_no_pick_takes_more_than_may_be_down_at_once() -> None:
    """Half, the fullest node, two nodes and the fullest group keep to the bound that was known before the trial."""
    crowded = [pod("a", "n1"), pod("b", "n1"), pod("c", "n1"), pod("d", "n2")]
    assert len(targets.share(Written(crowded, THREE, at_once=1), 0.5).refs) == 1
    assert len(targets.share(Written(crowded, THREE, at_once=3), 1.0).refs) == 3
    assert names(targets.fullest_node(Written(crowded, THREE, at_once=2))) == ["n2", "d"]
    assert names(targets.fullest_pool(Written(crowded, THREE, at_once=2), "pool")) == ["n2", "d"]
    assert names(targets.fullest_pool(Written(crowded, THREE, nodes_at_once=1), "pool")) == ["n2", "d"]
    with pytest.raises(GamedayError, match="lie 3 on n1, 1 on n2, and the scenario counts on at most 1"):
        targets.fullest_nodes(Written(crowded, THREE, at_once=3), 2)
    with pytest.raises(GamedayError, match="lie 3 on 2 nodes in pool blue, 1 on 1 nodes in pool green; 0 and"):
        targets.fullest_pool(Written(crowded, THREE, at_once=0), "pool")


def test_all_nodes_are_picked_in_order() -> None:
    """Every node comes, also one without a pod, and every pod."""
    chosen = targets.all_nodes(Written([pod("a", "n2")], THREE))
    assert names(chosen) == ["n1", "n2", "n3", "a"]
    assert chosen.words == "all 3 nodes, with 1 of 1 ready replicas"


def test_nobody_is_picked_when_a_saved_run_is_judged_again() -> None:
    """Every pick of an inert system gives no victim and does not fail."""
    system = Written([], [], inert=True)
    for pick in (targets.one, targets.every, targets.unready, targets.fullest_node, targets.fullest_zone):
        assert pick(system).refs == ()
    assert targets.share(system, 0.5).refs == ()
    assert targets.node_of(system, targets.one(system)).refs == ()
    assert targets.pool(system, "pool", "blue").refs == ()
    assert targets.fullest_pool(system, "pool").refs == ()
    assert targets.all_nodes(system).refs == ()
    assert [one.refs for one in targets.fullest_nodes(system, 2)] == [(), ()]


def test_share_and_every_count_the_ready_ones() -> None:
    """A share is rounded down but at least one; every is all; a pod that is not Ready is nobody's victim."""
    system = Written([pod("a", "n1"), pod("b", "n1"), pod("c", "n1"), pod("d", "n1", ready=False)], THREE)
    assert len(names(targets.share(system, 0.5))) == 1
    assert sorted(names(targets.every(system))) == ["a", "b", "c"]
    with pytest.raises(GamedayError, match="no ready pod matches app=model"):
        targets.one(Written([], THREE))


@pytest.mark.parametrize(("part", "chosen"), [(0.01, 1), (0.1, 1), (0.3, 3), (0.55, 5), (0.7, 7), (1, 10)])
def test_a_share_is_that_part_of_the_ready_replicas(part: float, chosen: int) -> None:
    """Of ten replicas 0.3 are three and 0.55 five, whatever the product of floats says."""
    system = Written([pod(f"p{number}", "n1") for number in range(10)], THREE)
    assert len(names(targets.share(system, part))) == chosen


@pytest.mark.parametrize("part", [0, -0.5, 1.01])
def test_a_share_beyond_all_or_of_nobody_is_refused(part: float) -> None:
    """A part is above 0 and at most 1."""
    with pytest.raises(UsageError, match=r"targets\.share"):
        targets.share(Written([pod("a", "n1")], THREE), part)
