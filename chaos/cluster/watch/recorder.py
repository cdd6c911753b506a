"""Recording a trial's cluster: each watched kind in a thread of its own, all in one file, and their newest state.

Metrics, which cannot be watched, are asked for by two more threads, into files beside it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from chaos.clock import Clock
from chaos.cluster.client import Cluster
from chaos.cluster.watch.custom_sampler import CustomSampler, questions_of
from chaos.cluster.watch.heartbeat import Heartbeat
from chaos.cluster.watch.metrics_sampler import Sampler, Sampling
from chaos.cluster.watch.reflector import Reflector
from chaos.cluster.watch.store import Limits, Scope, Store
from chaos.errors import ClusterRefused, HarnessBroken, TimedOut, UsageError
from chaos.history.writing.jsonl import AppendFile
from chaos.history.writing.watch_log import WatchLogWriter

__all__ = ["Recorder"]

T = TypeVar("T")

AUTOSCALER = "HorizontalPodAutoscaler"
START_S = 30.0
STOP_S = 20.0
"""A thread that is opening a connection notices the end only when that succeeded or failed: 3 s and 10 s at most."""


class Recorder:
    """Writes watch.jsonl while it runs, and shows the newest state of each object.

    With `sampling` it writes metrics.jsonl and custom-metrics.jsonl, as long as there is an autoscaler among what it
    watches. As a context manager it is started on entering and stopped on leaving. Raises `UsageError` if a kind is in
    two scopes: in the record a kind has one list and one watch.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        path: Path,
        scopes: Sequence[Scope],
        *,
        limits: Limits | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        kinds = [scope.kind for scope in scopes]
        if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
            raise UsageError(f"{', '.join(twice)} is to be recorded twice", "give one scope for each kind")
        self._file = AppendFile(path)
        self._store = Store(kinds)
        limits = limits or Limits()
        transport, store = cluster.transport, self._store
        self._reflectors = [
            Reflector(
                scope,
                cluster.kind(scope.kind),
                transport=transport,
                clock=clock,
                log=WatchLogWriter(scope.kind, self._file),
                store=store,
                limits=limits,
            )
            for scope in scopes
        ]
        self._heartbeat = Heartbeat(
            self._reflectors, transport=transport, clock=clock, store=store, every_s=limits.heartbeat_s
        )
        self._threads = [
            threading.Thread(target=reflector.run, name=f"watch-{reflector.scope.kind}", daemon=True)
            for reflector in self._reflectors
        ]
        self._threads.append(threading.Thread(target=self._heartbeat.run, name="watch-heartbeat", daemon=True))
        self._samplers: tuple[Sampler, ...] = ()
        if sampling is not None:
            self._samplers = self._sampling(sampling, cluster, clock, path, scaled=AUTOSCALER in kinds)
        self._threads += [
            threading.Thread(target=one.run, name="sample-metrics", daemon=True) for one in self._samplers
        ]
        self._stopped = False

    def _sampling(
        self, sampling: Sampling, cluster: Cluster, clock: Clock, path: Path, *, scaled: bool
    ) -> tuple[Sampler, Sampler]:
        """Those that ask for usage and for every other metric of an autoscaler; `scaled`: autoscalers are watched."""

        def autoscalers() -> tuple[dict[str, Any], ...]:
            return self._store.objects(AUTOSCALER) if scaled else ()

        usage = Sampler(
            sampling,
            transport=cluster.transport,
            clock=clock,
            path=path.with_name("metrics.jsonl"),
            wanted=lambda: sampling.always or bool(autoscalers()),
        )
        custom = CustomSampler(
            lambda: questions_of(autoscalers(), sampling.pods),
            sampling=replace(sampling, period_s=sampling.custom_period_s),
            transport=cluster.transport,
            clock=clock,
            path=path.with_name("custom-metrics.jsonl"),
        )
        return usage, custom

    def start(self, *, deadline_s: float = START_S) -> None:
        """Begin, and return when every kind has been listed and is being watched.

        Raises `ClusterRefused` where this user may not list and watch a kind, `HarnessBroken` where that fails
        otherwise, `TimedOut` after the deadline. Nothing is left running then.
        """
        try:
            for thread in self._threads:
                thread.start()
            self.wait(
                lambda: all(reflector.synced for reflector in self._reflectors),
                deadline_s=deadline_s,
                awaited="a list of every watched kind",
                last_seen=lambda: "none of " + ", ".join(f.scope.kind for f in self._reflectors if not f.synced),
            )
        except BaseException as error:
            self.stop()
            refused = [f.failure for f in self._reflectors if isinstance(f.failure, ClusterRefused)]
            if isinstance(error, HarnessBroken) and refused:
                raise refused[0] from None
            raise

    def stop(self) -> None:
        """Stop watching and close the record. Calling it again does nothing.

        Before that every watch has to prove that it is alive: else its record ends in a gap. Raises `HarnessBroken`
        only if a watch does not end; whether one had died before, `check` says.
        """
        if self._stopped:
            return
        self._stopped = True
        self._heartbeat.stop()
        self._heartbeat.prove()
        for reflector in self._reflectors:
            reflector.stop()
        for sampler in self._samplers:
            sampler.stop()
        ends = time.monotonic() + STOP_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, ends - time.monotonic()))
        if left := [thread.name for thread in self._threads if thread.is_alive()]:
            raise HarnessBroken(f"{', '.join(left)} did not end within {STOP_S:g} s")
        self._file.close()

    def prove(self) -> None:
        """Have every watch prove now that it is alive: what it brings later is then no older than this moment."""
        self._heartbeat.check_all()

    def heard_rv(self) -> int:
        """Up to which resourceVersion each watch that has bookmarks has brought what happened."""
        return min((one.heard_rv for one in self._reflectors if one.bookmarked), default=0)

    def check(self) -> None:
        """Raise `HarnessBroken` if a kind is no longer being recorded, and say why."""
        for reflector in self._reflectors:
            if reflector.failure is not None:
                raise HarnessBroken(
                    f"the record of {reflector.scope.kind} ended early: {reflector.failure.what}", reflector.failure.fix
                ) from reflector.failure
        for failure in (sampler.failure for sampler in self._samplers if sampler.failure is not None):
            raise HarnessBroken(f"the record of metrics ended early: {failure.what}", failure.fix) from failure

    def objects(self, kind: str) -> tuple[dict[str, Any], ...]:
        """The objects of a watched kind as they are now, one each UID. They are shared: do not change them."""
        return self._store.objects(kind)

    def wait_for(self, predicate: Callable[[], object], deadline_s: float) -> bool:
        """Wait until the predicate is true, looking after every change; False if it is not within the deadline.

        What the predicate raises is passed on. Raises `HarnessBroken` if a watch dies in the meantime.
        """

        def settled() -> bool:
            if predicate():
                return True
            self.check()
            return False

        return self._store.wait_for(settled, deadline_s)

    def wait(
        self,
        attempt: Callable[[], T | None],
        *,
        deadline_s: float,
        awaited: str,
        last_seen: Callable[[], str] = lambda: "",
    ) -> T:
        """Wait until `attempt` returns something truthy, and return that.

        Raises `TimedOut` after the deadline, saying what was awaited and what `last_seen` says, and `HarnessBroken`
        if a watch dies in the meantime.
        """
        found: list[T] = []

        def look() -> bool:
            if result := attempt():
                found.append(result)
            return bool(found)

        if self.wait_for(look, deadline_s):
            return found[0]
        seen = last_seen()
        raise TimedOut(f"{awaited}: not within {deadline_s:g} s" + (f"; last seen: {seen}" if seen else ""))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
