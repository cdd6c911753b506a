"""Several generators on one host, each with its share of every stream: for more load than one core can send.

Each is a Locust process of its own; arrival k belongs to worker k modulo their count. All append to the same files, a
line in one write, so there is nothing to merge. None of them leads: each knows the plan.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Self

from chaos.clock import Clock
from chaos.errors import UsageError
from chaos.history.model import GeneratorSample
from loadgen.driver import LEAD_NS, Finished, Generator, StreamHandle
from loadgen.shapes import Shape

__all__ = ["WORKERS_MAX", "Crew"]

WORKERS_MAX = 64


class Crew:
    """Running generators that act as one. Use as a context manager, or call `close`: none outlives it."""

    def __init__(self, generators: list[Generator], clock: Clock) -> None:
        self._generators, self._clock = generators, clock

    @classmethod
    def start(cls, *, workers: int, clock: Clock, **options: Any) -> Crew:
        """Start so many generators with the options of `Generator.start`; each has its own limit in flight.

        Raises what that raises, and `UsageError` for a number of workers that is not in 1..64.
        """
        if not 0 < workers <= WORKERS_MAX:
            raise UsageError(f"workers: {workers} is not in 1..{WORKERS_MAX}")
        with contextlib.ExitStack() as stack:
            generators = [
                stack.enter_context(Generator.start(clock=clock, worker=number, workers=workers, **options))
                for number in range(workers)
            ]
            stack.pop_all()
        return cls(generators, clock)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes, by worker."""
        return tuple(generator.pid for generator in self._generators)

    def begin(self, shape: Shape, name: str) -> StreamHandle:
        """See `Generator.begin`."""
        begin_ns = self._clock.now_ns() + LEAD_NS * len(self._generators)
        begun = [generator.begin(shape, name, begin_ns) for generator in self._generators]
        return begun[0]

    def end(self, name: str) -> StreamHandle:
        """See `Generator.end`; the latest of their ends, which is the same for all that kept up."""
        end_ns = self._clock.now_ns() + LEAD_NS * len(self._generators)
        ended = [generator.end(name, end_ns) for generator in self._generators]
        return max(ended, key=lambda stream: stream.end_ns or 0)

    def finish(self, drain_s: float | None = None) -> Finished:
        """See `Generator.finish`; the sums of all."""
        for name in self._generators[0].streams:
            self.end(name)
        parts = [generator.finish(drain_s) for generator in self._generators]
        counts: dict[str, dict[str, int]] = {}
        for part in parts:
            for name, of_stream in part.counts.items():
                for outcome, count in of_stream.items():
                    counts.setdefault(name, {}).setdefault(outcome, 0)
                    counts[name][outcome] += count
        return Finished(
            due={name: sum(part.due[name] for part in parts) for name in parts[0].due},
            counts=counts,
            end_ns={name: max(part.end_ns[name] for part in parts) for name in parts[0].end_ns},
        )

    def check(self) -> None:
        """See `Generator.check`: one that died is enough."""
        for generator in self._generators:
            generator.check()

    def latest(self) -> GeneratorSample | None:
        """The newest sample of any of them."""
        return self._generators[0].latest()

    def close(self) -> None:
        """End every process that still runs."""
        for generator in self._generators:
            generator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
