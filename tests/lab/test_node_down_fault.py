"""A lab node that loses its power by a fault, and gets it back by the heal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.clock import Clock
from chaos.cluster import Cluster, Hand, Journal, LeashedHand, OpenHand, Recorder, Scope, connect
from chaos.faults import Field, Means, NodeDown, NodePower
from chaos.history import Ref
from chaos.history.views import NodeView
from chaos.lab import Lab
from chaos.lab.power import LabPower, is_cut, is_frozen
from chaos.lab.session import lab_session
from chaos.progress import Silent
from chaos.semantics import Timings
from chaos.targets import Targets

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The lab, joined or started."""
    with (
        lab_session(Lab(), nodes=3, words="the tests of node loss", keep=False, progress=Silent()) as facts,
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
    ):
        yield cluster


def _field(cluster: Cluster, folder: Path, *, power: NodePower | None, leash: bool = False) -> Iterator[Field]:
    clock = Clock.start()
    with (
        Journal(folder / "actions.jsonl", clock) as journal,
        Recorder(
            cluster, clock, folder / "watch.jsonl", [Scope("Node", None), Scope("Pod", None), Scope("Deployment", None)]
        ) as recorder,
    ):
        hand: Hand = LeashedHand(journal) if leash else OpenHand(cluster, journal)
        yield Field(
            hand, recorder, cluster, journal, "fault-1", "default", Timings.of(Lab().facts().timings), Means(power)
        )


@pytest.fixture
def field(cluster: Cluster, tmp_path: Path) -> Iterator[Field]:
    """What a fault may use."""
    yield from _field(cluster, tmp_path, power=LabPower())


@pytest.fixture
def powerless(cluster: Cluster, tmp_path: Path) -> Iterator[Field]:
    """The same where nobody can take a node's power."""
    yield from _field(cluster, tmp_path, power=None)


@pytest.fixture
def leashed(cluster: Cluster, tmp_path: Path) -> Iterator[Field]:
    """The same with a hand that does nothing."""
    yield from _field(cluster, tmp_path, power=LabPower(), leash=True)


def target(field: Field, name: str) -> Targets:
    """One node."""
    (uid,) = [view.uid for view in map(NodeView, field.recorder.objects("Node")) if view.name == name]
    return Targets(f"node {name}", (Ref("Node", "", name, uid),))


def test_a_node_is_lost_and_found(field: Field) -> None:
    """Its power goes at once, the API server notices in time, and after the heal it is Ready without a taint."""
    down = NodeDown(target(field, "n2"))
    try:
        assert down.inject(field) == ""
        assert down.landed(field) == "node n2 stands still: its processes are frozen and its link is down"
        noticed = down.noticed
        assert field.recorder.wait_for(noticed.seen, noticed.deadline_s)
    finally:
        assert down.heal(field) == ""
    assert not is_cut("n2")
    assert not is_frozen("n2")
    (node,) = [view for view in map(NodeView, field.recorder.objects("Node")) if view.name == "n2"]
    assert node.ready
    assert not [taint for taint in node.taints if "node.kubernetes.io" in taint["key"]]
    assert down.heal(field) == ""


def test_without_a_means_nothing_is_done(powerless: Field) -> None:
    """The fault says what is missing, and there is nothing to heal."""
    down = NodeDown(target(powerless, "n2"))
    assert "nobody can take a node's power away" in down.inject(powerless)
    assert down.heal(powerless) == ""


def test_a_rehearsal_takes_no_power(leashed: Field) -> None:
    """A leashed hand switches nothing, and does not claim to have landed."""
    down = NodeDown(target(leashed, "n3"))
    assert "leashed" in down.inject(leashed)
    assert down.landed(leashed) == ""
    assert not is_cut("n3")
    assert not is_frozen("n3")
    assert down.heal(leashed) == ""
