"""Traffic as a scenario writes it: `with traffic.steady(rate_rps=20): …`.

The generator is a process of its own, started with the first stream and finished before the verdict. Each stream is
journalled with the times that the generator itself chose, so that every intended arrival can be counted afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chaos.cluster import Journal
from loadgen.shapes import Shape, Steady

if TYPE_CHECKING:
    from loadgen.driver import Generator

__all__ = ["Traffic"]


class Traffic:
    """Streams of requests to the system under test.

    `start` starts the generator; it is None when a saved run is judged again, and then nothing flows.
    `profile` and `vantage` are what the journal says of each stream.
    """

    def __init__(
        self, start: Callable[[], Generator] | None, journal: Journal | None, *, profile: str, vantage: str, url: str
    ) -> None:
        self._start = start
        self._journal = journal
        self._said = {"profile": profile, "vantage": vantage, "url": url}
        self.generator: Generator | None = None
        """The running generator, once the first stream has begun."""
        self._count = 0

    @contextmanager
    def steady(self, *, rate_rps: float) -> Iterator[None]:
        """Offer `rate_rps` requests a second, evenly spaced, until the block ends."""
        with self._stream("steady", Steady(rate_rps), rate_rps):
            yield

    @contextmanager
    def _stream(self, kind: str, shape: Shape, rate_rps: float) -> Iterator[None]:
        if self._start is None or self._journal is None:
            yield
            return
        self._count += 1
        name = f"{kind}-{self._count}"
        generator = self.generator = self.generator or self._start()
        begun = generator.begin(shape, name)
        self._journal.event(
            "traffic-begin", stream=name, shape=shape.words, rate_rps=rate_rps, begin_ns=begun.begin_ns, **self._said
        )
        try:
            yield
        finally:
            ended = generator.end(name)
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
