"""Stabilisation windows, rates and limits of the horizontal autoscaler, row by row as Kubernetes documents them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.semantics import Timings
from chaos.semantics.hpa.replica_calculator import Proposal
from chaos.semantics.hpa.stabilization import (
    Behaviour,
    Change,
    Limits,
    Policy,
    Recommendation,
    Scaled,
    scaled,
    up_wait_s,
)

NOW_S = 1000.0
WIDE = Limits(1, 100)


def set_to(
    wanted: int | None,
    current: int,
    *,
    behaviour: dict[str, Any] | None = None,
    past: Sequence[tuple[float, int]] = (),
    changes: Sequence[tuple[float, int]] = (),
    limits: Limits = WIDE,
) -> Scaled | None:
    """What is set; `past` recommendations and `changes` are given with how many seconds ago they were."""
    spec = {} if behaviour is None else {"behavior": behaviour}
    return scaled(
        Proposal(wanted),
        current=current,
        limits=limits,
        behaviour=Behaviour.of(spec),
        now_s=NOW_S,
        recommendations=[Recommendation(NOW_S - ago_s, replicas) for ago_s, replicas in past],
        changes=[Change(NOW_S - ago_s, by) for ago_s, by in changes],
    )


def test_the_defaults_are_kubernetes_own() -> None:
    """Up at once by 4 pods or 100 % each 15 s, down after 300 s by 100 % each 15 s; what is not given is filled in."""
    found = Behaviour.of(
        {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 20}, "scaleDown": {"tolerance": "50m"}}}
    )
    assert found.given
    assert (found.up.window_s, found.up.select) == (20, "Max")
    assert found.up.policies == (Policy("Pods", 4, 15), Policy("Percent", 100, 15))
    assert (found.down.window_s, found.down.policies) == (300, (Policy("Percent", 100, 15),))
    assert (found.tolerance.up, found.tolerance.down) == (0.1, 0.05)
    assert not Behaviour.of({}).given


def test_the_controllers_flags_fill_in_what_an_autoscaler_does_not_say() -> None:
    """Another tolerance and another window of the controller count where the autoscaler names none of its own."""
    timings = Timings(hpa_tolerance=0.05, hpa_downscale_stabilization_s=60)
    plain = Behaviour.of({}, timings)
    assert (plain.tolerance.up, plain.tolerance.down, plain.down.window_s, plain.up.window_s) == (0.05, 0.05, 60, 0)
    own = Behaviour.of({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 20, "tolerance": "200m"}}}, timings)
    assert (own.tolerance.up, own.tolerance.down, own.down.window_s) == (0.05, 0.2, 20)


@pytest.mark.parametrize(
    ("wanted", "current", "replicas", "word"),
    [
        # no behaviour: up to twice as many, and at least to 4
        (10, 1, 4, "ScaleUpLimit"),
        (10, 3, 6, "ScaleUpLimit"),
        (5, 3, 5, ""),
        (200, 60, 100, "TooManyReplicas"),
        (0, 5, 1, "TooFewReplicas"),
        (2, 5, 2, ""),
    ],
)
def test_without_a_behaviour(wanted: int, current: int, replicas: int, word: str) -> None:
    """The rates of an autoscaler that says nothing of its behaviour."""
    assert set_to(wanted, current) == Scaled(replicas, wanted, word)


@pytest.mark.parametrize(
    ("wanted", "current", "past", "replicas"),
    [
        # down: the highest of the window; what is older than it is forgotten
        (2, 8, [(10, 8)], 8),
        (2, 8, [(10, 5), (40, 6)], 6),
        (2, 8, [(61, 8)], 2),
        (2, 8, [(59, 3), (61, 8)], 3),
        # a high recommendation holds a fall up, it does not make a rise
        (2, 4, [(10, 8)], 4),
        # up: at once
        (9, 4, [(10, 2)], 8),
    ],
)
def test_the_window_of_a_scale_down(wanted: int, current: int, past: list[tuple[float, int]], replicas: int) -> None:
    """With a window of 60 s a fall goes only as low as the highest recommendation of the last 60 s."""
    found = set_to(wanted, current, past=past, behaviour={"scaleDown": {"stabilizationWindowSeconds": 60}})
    assert found is not None
    assert found.replicas == replicas


@pytest.mark.parametrize(
    ("wanted", "past", "replicas"),
    [(6, [(10, 4)], 4), (6, [(10, 5)], 5), (6, [(31, 4)], 6), (6, [(10, 7)], 6), (6, [(10, 3)], 4)],
)
def test_the_window_of_a_scale_up(wanted: int, past: list[tuple[float, int]], replicas: int) -> None:
    """With a window of 30 s a rise from 4 goes only as high as the lowest recommendation of the last 30 s."""
    found = set_to(wanted, 4, past=past, behaviour={"scaleUp": {"stabilizationWindowSeconds": 30}})
    assert found is not None
    assert found.replicas == replicas


def test_without_a_behaviour_the_highest_recommendation_is_set_even_if_it_is_a_rise() -> None:
    """The older rule takes the highest recommendation of 300 s as it is."""
    assert set_to(2, 4, past=[(10, 8)]) == Scaled(8, 8)


UP_2_OR_50 = [
    {"type": "Pods", "value": 2, "periodSeconds": 60},
    {"type": "Percent", "value": 50, "periodSeconds": 30},
]


@pytest.mark.parametrize(
    ("select", "current", "changes", "replicas"),
    [
        # 6 + 2 = 8 pods, 6 * 1.5 = 9
        ("Max", 6, [], 9),
        ("Min", 6, [], 8),
        ("Disabled", 6, [], 6),
        # percentages are rounded up: 5 * 1.5 = 7.5
        ("Max", 5, [], 8),
        # added in the period: of 6, two came 20 s ago; the pods policy is spent, 4 * 1.5 = 6 too
        ("Max", 6, [(20, 2)], 6),
        # 40 s ago: spent for the policy of 60 s, not for that of 30 s
        ("Max", 6, [(40, 2)], 9),
        ("Min", 6, [(40, 2)], 6),
        # removed in the period: there may be as many again and more, from 8: 10 pods, 12
        ("Max", 6, [(20, -2)], 12),
        # more was added than is allowed: nothing falls for that
        ("Max", 6, [(5, 4)], 6),
    ],
)
def test_the_rates_of_a_scale_up(select: str, current: int, changes: list[tuple[float, int]], replicas: int) -> None:
    """Each policy counts from the pods at the beginning of its own period; Max takes the greatest change."""
    found = set_to(
        50, current, changes=changes, behaviour={"scaleUp": {"selectPolicy": select, "policies": UP_2_OR_50}}
    )
    assert found is not None
    assert (found.replicas, found.limited) == (replicas, "ScaleUpLimit")


UP_60 = {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}
DOWN_15 = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


@pytest.mark.parametrize(
    ("changes", "replicas"),
    [
        # 40 s ago two went: from 6 there may be 6 + 2 + 4
        ([(40, -2)], 12),
        # another fall 10 s ago has taken the place of that one, which its own direction needed no more
        ([(40, -2), (10, -1)], 11),
        # both are still needed by their own direction
        ([(12, -2), (10, -1)], 13),
    ],
)
def test_a_change_is_forgotten_once_its_own_direction_needs_it_no_more(
    changes: list[tuple[float, int]], replicas: int
) -> None:
    """A fall older than the longest period of falls is overwritten by the next one, though rises still need it."""
    found = set_to(50, 6, changes=changes, behaviour={"scaleUp": UP_60, "scaleDown": DOWN_15})
    assert found is not None
    assert found.replicas == replicas


@pytest.mark.parametrize(
    ("rules", "changes", "wait_s"),
    [
        ({}, [], 0),
        (UP_60, [], 0),
        # the four of 20 s ago use the policy up for 40 s more
        (UP_60, [(20, 4)], 40),
        (UP_60, [(20, 2)], 0),
        ({"selectPolicy": "Disabled"}, [], None),
        ({"selectPolicy": "Min", "policies": UP_2_OR_50}, [(20, 2)], 40),
    ],
)
def test_rates_may_hold_a_rise_back(
    rules: dict[str, Any], changes: list[tuple[float, int]], wait_s: float | None
) -> None:
    """Until what earlier rises used up comes free again; for ever, where rises are disabled."""
    behaviour = Behaviour.of({"behavior": {"scaleUp": rules}})
    past = [Change(NOW_S - ago_s, by) for ago_s, by in changes]
    assert up_wait_s(behaviour, 6, past, NOW_S) == wait_s


@pytest.mark.parametrize(
    ("select", "current", "changes", "replicas"),
    [
        ("Max", 9, [], 4),
        ("Min", 9, [], 7),
        ("Disabled", 9, [], 9),
        ("Max", 9, [(20, -3)], 6),
        ("Min", 9, [(20, -3)], 9),
        ("Max", 3, [], 1),
    ],
)
def test_the_rates_of_a_scale_down(select: str, current: int, changes: list[tuple[float, int]], replicas: int) -> None:
    """Percentages are cut to whole pods: half of 9 leaves 4; Max takes the greatest change."""
    rules = {"stabilizationWindowSeconds": 0, "selectPolicy": select, "policies": UP_2_OR_50}
    found = set_to(0, current, changes=changes, behaviour={"scaleDown": rules})
    assert found is not None
    assert found.replicas == replicas


@pytest.mark.parametrize(
    ("wanted", "current", "found"),
    [
        (5, 9, Scaled(8, 8)),
        (5, 1, Scaled(2, 2)),
        (None, 9, Scaled(8, 8)),
        (None, 5, None),
        (5, 0, None),
        (12, 6, Scaled(8, 12, "TooManyReplicas")),
        (1, 3, Scaled(2, 1, "TooFewReplicas")),
    ],
)
def test_the_limits(wanted: int | None, current: int, found: Scaled | None) -> None:
    """Outside 2 to 8 the number is brought back without any metric; without one nothing else moves; 0 switches off."""
    behaviour = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    assert set_to(wanted, current, limits=Limits(2, 8), behaviour=behaviour) == found


counts = st.integers(1, 50)
stories = st.fixed_dictionaries(
    {
        "current": counts,
        "past": st.lists(st.tuples(st.floats(0, 400), counts), max_size=8),
        "changes": st.lists(st.tuples(st.floats(0, 100), st.integers(-10, 10)), max_size=5),
    }
)
windows = st.integers(0, 300).map(lambda window_s: {"stabilizationWindowSeconds": window_s})
behaviours = st.none() | st.fixed_dictionaries({"scaleUp": windows, "scaleDown": windows})


@given(st.integers(0, 60), stories, behaviours)
def test_windows_and_rates_only_ever_hold_back(
    wanted: int, story: dict[str, Any], behaviour: dict[str, Any] | None
) -> None:
    """Within the limits always; and with a behaviour never beyond the proposal, nor away from it."""
    found = set_to(wanted, behaviour=behaviour, limits=Limits(2, 40), **story)
    assert found is not None
    assert 2 <= found.replicas <= 40
    current = story["current"]
    if behaviour is not None and 2 <= current <= 40:
        assert min(current, max(2, wanted)) <= found.replicas <= max(current, min(40, wanted))
