"""Histories of many changes, cut down to what a chart can show. What is left out is never better than what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.model.parts import StateSpan

__all__ = ["SLOTS", "slot_of", "worst_spans", "worst_steps"]

SLOTS = 360
"""Into how many slots of time a history is cut that has more changes than `EXACT`."""
EXACT = 1500
"""Most changes that are drawn one by one."""
WORSE = {"ready": 0, "pending": 1, "starting": 2, "terminating": 3, "not ready": 4}
"""Which of the states that a slot saw is drawn."""


def slot_of(changes: int, begin_ns: int, end_ns: int) -> int:
    """The width of a slot in ns, or 0 if so few changes are drawn one by one."""
    return 0 if changes <= EXACT else max(-(-(end_ns - begin_ns) // SLOTS), 1)


def worst_steps(points: Sequence[tuple[int, int]], zero_ns: int, slot_ns: int) -> tuple[tuple[int, int], ...]:
    """The least value that held in each slot, as steps."""
    worst: dict[int, int] = {}
    last: tuple[int, int] | None = None
    for at_ns, value in points:
        slot = (at_ns - zero_ns) // slot_ns
        if last is not None:
            for between in range(last[0] + 1, slot + 1):
                worst[between] = last[1]
        worst[slot] = min(worst.get(slot, value), value)
        last = slot, value
    if last is not None:
        worst.setdefault(last[0] + 1, last[1])
    kept: list[tuple[int, int]] = []
    for slot in sorted(worst):
        if not kept or kept[-1][1] != worst[slot]:
            kept.append((zero_ns + slot * slot_ns, worst[slot]))
    return tuple(kept)


def worst_spans(spans: Iterable[StateSpan], zero_ns: int, slot_ns: int) -> tuple[StateSpan, ...]:
    """The worst state that each slot saw, as spans; the lane keeps its true begin and end."""
    given = list(spans)
    if not given:
        return ()
    begin_ns, end_ns = given[0].begin_ns, given[-1].end_ns
    worst: dict[int, str] = {}
    for span in given:
        for slot in range((span.begin_ns - zero_ns) // slot_ns, (span.end_ns - 1 - zero_ns) // slot_ns + 1):
            if slot not in worst or WORSE[span.state] > WORSE[worst[slot]]:
                worst[slot] = span.state
    merged: list[StateSpan] = []
    for slot in sorted(worst):
        left_ns = max(zero_ns + slot * slot_ns, begin_ns)
        right_ns = min(zero_ns + (slot + 1) * slot_ns, end_ns)
        if merged and merged[-1].state == worst[slot]:
            merged[-1] = StateSpan(worst[slot], merged[-1].begin_ns, right_ns)
        else:
            merged.append(StateSpan(worst[slot], left_ns, right_ns))
    return tuple(merged)
