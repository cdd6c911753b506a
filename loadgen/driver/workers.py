"""Several generators that act as one, each with its share of every stream: for more load than one core can send.

Each is a Locust process of its own; arrival k belongs to worker k modulo their count. All append to the same files, a
line in one write, so there is nothing to merge. None of them leads: each knows the plan, and all begin at one moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from chaos.clock import Clock
from chaos.errors import HarnessBroken, UsageError
from chaos.history.model import GeneratorSample
from loadgen.driver.driver import LEAD_NS, Finished, Generator, StreamHandle
from loadgen.shapes.base import Shape

__all__ = ["WORKERS_MAX", "WorkerGroup", "refuse_count"]

WORKERS_MAX = 64

T = TypeVar("T")


def refuse_count(workers: int) -> None:
    """Raise `UsageError` for a number of workers that is not in 1..64."""
    if not 0 < workers <= WORKERS_MAX:
        raise UsageError(f"workers: {workers} is not in 1..{WORKERS_MAX}")


class WorkerGroup:
    """Running generators that act as one. Use as a context manager, or call `close`: none outlives it.

    Args:
        lead_ns: how far in the future a stream begins and ends, so that each worker has the command by then.
        on_lost: called once with a worker that died and the reason; the others go on while there are any, and the
            lost worker's arrivals are missing from the record. Without it, a worker that dies breaks the trial.
    """

    def __init__(
        self,
        generators: Sequence[Generator],
        clock: Clock,
        *,
        lead_ns: int | None = None,
        on_lost: Callable[[Generator, HarnessBroken], None] | None = None,
    ) -> None:
        self._generators, self._clock = list(generators), clock
        self._lead_ns = LEAD_NS * len(generators) if lead_ns is None else lead_ns
        self._on_lost = on_lost
        self._lost: set[int] = set()

    @classmethod
    def start(cls, *, workers: int, clock: Clock, **options: Any) -> WorkerGroup:
        """Start so many generators on this host with the options of `Generator.start`; each has its own limit.

        Raises what that raises, and `UsageError` for a number of workers that is not in 1..64.
        """
        refuse_count(workers)
        with contextlib.ExitStack() as stack:
            generators = [
                stack.enter_context(Generator.start(clock=clock, worker=number, workers=workers, **options))
                for number in range(workers)
            ]
            stack.pop_all()
        return cls(generators, clock)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes on this host, by worker."""
        return tuple(generator.pid for generator in self._generators)

    def begin(self, shape: Shape, name: str) -> StreamHandle:
        """See `Generator.begin`; all begin at the same moment."""
        begin_ns = self._clock.now_ns() + self._lead_ns
        return self._each(lambda generator: generator.begin(shape, name, begin_ns))[0]

    def end(self, name: str) -> StreamHandle:
        """See `Generator.end`; the latest of their ends, which is the same for all that kept up."""
        end_ns = self._clock.now_ns() + self._lead_ns
        ended = self._each(lambda generator: generator.end(name, end_ns))
        return max(ended, key=lambda stream: stream.end_ns or 0)

    def finish(self, drain_s: float | None = None) -> Finished:
        """See `Generator.finish`; the sums of all."""
        for name in self._living()[0].streams:
            self.end(name)
        parts = self._each(lambda generator: generator.finish(drain_s))
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
        """See `Generator.check`: one that died is enough, unless the others may go on."""
        self._each(Generator.check)

    def latest(self) -> GeneratorSample | None:
        """The newest sample of any of them."""
        return self._generators[0].latest()

    def close(self) -> None:
        """End every generator that still runs."""
        for generator in self._generators:
            generator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _living(self) -> list[Generator]:
        living = [generator for generator in self._generators if generator.worker not in self._lost]
        if not living:
            raise HarnessBroken("every worker of the load generator is lost", "see the notes of the trial for each")
        return living

    def _each(self, do: Callable[[Generator], T]) -> list[T]:
        """Do it with every worker at once; what those gave that are still there. Raises `HarnessBroken` if none is."""
        living = self._living()
        with ThreadPoolExecutor(len(living)) as pool:
            tried = [(generator, pool.submit(do, generator)) for generator in living]
        given = []
        for generator, result in tried:
            try:
                given.append(result.result())
            except HarnessBroken as broken:
                if self._on_lost is None:
                    raise
                self._lost.add(generator.worker)
                self._on_lost(generator, broken)
        self._living()
        return given
