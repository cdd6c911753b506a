"""Wait for what started programs should bring about, and say which of them is to blame when they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from chaos.errors import LabError, TimedOut
from chaos.wait import until

__all__ = ["Component", "await_components", "last_lines"]

T = TypeVar("T")

TAIL_LINES = 8
TAIL_BYTES = 20_000


class Component(Protocol):
    """A program that runs on its own, with a log."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def log(self) -> Path:
        """Where its output goes."""

    def alive(self) -> bool:
        """Whether it still runs."""


def await_components(
    attempt: Callable[[], T | None],
    *,
    components: Sequence[Component],
    awaited: str,
    deadline_s: float,
    suspects: Sequence[Component] | None = None,
    poll_s: float = 0.1,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """As `chaos.wait.until`, but give up at once when one of the components ends.

    Raises LabError with the last lines of a log: of the component that ended, or after `deadline_s` of each of the
    `suspects`, which are all components unless given.
    """

    def attempt_while_alive() -> T | None:
        for component in components:
            if not component.alive():
                raise LabError(f"{component.name} ended while {awaited} was awaited{last_lines([component])}")
        return attempt()

    try:
        return until(attempt_while_alive, deadline_s=deadline_s, awaited=awaited, poll_s=poll_s, last_seen=last_seen)
    except TimedOut as late:
        raise LabError(f"{late.what}{last_lines(components if suspects is None else suspects)}") from late


def last_lines(components: Sequence[Component]) -> str:
    """The last lines of each component's log, headed by its name; empty if there are no logs."""
    parts = []
    for component in components:
        try:
            with component.log.open("rb") as file:
                file.seek(max(0, component.log.stat().st_size - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            continue
        parts.append(f"\n  {component.name} said last:" + "".join(f"\n    {line}" for line in lines))
    return "".join(parts)
