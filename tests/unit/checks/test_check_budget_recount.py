"""BudgetHeld: whatever the order of events, a naive recount of all pods at every revision finds the same dips."""

from __future__ import annotations

from typing import Any

from budget_stories import Guarded, budget
from histories import T0, pod
from hypothesis import given, settings
from hypothesis import strategies as st
from numbering import revised, revision

from chaos.checks import BudgetHeld

UIDS = ("a", "b", "c", "d")
STATES = ("ready", "unready", "deleting", "gone")

changes = st.lists(
    st.tuples(
        st.sampled_from((*UIDS, "e", "f")),
        st.sampled_from(STATES),
        st.integers(min_value=1, max_value=40),
        st.integers(min_value=0, max_value=30),
    ),
    max_size=25,
)
"""Who, what it became, how many ms after the change before, and how many ms late the news of it was."""


def state_of(uid: str, state: str) -> tuple[str, dict[str, Any]]:
    """The watch event of a pod that takes a state."""
    raw = pod(uid, ready=state != "unready", running=True, deleting=state == "deleting")
    return "DELETED" if state == "gone" else "MODIFIED", raw


def recounted(told: list[tuple[int, str, str]], desired: int) -> list[tuple[int, int | None, int]]:
    """Count all pods anew at every revision: (begin, end, lowest) of each dip, in ms."""
    states = dict.fromkeys(UIDS, "ready")
    dips: list[tuple[int, int | None, int]] = []
    for at_ms, uid, state in sorted(told):
        states[uid] = state
        healthy = sum(one == "ready" for one in states.values())
        dip = dips[-1] if dips and dips[-1][1] is None else None
        if healthy < desired and dip is None:
            dips.append((at_ms, None, healthy))
        elif healthy < desired and dip is not None:
            dips[-1] = (dip[0], None, min(dip[2], healthy))
        elif dip is not None:
            dips[-1] = (dip[0], at_ms, dip[2])
    return dips


@settings(max_examples=150, deadline=None)
@given(changes, st.integers(min_value=1, max_value=4))
def test_a_recount_finds_the_same_dips(moves: list[tuple[str, str, int, int]], desired: int) -> None:
    """The incremental replay in resourceVersion order sees what counting everything anew sees, whatever came late."""
    wish = {"minAvailable": desired, "selector": {"matchLabels": {"app": "model"}}}
    story = Guarded().stands(*UIDS, pdb=budget(desired=desired, spec=wish)).fault(at_s=10)
    told: list[tuple[int, str, str]] = []
    at_ms = 20_000
    for uid, state, after_ms, late_ms in moves:
        at_ms += after_ms
        told.append((at_ms, uid, state))
        type_, raw = state_of(uid, state)
        story.saw((at_ms + late_ms) / 1000, type_, revised(raw, revision(at_ms / 1000)))
    dips = BudgetHeld()(story.history()).values["dips"]
    found = [(dip["begin_ns"], dip["end_ns"] is None, dip["lowest"]) for dip in dips]
    late = {at: lateness for (at, _, _), (_, _, _, lateness) in zip(told, moves, strict=True)}
    expected = recounted(told, desired)
    assert [(ended is None, lowest) for _, ended, lowest in expected] == [(open_, lowest) for _, open_, lowest in found]
    began = [begin_ms + late[begin_ms] for begin_ms, _, _ in expected]
    assert [round((begin_ns - T0) / 1e6) for begin_ns, _, _ in found] == began
