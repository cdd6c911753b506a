"""The replica calculator of the horizontal autoscaler, row by row as Kubernetes documents it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.semantics.hpa.pod_groups import PodSample, ReplicaState, group_pods
from chaos.semantics.hpa.replica_calculator import (
    Pods,
    Proposal,
    Target,
    Tolerance,
    metric_replicas,
    shown_replicas,
    strongest,
)

NOW_S = 1000.0
CPU_60 = Target("Utilization", 60)
TIMES = {"now_s": NOW_S, "cpu_initialization_s": 300.0, "initial_readiness_s": 30.0}


def propose(
    usage: Sequence[int | None],
    *,
    target: Target = CPU_60,
    current: int | None = None,
    pods: Sequence[ReplicaState] | None = None,
    request: int = 100,
    tolerance: Tolerance | None = None,
) -> Proposal:
    """What pods that use so much (None: no sample) ask for; all old, Ready, and asking for `request` each."""
    everyone = pods or [ReplicaState(f"p{number}", request=request) for number in range(len(usage))]
    samples = {
        pod.name: PodSample(used, NOW_S - 5, 10) for pod, used in zip(everyone, usage, strict=True) if used is not None
    }
    groups = group_pods(everyone, samples, cpu=True, **TIMES)
    count = len(everyone) if current is None else current
    return metric_replicas(everyone, samples, groups, target, current=count, tolerance=tolerance or Tolerance())


@pytest.mark.parametrize(
    ("usage", "replicas", "measured"),
    [
        ([60, 60], 2, 60),
        ([120, 120], 4, 120),
        ([90, 90], 3, 90),
        ([30, 30], 1, 30),
        ([61, 119], 3, 90),
        # the average is cut to whole percent before it is compared
        ([66, 66, 67], 3, 66),
        # both ends of the tolerance belong to it: 66 and 54 of 60 are 10 % off
        ([66, 66], 2, 66),
        ([67, 67], 3, 67),
        ([54] * 10, 10, 54),
        ([53] * 10, 9, 53),
        ([0, 0], 0, 0),
    ],
)
def test_a_change_follows_the_ratio(usage: list[int], replicas: int, measured: int) -> None:
    """Pods times the ratio of measured to wished, rounded up, and nothing within the tolerance."""
    assert propose(usage) == Proposal(replicas, measured)


@pytest.mark.parametrize(
    ("usage", "replicas"),
    [
        # up: the missing pod counts as idle, and the sum is over all pods: (120+120+0)/300 = 80 % -> 1.33 * 3
        ([120, 120, None], 4),
        # up, but with the idle pod within the tolerance: 70 % and 70 % of two, 46 % of three: would turn round
        ([70, 70, None], 3),
        ([95, 95, None], 3),
        # down: the missing pod counts as using its whole request: (10+10+100)/300 = 40 % -> 0.67 * 3
        ([10, 10, None], 2),
        # down, but the missing pod takes it over the target: nothing changes
        ([50, 50, None, None], 4),
        # in between nothing is assumed of anybody
        ([60, 60, None], 3),
    ],
)
def test_pods_without_a_sample_speak_against_the_change(usage: list[int | None], replicas: int) -> None:
    """On the way up they count as idle, on the way down as fully used; a change that turns round is none."""
    assert propose(usage).replicas == replicas


def test_a_missing_pod_counts_as_the_target_where_that_is_above_the_request() -> None:
    """On the way down with a target of 150 %, a missing pod counts as 150 %, not 100 %."""
    target = Target("Utilization", 150)
    assert propose([90, 90, None], target=target).replicas == 3  # (90+90+150)/300 = 110 %: ceil(0.73 * 3)
    assert propose([30, 30, None], target=target).replicas == 2  # 70 %: ceil(0.47 * 3)


PENDING = ReplicaState("p2", phase="Pending", request=100)
STARTING = ReplicaState("p2", ready=False, ready_since_s=NOW_S - 8, started_s=NOW_S - 9, request=100)


@pytest.mark.parametrize("third", [PENDING, STARTING], ids=["pending", "not ready"])
@pytest.mark.parametrize(("usage", "replicas"), [(120, 4), (70, 3), (30, 1)])
def test_unready_pods_count_as_idle_on_the_way_up_only(third: ReplicaState, usage: int, replicas: int) -> None:
    """A pod that has not come up damps a scale-up; on the way down it is left out altogether."""
    ready = [ReplicaState(f"p{number}", request=100) for number in range(2)]
    assert propose([usage, usage, 500], pods=[*ready, third]).replicas == replicas


@pytest.mark.parametrize(
    ("pod", "sample_at_s", "group"),
    [
        (ReplicaState("p"), NOW_S, "counted"),
        (ReplicaState("p", deleting=True), NOW_S, "ignored"),
        (ReplicaState("p", phase="Failed"), NOW_S, "ignored"),
        (ReplicaState("p", phase="Pending"), NOW_S, "unready"),
        (ReplicaState("p"), None, "missing"),
        (ReplicaState("p", phase="Pending"), None, "unready"),
        # no Ready condition, or no start time
        (ReplicaState("p", ready_since_s=None), NOW_S, "unready"),
        (ReplicaState("p", started_s=None), NOW_S, "unready"),
        # young: within 300 s of its start
        (ReplicaState("p", ready=False, ready_since_s=990, started_s=989), NOW_S, "unready"),
        (ReplicaState("p", ready_since_s=980, started_s=979), 990.0, "counted"),
        (ReplicaState("p", ready_since_s=981, started_s=979), 990.0, "unready"),
        (ReplicaState("p", ready=None, ready_since_s=900, started_s=890), NOW_S, "counted"),
        # at 300 s it is no longer young
        (ReplicaState("p", ready_since_s=995, started_s=700), 996.0, "counted"),
        (ReplicaState("p", ready_since_s=995, started_s=701), 996.0, "unready"),
        # old and not Ready: unready only if it never was, that is if the condition turned within 30 s of the start
        (ReplicaState("p", ready=False, ready_since_s=429, started_s=400), NOW_S, "unready"),
        (ReplicaState("p", ready=False, ready_since_s=430, started_s=400), NOW_S, "counted"),
    ],
)
def test_pods_are_sorted(pod: ReplicaState, sample_at_s: float | None, group: str) -> None:
    """Going ones are ignored, Pending and young ones unready, those without a sample missing (window 10 s)."""
    samples = {} if sample_at_s is None else {"p": PodSample(10, sample_at_s, 10)}
    groups = group_pods([pod], samples, cpu=True, **TIMES)
    found = (
        "counted"
        if groups.counted
        else next(name for name in ("ignored", "unready", "missing") if getattr(groups, name))
    )
    assert found == group


def test_readiness_counts_for_cpu_alone() -> None:
    """For memory and custom metrics a pod that is not Ready is measured like any other."""
    pods = [ReplicaState("p", ready=False, ready_since_s=999, started_s=998)]
    assert group_pods(pods, {"p": PodSample(1, NOW_S, 10)}, cpu=False, **TIMES).counted == 1


def test_an_average_value_needs_no_request() -> None:
    """A target in plain amounts divides the average usage; whoever is missing on the way down counts as the target."""
    target = Target("AverageValue", 50)
    bare = [ReplicaState(f"p{number}") for number in range(3)]
    assert propose([100, 100, 100], pods=bare, target=target) == Proposal(6, 100)
    assert propose([10, 10, None], pods=bare, target=target) == Proposal(2, 10)  # (10+10+50)/3 = 23: ceil(0.46 * 3)


@pytest.mark.parametrize(
    ("pods", "usage", "reason"),
    [
        ([], [], "no pods"),
        ([ReplicaState("p", request=None)], [10], "missing request in pod p"),
        ([ReplicaState("p", phase="Pending", request=10)], [None], "no sample"),
        ([ReplicaState("p", request=10)], [None], "no sample"),
        ([ReplicaState("p", request=10), ReplicaState("q", request=None, deleting=True)], [10, None], "in pod q"),
    ],
)
def test_what_cannot_be_computed_says_why(pods: list[ReplicaState], usage: list[int | None], reason: str) -> None:
    """No pods, no sample, or any pod without a request: no number, and the reason."""
    samples = {p.name: PodSample(u, NOW_S, 10) for p, u in zip(pods, usage, strict=True) if u is not None}
    groups = group_pods(pods, samples, cpu=True, **TIMES)
    found = metric_replicas(pods, samples, groups, CPU_60, current=1, tolerance=Tolerance())
    assert found.replicas is None
    assert reason in found.reason


@pytest.mark.parametrize(("used", "replicas"), [(62, 2), (63, 3), (54, 2), (53, 2)])
def test_each_direction_may_have_a_tolerance_of_its_own(used: int, replicas: int) -> None:
    """`behavior.scaleUp.tolerance` 0.04 lets 63 of 60 through where 62 is kept; the other direction keeps its own."""
    assert propose([used, used], tolerance=Tolerance(up=0.04, down=0.1)).replicas == replicas


@pytest.mark.parametrize(
    ("proposals", "current", "replicas"),
    [
        ([3, 5, 4], 4, 5),
        ([3, 2], 4, 3),
        # one metric fails: a rise goes through, a fall does not, and what stays may stay
        ([6, None], 4, 6),
        ([3, None], 4, None),
        ([4, None], 4, 4),
        ([None, None], 4, None),
        ([], 4, None),
    ],
)
def test_of_several_metrics_the_highest_counts(proposals: list[int | None], current: int, replicas: int | None) -> None:
    """The highest proposal wins; a metric that fails blocks every fall, and no rise."""
    found = strongest([Proposal(one, reason="" if one else "gone") for one in proposals], current=current)
    assert found.replicas == replicas


usages = st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1, max_size=12)


@given(usages, st.integers(1, 200))
def test_pods_without_samples_never_make_a_change_greater(usage: list[int | None], percent: int) -> None:
    """Whatever is measured, the proposal lies between doing nothing and what the measured pods' average asks for."""
    known = [used for used in usage if used is not None]
    current = len(usage)
    found = propose(usage, target=Target("Utilization", percent))
    if not known:
        assert found.replicas is None
        return
    assert found.replicas is not None
    assert found.measured is not None
    plain = math.ceil(found.measured / percent * current)
    assert min(current, plain) <= found.replicas <= max(current, plain)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(1, 200))
def test_with_all_samples_the_target_is_met(usage: list[int], percent: int) -> None:
    """Outside the tolerance the proposal is the fewest pods that bring the cut average to the target or below."""
    found = propose(usage, target=Target("Utilization", percent))
    assert found.replicas is not None
    assert found.measured is not None
    if Tolerance().holds(found.measured / percent):
        assert found.replicas == len(usage)
    else:
        load = found.measured * len(usage)
        assert load <= found.replicas * percent + 1e-6
        assert load > (found.replicas - 1) * percent - 1e-6


@given(usages, st.integers(1, 200), st.integers(0, 12), st.integers(0, 3))
def test_what_the_status_shows_encloses_what_was_asked_for(
    usage: list[int | None], percent: int, known: int, pending: int
) -> None:
    """However few of the measured pods are known to be, and however many wait for a node beside them."""
    target = Target("Utilization", percent)
    ready = [ReplicaState(f"p{number}", request=100) for number in range(len(usage))]
    waiting = [ReplicaState(f"w{number}", phase="Pending", request=100) for number in range(pending)]
    current = len(usage) + pending
    found = propose([*usage, *[None] * pending], target=target, current=current, pods=[*ready, *waiting])
    if found.replicas is None or found.measured is None:
        return
    counted = min(known, sum(used is not None for used in usage))
    pods = Pods(current, counted)
    least, most = shown_replicas(
        target, found.measured, current=current, pods=pods, tolerance=Tolerance(), outside=False
    )
    assert least <= found.replicas <= most


@given(st.integers(0, 500_000), st.integers(1, 20_000), st.integers(1, 40))
def test_a_rounded_average_encloses_what_a_sum_asks_for(total: int, target: int, current: int) -> None:
    """An External or Object metric is shown as its sum over the replicas, rounded up."""
    ratio = total / (target * current)
    asked = current if Tolerance().holds(ratio) else math.ceil(total / target)
    shown = math.ceil(total / current)
    found = shown_replicas(
        Target("AverageValue", target),
        shown,
        current=current,
        pods=Pods(current, 0),
        tolerance=Tolerance(),
        outside=True,
    )
    assert found[0] <= asked <= found[1]
