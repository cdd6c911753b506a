"""Nodes that are cut off or frozen, and come back."""

from collections.abc import Iterator

import pytest
from lab_objects import PODS, await_pod_ready, model_pod

from chaos.errors import LabError
from chaos.lab import Lab
from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.nodes.infrastructure import cut_link, freeze, is_cut, is_frozen, restore_link, thaw
from chaos.lab.nodes.nodes import nodes_ready
from chaos.progress import Silent
from chaos.semantics.timings import LAB
from chaos.wait import until

pytestmark = pytest.mark.root
# The monitor looks every `node_monitor_period_s`, and two cores may be busy.
LOST_DEADLINE_S = LAB.node_monitor_grace_s + 2 * LAB.node_monitor_period_s + 20
BACK_DEADLINE_S = 60.0


@pytest.fixture
def api(lab: Lab) -> Iterator[Api]:
    """The lab's API server as the suite's user."""
    with suite_api(lab.paths) as api:
        yield api


def _await(api: Api, node: str, *, ready: bool, deadline_s: float) -> None:
    until(
        lambda: nodes_ready(api)[node] == ready,
        deadline_s=deadline_s,
        awaited=f"{node} {'Ready' if ready else 'not Ready'}",
    )


def test_a_node_that_is_cut_off_is_lost_and_returns(lab: Lab, api: Api) -> None:
    """Without its link a node is not Ready after the monitor's grace, and Ready again with it."""
    cut_link("n2")
    assert is_cut("n2")
    assert not is_cut("n1")
    _await(api, "n2", ready=False, deadline_s=LOST_DEADLINE_S)
    restore_link("n2")
    restore_link("n2")
    assert not is_cut("n2")
    _await(api, "n2", ready=True, deadline_s=BACK_DEADLINE_S)


def test_a_frozen_node_stands_still_and_goes_on(lab: Lab, api: Api) -> None:
    """A frozen node with a pod on it is lost, goes on when thawed, and is Ready again."""
    api.create(PODS, model_pod("frozen", node="n1"))
    await_pod_ready(api, "frozen")
    freeze("n1")
    assert is_frozen("n1")
    assert not is_frozen("n2")
    _await(api, "n1", ready=False, deadline_s=LOST_DEADLINE_S)
    thaw("n1")
    thaw("n1")
    assert not is_frozen("n1")
    _await(api, "n1", ready=True, deadline_s=BACK_DEADLINE_S)


def test_a_node_that_is_not_there_is_refused(lab: Lab) -> None:
    """No node but the lab's own can be named."""
    for name in ("n3", "client", "control", "../n1"):
        with pytest.raises(LabError, match="the lab has no node"):
            cut_link(name)
        with pytest.raises(LabError, match="the lab has no node"):
            freeze(name)


def test_a_lab_with_a_frozen_node_is_taken_down(lab: Lab) -> None:
    """Frozen processes and cut links are no blocker to the teardown."""
    freeze("n1")
    cut_link("n2")
    lab.down(force=True, progress=Silent())
    assert not lab.status().remains
