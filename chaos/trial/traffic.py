"""Traffic as a scenario writes it: `with traffic.steady(rate_rps=20): …`, or `with traffic.shape(Spike(…)): …`.

The generator is a process of its own, started with the first stream and finished before the verdict. Each stream is
journalled with the times that the generator itself chose, so that every intended arrival can be counted afterwards.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chaos.cluster import Journal
from chaos.errors import NotAllowed
from chaos.faults import Trouble
from chaos.faults.permissions import LOAD
from chaos.history.facts.load_spikes import RISE
from chaos.objects.base import Ref
from loadgen.shapes import Steady
from loadgen.shapes.base import Shape
from loadgen.shapes.patterns import Poisson

if TYPE_CHECKING:
    from loadgen.driver.driver import Generator
    from loadgen.driver.workers import WorkerGroup

__all__ = ["Arrivals", "RisingLoad", "Traffic", "allowed"]

Arrivals = Literal["even", "poisson"]
"""How arrivals lie within the rate: evenly spaced, or as those of independent users, drawn from the trial's seed."""


@dataclass(frozen=True, slots=True)
class RisingLoad:
    """More traffic than a trial began with: trouble, which the owners of a service have to allow as they do a fault."""

    name: str = LOAD.name
    victims: tuple[Ref, ...] = ()


class Traffic:
    """Streams of requests to the system under test.

    `start` starts the generator; it is None when a saved run is judged again, and then nothing flows.
    `profile` and `origin` are what the journal says of each stream. Poisson arrivals are drawn from `seed`.
    `rises` is called before a stream that lets the load rise by half or more over that of the first; it may refuse.
    """

    def __init__(
        self,
        start: Callable[[], Generator | WorkerGroup] | None,
        journal: Journal | None,
        *,
        profile: str,
        origin: str,
        url: str,
        seed: int = 0,
        rises: Callable[[], None] = lambda: None,
    ) -> None:
        self._start = start
        self._rises = rises
        self._usual_rps: float | None = None
        self._peaks_rps: dict[str, float] = {}
        self._journal = journal
        self._seed = seed
        self._said = {"profile": profile, "origin": origin, "url": url}
        self.generator: Generator | WorkerGroup | None = None
        """The running generator, once the first stream has begun."""
        self.ended_ns = 0
        """Until when traffic was told to flow; it may lie a little ahead. 0 before the first stream has ended."""
        self._count = 0

    def silence(self) -> None:
        """Let nothing flow in this trial, which was stopped before there was anybody to send."""
        self._start = None

    def steady(self, *, rate_rps: float, arrivals: Arrivals = "even") -> AbstractContextManager[None]:
        """Offer `rate_rps` requests a second until the block ends."""
        return self.shape(Steady(rate_rps), arrivals=arrivals)

    @contextmanager
    def shape(self, shape: Shape, *, arrivals: Arrivals = "even") -> Iterator[None]:
        """Offer what the shape says until the block ends, which may be before the shape has come to its end.

        Blocks may be nested: their streams add up. The moments at which the load changes are journalled as `course`.
        """
        if self._start is None or self._journal is None:
            yield
            return
        peak_rps = _peak_rps(shape)
        self._ask(shape, peak_rps)
        self._count += 1
        name = f"{shape.plain()['kind']}-{self._count}"
        self._peaks_rps[name] = peak_rps
        if arrivals == "poisson":
            drawn = random.Random(f"{self._seed} {name}").getrandbits(32)  # noqa: S311  # replayable
            shape = Poisson(shape, drawn)
        generator = self.generator = self.generator or self._start()
        begun = generator.begin(shape, name)
        self._journal.event(
            "traffic-begin",
            stream=name,
            shape=shape.words,
            rate_rps=shape.rate_min_rps,
            course=[[begun.begin_ns + point.offset_ns, point.rate_rps] for point in shape.rate_profile],
            plan=shape.plain(),
            begin_ns=begun.begin_ns,
            **self._said,
        )
        try:
            yield
        finally:
            del self._peaks_rps[name]
            ended = generator.end(name)
            self.ended_ns = max(self.ended_ns, ended.end_ns or 0)
            self._journal.event("traffic-end", stream=name, end_ns=ended.end_ns)

    def _ask(self, shape: Shape, peak_rps: float) -> None:
        """Have it allowed if the load rises by it. Raises what `rises` does."""
        if self._usual_rps is None:
            self._usual_rps = shape.rate_profile[0].rate_rps if shape.rate_profile else 0.0
        if peak_rps + sum(self._peaks_rps.values()) >= RISE * self._usual_rps:
            self._rises()

    def check(self) -> None:
        """Raise `HarnessBroken` if the generator has died."""
        if self.generator is not None:
            self.generator.check()

    def finish(self) -> None:
        """Let every request under way end or meet its time limit, and stop the generator."""
        if self.generator is not None:
            self.generator.finish()

    def close(self) -> None:
        """Stop the generator at once, if it still runs."""
        if self.generator is not None:
            self.generator.close()


def allowed(consent: Callable[[Trouble], str], at_work: Callable[[], None]) -> None:
    """Before the load rises, as before a fault. Raises `NotAllowed`, or `ClusterRefused` if another run is at work."""
    if objection := consent(RisingLoad()):
        raise NotAllowed(objection)
    at_work()


def _peak_rps(shape: Shape) -> float:
    """The highest rate that a shape has; of a trace, and of users in a closed loop, nobody knows it beforehand."""
    return max((point.rate_rps for point in shape.rate_profile), default=math.inf)
