"""From states of one object to lines: a number holds from state to state, and is not known where none tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.step_function import Steps
from chaos.objects.base import View
from reports.build.downsampling import slot_of, worst_steps
from reports.model.parts import Missing, StepLine

__all__ = ["States", "line", "states_of", "step_line"]

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
