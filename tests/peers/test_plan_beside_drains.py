"""What `gameday plan` says of a drain on the lab, beside what the drain then comes to."""

from collections.abc import Iterator

import pytest

from chaos import SystemSpec, faults
from chaos.checks import BudgetHeld, Drained
from chaos.cli.plan.listing import gather
from chaos.cli.plan.planner import make_plan
from chaos.cli.plan.results import Answer, DrainAnswer
from chaos.clock import seconds
from chaos.cluster import Cluster, connect
from chaos.faults import targets
from chaos.history import Fault, load_history
from chaos.lab import Lab
from chaos.semantics import DrainOptions
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

pytestmark = [pytest.mark.root, pytest.mark.slow]

LEFT_S = 12.0
"""How long a drain that never ends is looked at: two of the pauses between its tries."""


@pytest.fixture(scope="session")
def admin(reference_model: SystemSpec) -> Iterator[Cluster]:  # the lab is up with it
    """The cluster as its owner sees it: a plan reads kinds that a trial's account may not."""
    facts = Lab().facts()
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster:
        yield cluster


def foretold(admin: Cluster, system: SystemUnderTest, node: str) -> DrainAnswer:
    """What the plan says of one node."""
    options = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True)
    plan = make_plan(gather(admin), options=options, judged=frozenset({system.namespace}))
    (said,) = [answer for answer in plan.nodes if answer.nodes == (node,)]
    return said


def drained(
    trial: Trial, system: SystemUnderTest, traffic: Traffic, admin: Cluster, ends: float
) -> tuple[DrainAnswer, int]:
    """Ask the plan, drain the fullest node, and give its answer with the number of pods left without a node."""
    # So many that each replica answers some before it is drained, or the drain would have met nobody.
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=10)
        node = targets.fullest_node(system)
        said = foretold(admin, system, node.refs[0].name)
        drain = faults.NodeDrain(node, deadline_s=ends)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
            pending = sum(not pod.node for pod in system.pods())
        trial.recovery()
    return said, pending


def took(trial: Trial) -> tuple[Fault, float, int]:
    """The drain as it was recorded, the seconds that it took, and how many evictions were accepted."""
    history = load_history(trial.run)
    (fault,) = history.faults
    assert fault.result_ns is not None
    evicted = sum(one.name == "evict-pod" and one.outcome == "ok" for one in history.actions)
    return fault, seconds(fault.result_ns - fault.begin_ns), evicted


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            Answer.WAITS, marks=pytest.mark.system(replicas=4, disruption_budget={"max_unavailable": 1}), id="waits"
        ),
        pytest.param(Answer.FINISHES, marks=pytest.mark.system(replicas=4, disruption_budget=None), id="finishes"),
    ],
)
def test_a_drain_that_the_plan_lets_finish_finishes(
    answer: Answer, trial: Trial, system: SystemUnderTest, traffic: Traffic, admin: Cluster
) -> None:
    """It ends within the plan's bound, with as many evictions as the plan counted, and leaves nobody without a node."""
    said, pending = drained(trial, system, traffic, admin, 60)
    trial.judge(Drained())
    fault, took_s, evicted = took(trial)
    assert said.answer is answer, said
    assert (fault.result, evicted, pending) == ("finished", said.pods, len(said.homeless))
    assert said.bound_s is not None
    assert took_s <= said.bound_s


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(
            ("all-must-stay", 0),
            marks=pytest.mark.system(replicas=4, disruption_budget={"min_available": 4}),
            id="all-must-stay",
        ),
        # The pool has one node: the first replica to go has nowhere to come back, and the second may then not go.
        pytest.param(
            ("no-room", 1),
            marks=pytest.mark.system(
                replicas=4,
                disruption_budget={"max_unavailable": 1},
                node_selector={"gameday.dev/pool": "green"},
            ),
            id="no-room",
        ),
    ],
)
def test_a_drain_that_the_plan_sees_deadlock_is_blocked(
    expected: tuple[str, int], trial: Trial, system: SystemUnderTest, traffic: Traffic, admin: Cluster
) -> None:
    """It gets as far as the plan's reason lets it, and is still refused when its time is up."""
    said, pending = drained(trial, system, traffic, admin, LEFT_S)
    trial.judge(BudgetHeld(), Drained(blocked_by="model"))
    fault, _, evicted = took(trial)
    assert said.answer is Answer.DEADLOCKS, said
    assert expected[0] in [reason.code for reason in said.reasons]
    assert (fault.result, evicted, pending) == ("blocked", expected[1], len(said.homeless))
