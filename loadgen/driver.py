"""The parent's side of the load generator: start it, tell it what to send, and notice when it dies.

Imports no Locust: that would patch this process. The driver returns facts; who runs the trial writes them down.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos.clock import Clock
from chaos.errors import HarnessBroken, UsageError
from chaos.history.model import GeneratorSample
from loadgen.plan import Plan, filled
from loadgen.profiles import Profile
from loadgen.shapes import Shape
from loadgen.vantage import Credentials

__all__ = ["Finished", "Generator", "StreamHandle"]

READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 10.0
LEAD_NS = 200_000_000
"""A stream begins and ends this far in the future, so that the command is there before the moment is."""

CLOSE_WITHIN_S = 5.0
"""For an orderly end once its input is closed; after that the process is terminated, then killed."""

TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class StreamHandle:
    """One stream of traffic: arrivals from `begin_ns` on, none at or after `end_ns` (None: it still flows)."""

    name: str
    shape: Shape
    begin_ns: int
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What the generator says it did: arrivals due by plan, and records by outcome, for each stream."""

    due: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    end_ns: Mapping[str, int]


class Generator:
    """A running load generator. Use as a context manager, or call `close`: the process never outlives it."""

    def __init__(self, process: subprocess.Popen[bytes], run_folder: Path, clock: Clock, timeout_s: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._run_folder, self._clock, self._timeout_s = run_folder, clock, timeout_s
        self._rest = b""
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
        """Start the generator's process and wait until it is ready to send.

        `wrap` may put a command before the generator's own (to enter a network namespace). `credentials` travel
        through the process's standard input. `listeners` are modules that the process imports first, to add listeners
        to Locust's events. `worker` of `workers`: see `loadgen.plan.Plan`. Raises `UsageError` for a plan that is not
        allowed, and `HarnessBroken` if the process does not become ready.
        """
        filled(profile.headers, os.environ)
        if credentials is not None and (
            both := _lower(profile.headers) & (_lower(credentials.headers) | {"authorization"})
        ):
            raise UsageError(f"profile.headers.{min(both)}: this vantage has its own, the service would never see it")
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
        with (run_folder / "generator.log").open("ab") as log:
            process = subprocess.Popen(
                wrap([sys.executable, "-m", "loadgen.locustfile"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
                start_new_session=True,  # Ctrl-C at the terminal is for the parent, which decides
            )
        generator = cls(process, run_folder, clock, profile.timeout_s)
        try:
            generator._send({"plan": plan.plain(), "credentials": credentials.plain() if credentials else None})
            generator._answer("ready", READY_WITHIN_S)
        except BaseException:
            generator.close()
            raise
        return generator

    @property
    def pid(self) -> int:
        """The process that was started (the wrapper's, if that stays in between)."""
        return self._process.pid

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of all streams that have begun."""
        return tuple(self._streams)

    def begin(self, shape: Shape, name: str, begin_ns: int | None = None) -> StreamHandle:
        """Let a stream flow, from a moment that lies a little ahead. Raises `UsageError` for a name used before."""
        if name in self._streams:
            raise UsageError(f"stream {name}: began already in this trial", "give it another name")
        begin_ns = self._clock.now_ns() + LEAD_NS if begin_ns is None else begin_ns
        self._send({"begin": {"stream": name, "shape": shape.plain(), "begin_ns": begin_ns}})
        self._answer("begun", ANSWER_WITHIN_S)
        self._streams[name] = StreamHandle(name, shape, begin_ns)
        return self._streams[name]

    def end(self, name: str, end_ns: int | None = None) -> StreamHandle:
        """Let a stream end, at a moment that lies a little ahead; requests in flight go on. Again: the same answer."""
        stream = self._streams[name]
        if stream.end_ns is None:
            end_ns = self._clock.now_ns() + LEAD_NS if end_ns is None else end_ns
            self._send({"end": {"stream": name, "end_ns": end_ns}})
            answer = self._answer("ended", ANSWER_WITHIN_S + self._timeout_s)  # users finish what they are at
            self._streams[name] = stream = StreamHandle(name, stream.shape, stream.begin_ns, answer["end_ns"])
        return stream

    def finish(self, drain_s: float | None = None) -> Finished:
        """End what still flows, wait for what is in flight, and end the process.

        `drain_s`: how long to wait after the last stream's end; what is still in flight then is recorded as `unsent`,
        since nobody can know what would have become of it. None waits until every request has been answered or has met
        its own time limit.
        """
        if self._finished is not None:
            return self._finished
        for name in self._streams:
            self.end(name)
        if drain_s is None:
            drain_s = self._timeout_s + 1.0  # no request outlives its time limit
        self._send({"finish": {"drain_s": drain_s}})
        answer = self._answer("finished", drain_s + ANSWER_WITHIN_S)["streams"]
        self._finished = Finished(
            due={name: facts["due"] for name, facts in answer.items()},
            counts={name: facts["counts"] for name, facts in answer.items()},
            end_ns={name: facts["end_ns"] for name, facts in answer.items()},
        )
        self._streams = {
            name: StreamHandle(name, stream.shape, stream.begin_ns, self._finished.end_ns[name])
            for name, stream in self._streams.items()
        }
        self.close()
        return self._finished

    def check(self) -> None:
        """Raise `HarnessBroken` if the process died before it was told to finish."""
        if self._finished is None and self._process.poll() is not None:
            raise HarnessBroken(
                f"the load generator ended with code {self._process.returncode} in mid-trial{self._log_tail()}",
                f"read {self._run_folder / 'generator.log'}",
            )

    def latest(self) -> GeneratorSample | None:
        """The newest line of generator.jsonl; None before the first."""
        lines = _tail(self._run_folder / "generator.jsonl").split(b"\n")[:-1]
        if not lines:
            return None
        data = json.loads(lines[-1])
        data.pop("final", None)
        return GeneratorSample(**data)

    def close(self) -> None:
        """End the process if it still runs, and wait for it. Never raises because of how it ended."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_WITHIN_S)
                break
        self._stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, command: Mapping[str, Any]) -> None:
        self.check()
        try:
            self._stdin.write(json.dumps(command).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            self._died()

    def _answer(self, kind: str, within_s: float) -> dict[str, Any]:
        until_s = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, until_s - time.monotonic())):
                    raise HarnessBroken(
                        f"the load generator did not say {kind!r} within {within_s:g} s{self._log_tail()}"
                    )
                data = os.read(self._stdout.fileno(), 65536)
                if not data:
                    self._died()
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        if kind not in answer:
            why = answer.get("broken", {}).get("why", f"it said {answer!r} instead of {kind}")
            raise HarnessBroken(f"the load generator: {why}", f"read {self._run_folder / 'generator.log'}")
        facts: dict[str, Any] = answer[kind]
        return facts

    def _died(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_WITHIN_S)
        self.check()
        raise HarnessBroken(f"the load generator closed its channel but still runs{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = _tail(self._run_folder / "generator.log").decode(errors="replace").strip().splitlines()[-3:]
        return "".join(f"\n  generator.log: {line}" for line in lines)


def _lower(headers: Mapping[str, str]) -> set[str]:
    return {name.lower() for name in headers}


def _tail(path: Path) -> bytes:
    """The last whole lines of a file, at most `TAIL_BYTES` of them; empty if there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read()
    except FileNotFoundError:
        return b""
    return data if size <= TAIL_BYTES else data.partition(b"\n")[2]
