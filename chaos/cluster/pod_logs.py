"""Keeping the logs of the system's containers in `logs/` of the run folder: each run of a container in a file.

Followed as they are written, so that the last words of a pod that is deleted are there. Evidence beside the rest: where
it cannot be had logs.jsonl says so, and the trial goes on.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import NS, Clock, utc_iso
from chaos.cluster.log_file import Budget, LogFile
from chaos.cluster.log_follower import ContainerRun, Follower, Following, runs_of
from chaos.cluster.transport import Transport
from chaos.errors import GamedayError, HarnessBroken
from chaos.history.writing.jsonl import AppendFile, as_line, private_folder
from chaos.history.writing.log_lines import LineRedactor
from chaos.objects.pod import PodView

__all__ = ["LogLimits", "PodLogs"]


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What is kept at most: of one run of a container, of its last lines beyond that, of all together, and how many.

    `followers` are read at once. `look_s` is how often new containers are looked for, `silence_s` how long a
    connection may bring nothing before it is opened anew, `early_s` how far a node's clock may be behind, `stop_s` how
    long the end may take.
    """

    head_bytes: int = 1024 * 1024
    tail_bytes: int = 64 * 1024
    total_bytes: int = 32 * 1024 * 1024
    files: int = 400
    followers: int = 48
    look_s: float = 0.5
    silence_s: float = 60.0
    early_s: float = 5.0
    stop_s: float = 8.0


class PodLogs:
    """Follows every container of `pods` in threads of its own until `stop`.

    `private` are texts that the trial sends itself, which servers may log. As a context manager it is started and
    stopped.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        run: Path,
        *,
        pods: Callable[[], Iterable[PodView]],
        private: Iterable[str] = (),
        limits: LogLimits | None = None,
    ) -> None:
        self.failure: HarnessBroken | None = None
        """Why it ended early; None as long as it has not."""
        self._clock, self._folder, self._pods, self._private = clock, run, pods, tuple(private)
        self._limits = limits = limits or LogLimits()
        self._ending, self._stopping = threading.Event(), threading.Event()
        self._since_ns = clock.now_ns() - round(limits.early_s * NS)
        self._how = Following(
            transport, pods, utc_iso(self._since_ns), self._stopping, limits.silence_s, limits.tail_bytes
        )
        self._index: AppendFile | None = None
        self._budget = Budget(limits.total_bytes)
        self._known: set[tuple[str, str, int]] = set()
        self._busy: list[tuple[threading.Thread, Follower]] = []
        self._thread = threading.Thread(target=self._look_on, name="pod-logs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what has ended meanwhile is read; what takes longer than some seconds is left as it is."""
        if self._ending.is_set() or self._thread.ident is None:
            return
        until_s = time.monotonic() + self._limits.stop_s / 2
        self._ending.set()
        self._thread.join(self._limits.stop_s / 2)
        for thread, follower in self._busy:
            if follower.run.over and not follower.reason:  # one that is refused is asked again for long
                thread.join(max(0.0, until_s - time.monotonic()))
        self._stopping.set()
        until_s = time.monotonic() + self._limits.stop_s / 2
        for thread, follower in self._busy:
            follower.interrupt()
            thread.join(max(0.0, until_s - time.monotonic()))
        if self._index is not None:
            self._index.close()

    def _look_on(self) -> None:
        try:
            while not self._ending.wait(self._limits.look_s):
                self._look()
            self._look()
        except GamedayError as error:
            self._fail(error.what)
        except Exception as error:  # noqa: BLE001  # unnoticed, logs would be missing and nobody know
            self._fail(repr(error)[:500])

    def _fail(self, why: str) -> None:
        self.failure = self.failure or HarnessBroken(f"the logs of containers are read no more: {why}")

    def _look(self) -> None:
        """Begin with each run that is not being read yet, those that have ended first."""
        self._busy = [one for one in self._busy if one[0].is_alive()]
        found = (run for pod in self._pods() for run in runs_of(pod) if run.key not in self._known)
        new = {run.key: run for run in found if run.ended_ns is None or run.ended_ns >= self._since_ns}
        for run in sorted(new.values(), key=lambda one: not one.over):
            if len(self._busy) >= self._limits.followers or len(self._known) >= self._limits.files:
                return
            self._known.add(run.key)
            self._follow(run)

    def _follow(self, run: ContainerRun) -> None:
        if self._index is None:
            private_folder(self._folder / "logs")
            self._index = AppendFile(self._folder / "logs.jsonl")
        redactor = LineRedactor(self._private)
        file = LogFile(self._folder / "logs" / run.file, self._budget, redactor, self._limits.head_bytes)
        who = {"pod": run.pod, "uid": run.uid, "container": run.container, "role": run.role, "run": run.number}
        self._write({"event": "begin", "file": run.file, **who})
        follower = Follower(run, file, self._how)
        thread = threading.Thread(target=self._read, args=(follower,), name=f"log-{run.pod}", daemon=True)
        self._busy.append((thread, follower))
        thread.start()

    def _read(self, follower: Follower) -> None:
        """The body of a thread."""
        file = follower.file
        try:
            follower.read()
        except GamedayError as error:
            self._fail(error.what)
        except Exception as error:  # noqa: BLE001  # as above
            follower.reason = f"reading it failed: {error!r}"[:300]
        finally:
            file.close()
            said = {"bytes": file.written, "cut": follower.cut, "ended": follower.ended}
            why = {"reason": follower.reason} if follower.reason else {}
            try:
                self._write({"event": "end", "file": follower.run.file, **said, **why})
            except HarnessBroken as broken:  # closed already, for a reader that took too long
                self._fail(broken.what)

    def _write(self, fields: dict[str, object]) -> None:
        if self._index is not None:
            self._index.write(self._clock.now_ns(), as_line(fields)[1:])
