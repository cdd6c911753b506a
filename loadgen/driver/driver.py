"""The parent's side of a load generator: start it, command it, and notice when it dies.

Imports no Locust: that would patch this process. The driver returns facts; the trial records them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.clock import NS, Clock
from chaos.errors import HarnessBroken, UsageError
from chaos.history.model import GeneratorSample
from loadgen.driver.channel import Channel, Pipes, last_lines
from loadgen.origin import Credentials
from loadgen.plan import Plan, filled
from loadgen.profiles import Profile
from loadgen.shapes.base import Shape

__all__ = ["LEAD_NS", "Finished", "Generator", "StreamHandle"]

READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 10.0
APART_NS = 60 * NS
"""No stream ends so long before its begin, or in the future."""

LEAD_NS = 200_000_000
"""A stream begins and ends this far in the future, so that the command arrives before the moment."""


@dataclass(frozen=True, slots=True)
class StreamHandle:
    """One stream of traffic: arrivals from `begin_ns` on, none at or after `end_ns` (None: it still flows)."""

    name: str
    shape: Shape
    begin_ns: int
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What the generator reports at its end: arrivals due by plan, and records by outcome, for each stream."""

    due: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    end_ns: Mapping[str, int]


class Generator:
    """A running load generator. Use as a context manager, or call `close`: it never outlives its driver."""

    def __init__(self, channel: Channel, plan: Plan, run_folder: Path, clock: Clock) -> None:
        """Drive the generator at the other end of `channel`; `clock` is this side's."""
        self._channel, self._plan, self._run_folder, self._clock = channel, plan, run_folder, clock
        self._streams: dict[str, StreamHandle] = {}
        self._finished: Finished | None = None

    @classmethod
    def start(
        cls,
        *,
        run_folder: Path,
        clock: Clock,
        profile: Profile,
        url: str,
        seed: int,
        duration_max_s: float,
        in_flight_max: int = 2000,
        wrap: Callable[[list[str]], list[str]] = lambda command: command,
        credentials: Credentials | None = None,
        listeners: tuple[str, ...] = (),
        worker: int = 0,
        workers: int = 1,
    ) -> Generator:
        """Start the generator's process on this host and wait until it is ready to send.

        `wrap` may put a command before the generator's own (to enter a network namespace). `credentials` travel
        through the process's standard input. `listeners` are modules that the process imports first, to add listeners
        to Locust's events. `worker` of `workers`: see `loadgen.plan.Plan`. Raises `UsageError` for a plan that is not
        allowed, and `HarnessBroken` if the process does not become ready.
        """
        filled(profile.headers, os.environ)
        if credentials is not None and (
            both := _lower(profile.headers) & (_lower(credentials.headers) | {"authorization"})
        ):
            raise UsageError(f"profile.headers.{min(both)}: this origin has its own, the service would never see it")
        plan = Plan(
            clock=clock,
            run_folder=run_folder.absolute(),
            url=url,
            profile=profile,
            seed=seed,
            in_flight_max=in_flight_max,
            duration_max_s=duration_max_s,
            listeners=listeners,
            worker=worker,
            workers=workers,
        )
        generator = cls(Pipes(run_folder, wrap), plan, run_folder, clock)
        try:
            generator.ready(credentials)
        except BaseException:
            generator.close()
            raise
        return generator

    def ready(self, credentials: Credentials | None) -> None:
        """Hand the plan over and wait until the generator can send. Raises `HarnessBroken` if it cannot."""
        self._channel.send({"plan": self._plan.plain(), "credentials": credentials.plain() if credentials else None})
        self._channel.answer("ready", READY_WITHIN_S)

    @property
    def pid(self) -> int:
        """The process of a generator on this host (the wrapper's, if that stays in between)."""
        assert isinstance(self._channel, Pipes)
        return self._channel.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """The same, as several generators have it."""
        return (self.pid,)

    @property
    def worker(self) -> int:
        """Which of several workers it is."""
        return self._plan.worker

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of all streams that have begun."""
        return tuple(self._streams)

    def begin(self, shape: Shape, name: str, begin_ns: int | None = None) -> StreamHandle:
        """Begin a stream, a little in the future. Raises `UsageError` for a name used before."""
        if name in self._streams:
            raise UsageError(f"stream {name}: began already in this trial", "give it another name")
        begin_ns = self._clock.now_ns() + LEAD_NS if begin_ns is None else begin_ns
        self._send({"begin": {"stream": name, "shape": shape.plain(), "begin_ns": begin_ns}})
        self._channel.answer("begun", ANSWER_WITHIN_S)
        self._streams[name] = StreamHandle(name, shape, begin_ns)
        return self._streams[name]

    def end(self, name: str, end_ns: int | None = None) -> StreamHandle:
        """End a stream, a little in the future; requests in flight go on. Ending it again returns the same."""
        stream = self._streams[name]
        if stream.end_ns is None:
            end_ns = self._clock.now_ns() + LEAD_NS if end_ns is None else end_ns
            self._send({"end": {"stream": name, "end_ns": end_ns}})
            within_s = ANSWER_WITHIN_S + self._plan.profile.timeout_s  # users finish their task
            ended_ns = self._end_of(stream, self._channel.answer("ended", within_s))
            self._streams[name] = stream = StreamHandle(name, stream.shape, stream.begin_ns, ended_ns)
        return stream

    def finish(self, drain_s: float | None = None) -> Finished:
        """End all streams, wait for requests in flight, and end the process.

        `drain_s`: how long to wait after the last stream's end; what is still in flight then is recorded as `unsent`,
        since its outcome is unknown. None waits until every request has been answered or has met
        its own time limit.
        """
        if self._finished is not None:
            return self._finished
        for name in self._streams:
            self.end(name)
        if drain_s is None:
            drain_s = self._plan.profile.longest_s + 1.0  # no request outlives its time limit
        self._send({"finish": {"drain_s": drain_s}})
        answer = self._channel.answer("finished", drain_s + ANSWER_WITHIN_S)
        given = answer.get("streams")
        counted = {
            name: self._counted(stream, given.get(name) if isinstance(given, dict) else None)
            for name, stream in self._streams.items()
        }
        self._finished = Finished(
            due={name: due for name, (due, _, _) in counted.items()},
            counts={name: counts for name, (_, counts, _) in counted.items()},
            end_ns={name: end_ns for name, (_, _, end_ns) in counted.items()},
        )
        self._streams = {
            name: StreamHandle(name, stream.shape, stream.begin_ns, self._finished.end_ns[name])
            for name, stream in self._streams.items()
        }
        self.close()
        return self._finished

    def check(self) -> None:
        """Raise `HarnessBroken` if the generator died before it was to finish."""
        if self._finished is None:
            self._channel.check()

    def latest(self) -> GeneratorSample | None:
        """The newest line of generator.jsonl; None before the first."""
        lines = last_lines(self._run_folder / "generator.jsonl").split(b"\n")[:-1]
        if not lines:
            return None
        data = json.loads(lines[-1])
        data.pop("final", None)
        return GeneratorSample(**data)

    def close(self) -> None:
        """End the generator if it still runs, and wait for it. Never raises because of how it ended."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _end_of(self, stream: StreamHandle, facts: Mapping[str, object]) -> int:
        """When a stream ended, as the generator says. Raises `HarnessBroken` for what cannot be."""
        end_ns = facts.get("end_ns")
        if type(end_ns) is int and stream.begin_ns - APART_NS <= end_ns <= self._clock.now_ns() + APART_NS:
            return end_ns
        raise HarnessBroken(f"the load generator says that {stream.name} ended at {str(end_ns)[:40]}, which cannot be")

    def _counted(self, stream: StreamHandle, facts: object) -> tuple[int, Mapping[str, int], int]:
        """What it counted of a stream, and when that ended. Raises `HarnessBroken` unless it says so."""
        counts = facts.get("counts") if isinstance(facts, dict) else None
        if isinstance(facts, dict) and isinstance(counts, dict):
            due = facts.get("due")
            if type(due) is int and all(type(count) is int for count in counts.values()):
                return due, counts, self._end_of(stream, facts)
        raise HarnessBroken(f"the load generator gave no counts of {stream.name} at its end")

    def _send(self, command: Mapping[str, object]) -> None:
        self.check()
        self._channel.send(command)


def _lower(headers: Mapping[str, str]) -> set[str]:
    return {name.lower() for name in headers}
