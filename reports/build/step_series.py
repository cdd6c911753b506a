"""Values that hold from change to change, as lines; where there are too many changes, the worst of each time slot."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.step_function import Steps
from chaos.objects.base import View
from reports.model.parts import Missing, StateSpan, StepLine

__all__ = ["States", "line", "slot_of", "states_of", "step_line", "worst_spans", "worst_steps"]

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


V = TypeVar("V", bound=View)
States = Sequence[tuple[int, V | None]]
"""From each moment on the object was so; None: it was no more."""

GONE = ("DELETED", "VANISHED")


def states_of(history: History, kind: str, view: Callable[..., V]) -> Mapping[str, list[tuple[int, V | None]]]:
    """The states of every object of a kind that lives in the trial's namespace or in none, by UID."""
    found: dict[str, list[tuple[int, V | None]]] = {}
    for event in history.watch:
        if event.kind != kind:
            continue
        seen = view(event.object)
        if seen.namespace in ("", history.facts.namespace):
            at_ns = settled_ns(history, kind, event.at_ns)
            found.setdefault(seen.uid, []).append((at_ns, None if event.type in GONE else seen))
    return found


def line(
    history: History,
    states: States[V],
    read: Callable[[V], int | None],
    *,
    missing: Iterable[Missing],
    unknown: str,
) -> StepLine:
    """What `read` says of each state; where it says None nothing is known, for the reason `unknown`."""
    values = [(at_ns, None if view is None else read(view), view is None) for at_ns, view in states]
    known = Steps.of(((at_ns, value) for at_ns, value, _ in values if value is not None), history.ended_ns)
    holes = tuple(_holes(values, history.ended_ns, unknown))
    return step_line(history, known, (*missing, *holes))


def _holes(values: Sequence[tuple[int, int | None, bool]], ended_ns: int, unknown: str) -> Iterator[Missing]:
    for k, (at_ns, value, gone) in enumerate(values):
        until_ns = values[k + 1][0] if k + 1 < len(values) else ended_ns
        if value is None and until_ns > at_ns:
            yield Missing(at_ns, until_ns, "it was deleted" if gone else unknown)


def step_line(history: History, steps: Steps, missing: tuple[Missing, ...]) -> StepLine:
    """Steps as a line that can be drawn: thinned where they are too many, the least value of each slot kept."""
    begin_ns = max(steps.points[0][0], history.began_ns) if steps.points else history.ended_ns
    slot_ns = slot_of(len(steps.points), history.began_ns, history.ended_ns)
    points = worst_steps(steps.points, history.began_ns, slot_ns) if slot_ns else steps.points
    return StepLine(points, begin_ns, min(history.ended_ns, steps.end_ns), missing, slot_ns)
