"""Traffic as a scenario writes it: `with traffic.steady(rate_rps=20): …`, or `with traffic.shape(Spike(…)): …`.

The generator is a process of its own, started with the first stream and finished before the verdict. Each stream is
journalled with the times that the generator itself chose, so that every intended arrival can be counted afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal

from chaos.cluster import Journal
from loadgen.shapes import Poisson, Shape, Steady

if TYPE_CHECKING:
    from loadgen.crew import Crew
    from loadgen.driver import Generator

__all__ = ["Arrivals", "Traffic"]

Arrivals = Literal["even", "poisson"]
"""How arrivals lie within the rate: evenly spaced, or as those of independent users, drawn from the trial's seed."""


class Traffic:
    """Streams of requests to the system under test.

    `start` starts the generator; it is None when a saved run is judged again, and then nothing flows.
    `profile` and `vantage` are what the journal says of each stream. Poisson arrivals are drawn from `seed`.
    """

    def __init__(
        self,
        start: Callable[[], Generator | Crew] | None,
        journal: Journal | None,
        *,
        profile: str,
        vantage: str,
        url: str,
        seed: int = 0,
    ) -> None:
        self._start = start
        self._journal = journal
        self._seed = seed
        self._said = {"profile": profile, "vantage": vantage, "url": url}
        self.generator: Generator | Crew | None = None
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
        self._count += 1
        name = f"{shape.plain()['kind']}-{self._count}"
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
            course=[[begun.begin_ns + point.offset_ns, point.rate_rps] for point in shape.course],
            plan=shape.plain(),
            begin_ns=begun.begin_ns,
            **self._said,
        )
        try:
            yield
        finally:
            ended = generator.end(name)
            self.ended_ns = max(self.ended_ns, ended.end_ns or 0)
            self._journal.event("traffic-end", stream=name, end_ns=ended.end_ns)

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
