"""The blast radius: what is refused before anything is done, and how that is said."""

from typing import Any

import pytest

from chaos.errors import NotNow, UsageError
from chaos.objects.base import Ref
from chaos.safety import BlastRadius

RADIUS = BlastRadius("ns", pods_max=2, nodes_max=1)
OURS = frozenset({"uid-a", "uid-b", "uid-c", "uid"})


def pod(name: str, namespace: str = "ns") -> Ref:
    """A pod."""
    return Ref("Pod", namespace, name, f"uid-{name}")


def node(name: str) -> Ref:
    """A node."""
    return Ref("Node", "", name, f"uid-{name}")


def test_the_systems_own_pods_within_the_maximum_are_admitted() -> None:
    """As many pods as allowed, and a node, pass."""
    RADIUS.admit([node("n1"), pod("a"), pod("b")], ours=OURS)


@pytest.mark.parametrize("victim", [pod("a", "elsewhere"), pod("stranger")], ids=["namespace", "uid"])
def test_a_pod_that_is_not_the_systems_is_refused_by_name(victim: Ref) -> None:
    """Another namespace, or a UID that is not among the system's, is outside."""
    with pytest.raises(UsageError, match=f"pod {victim.namespace}/{victim.name} is not part of the system in ns"):
        RADIUS.admit([victim], ours=OURS)


@pytest.mark.parametrize("uid", ["uid-of-another", ""])
def test_what_else_is_changed_must_be_the_systems_own(uid: str) -> None:
    """A Deployment of the namespace that is not the system's, or is known by its name alone, is refused like a pod."""
    with pytest.raises(UsageError, match="deployment ns/other is not part"):
        RADIUS.admit([Ref("Deployment", "ns", "other", uid)], ours={*OURS, ""})


def test_pods_that_a_change_puts_at_risk_count_as_victims() -> None:
    """Beside those that are down, and beside pods that are hit themselves; none at risk forbids nothing."""
    change = Ref("Deployment", "ns", "model", "uid")
    RADIUS.admit([change], ours=OURS, at_risk=2)
    RADIUS.admit([change], ours=OURS, at_risk=0, down=3)
    with pytest.raises(UsageError, match="3 pods and 0 already down are more than the 2 allowed"):
        RADIUS.admit([change], ours=OURS, at_risk=3)
    with pytest.raises(UsageError, match="1 pod and 2 already down"):
        RADIUS.admit([change], ours=OURS, at_risk=1, down=2)
    with pytest.raises(UsageError, match="3 pods and 0 already down"):
        RADIUS.admit([node("n1"), pod("a")], ours=OURS, at_risk=2)


def test_what_else_is_changed_must_be_in_the_namespace() -> None:
    """A Deployment or a disruption budget of another namespace is refused like a pod."""
    RADIUS.admit([Ref("Deployment", "ns", "model", "uid")], ours=OURS)
    with pytest.raises(UsageError, match="deployment other/model is not part"):
        RADIUS.admit([Ref("Deployment", "other", "model", "uid")], ours=OURS)


def test_pods_that_are_down_already_count() -> None:
    """One victim and two missing replicas are three, where two are allowed."""
    with pytest.raises(UsageError, match="1 pod and 2 already down are more than the 2 allowed"):
        RADIUS.admit([pod("a")], ours=OURS, down=2)


def test_a_fault_without_pods_is_admitted_while_pods_are_down() -> None:
    """Changing a disruption budget takes no pod, so missing replicas do not forbid it."""
    RADIUS.admit([Ref("PodDisruptionBudget", "ns", "model", "uid")], ours=OURS, down=3)


def test_more_nodes_than_allowed_are_refused() -> None:
    """Nodes that are out already count too."""
    with pytest.raises(UsageError, match="2 nodes and 0 already out are more than the 1 allowed"):
        RADIUS.admit([node("n1"), node("n2")], ours=OURS)
    with pytest.raises(UsageError, match="1 node and 1 already out"):
        RADIUS.admit([node("n1")], ours=OURS, nodes_out=1)
    BlastRadius("ns", pods_max=2).admit([node("n1"), node("n2")], ours=OURS)


def test_pods_of_others_on_a_node_are_counted_and_named() -> None:
    """The refusal says how many, names the first of them, and counts the rest."""
    others = [pod(f"other-{index}", "theirs") for index in range(7)]
    with pytest.raises(UsageError) as caught:
        RADIUS.admit([node("n1")], ours=OURS, foreign=others)
    assert "7 pods of others on n1: theirs/other-0, " in str(caught.value)
    assert "theirs/other-4 and 2 more" in str(caught.value)


def test_nodes_that_are_out_forbid_nothing_that_hits_no_node() -> None:
    """A pod may be killed while a node is out."""
    RADIUS.admit([pod("a")], ours=OURS, nodes_out=5)


@pytest.mark.parametrize(
    ("victims", "now", "moment"),
    [
        pytest.param([pod("a")], {"down": 2}, True, id="lost pods"),
        pytest.param([pod("a"), pod("b"), pod("c")], {"down": 2}, False, id="too many pods beside lost ones"),
        pytest.param([pod("a"), pod("b"), pod("c")], {}, False, id="too many pods"),
        pytest.param([pod("a")], {"at_risk": 2}, False, id="too many pods with a change"),
        pytest.param([node("n1")], {"nodes_out": 1}, True, id="a closed node"),
        pytest.param([node("n1"), node("n2")], {}, False, id="too many nodes"),
        pytest.param([pod("stranger")], {"down": 2}, False, id="a pod of others"),
    ],
)
def test_what_only_the_moment_forbids_is_told_apart(victims: list[Ref], now: dict[str, Any], *, moment: bool) -> None:
    """A fault that is within the bound by itself is no mistake of its scenario, however much is down already."""
    with pytest.raises(UsageError) as refused:
        RADIUS.admit(victims, ours=OURS, **now)
    assert isinstance(refused.value, NotNow) is moment
