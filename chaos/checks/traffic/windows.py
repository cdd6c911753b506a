"""Parts of a trial that a check can be held to, found in the record."""

from dataclasses import dataclass
from typing import Literal, Protocol

from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.offered_load import load_steps

__all__ = ["InPhase", "InStream", "WhileRaised", "Window", "flowing_s"]


class Window(Protocol):
    """A span of time that the record itself tells."""

    @property
    def name(self) -> str:
        """A short name, for a check's own."""

    @property
    def words(self) -> str:
        """The window for people, after a comma."""

    def span(self, history: History) -> tuple[int, int] | str:
        """Its begin and end, the end not included; or why there is none."""


@dataclass(frozen=True, slots=True)
class InPhase:
    """From the begin to the end of a phase of the trial."""

    phase: Literal["baseline", "fault", "recovery"]

    @property
    def name(self) -> str:
        return f"in-{self.phase}"

    @property
    def words(self) -> str:
        return f"in the phase {self.phase}"

    def span(self, history: History) -> tuple[int, int] | str:
        """See `Window.span`; of several phases of that name, from the first begin to the last end."""
        phases = [phase for phase in history.phases if phase.name == self.phase]
        ends_ns = [phase.end_ns for phase in phases if phase.end_ns is not None]
        if not phases or len(ends_ns) < len(phases):
            return f"the phase {self.phase} {'never ended' if phases else 'is not in the record'}"
        return min(phase.begin_ns for phase in phases), max(ends_ns)


@dataclass(frozen=True, slots=True)
class InStream:
    """From the begin to the end of one stream of traffic, by its name."""

    stream: str

    @property
    def name(self) -> str:
        return f"in-{self.stream}"

    @property
    def words(self) -> str:
        return f"in the traffic {self.stream}"

    def span(self, history: History) -> tuple[int, int] | str:
        for stream in history.streams:
            if stream.name == self.stream:
                return (
                    f"the traffic {self.stream} never ended"
                    if stream.end_ns is None
                    else (stream.begin_ns, stream.end_ns)
                )
        return f"the traffic {self.stream} is not in the record"


@dataclass(frozen=True, slots=True)
class WhileRaised:
    """While more load was offered than at first: from the first rise until it is back at the first rate, or lower.

    `settle_s` leaves out the first seconds, which a system is given to follow the load; what is on the way up is part
    of the window.
    """

    settle_s: float = 0.0

    @property
    def name(self) -> str:
        return "while-raised" + (f"-after-{self.settle_s:g}s" if self.settle_s else "")

    @property
    def words(self) -> str:
        return "while the load was raised" + (f", from {self.settle_s:g} s on" if self.settle_s else "")

    def span(self, history: History) -> tuple[int, int] | str:
        steps = load_steps(history)
        if not steps:
            return "no stream has a rate"
        rises = [step for step in steps[1:] if step.to_rps > step.from_rps]
        if steps[0].begin_ns < steps[0].end_ns:  # it began as a ramp
            rises.insert(0, steps[0])
        if not rises:
            return "the load was never raised"
        first, low_rps = rises[0], rises[0].from_rps
        back = [step for step in steps if step.begin_ns >= first.end_ns and step.to_rps <= low_rps]
        begin_ns = first.begin_ns + round(self.settle_s * NS)
        end_ns = back[0].end_ns if back else history.ended_ns
        if begin_ns >= end_ns:
            return f"the load was raised for less than {self.settle_s:g} s"
        return begin_ns, end_ns


def flowing_s(history: History, span: tuple[int, int] | None) -> float:
    """For how long traffic flowed in all, or in a span."""
    first_ns, last_ns = span or (history.began_ns, history.ended_ns)
    total_ns, until_ns = 0, first_ns
    for stream in sorted(history.streams, key=lambda one: one.begin_ns):
        end_ns = min(last_ns, history.ended_ns if stream.end_ns is None else stream.end_ns)
        begin_ns = max(until_ns, stream.begin_ns)
        total_ns += max(0, end_ns - begin_ns)
        until_ns = max(until_ns, end_ns)
    return total_ns / NS
