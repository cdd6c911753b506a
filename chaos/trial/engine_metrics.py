"""Asking each replica for its server's own metrics, through the API server's proxy: engine-metrics.jsonl.

Which server it is, its page says (`chaos.semantics.engines`), or gameday.toml; only the metrics that its profile names
are kept. Nothing is written of servers that are not known and of which no metrics are named. A replica that does not
answer is a record too. Evidence beside the rest: where it cannot be had, the trial goes on.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.clock import Clock
from chaos.cluster import proxy_path
from chaos.cluster.transport import Transport
from chaos.errors import GamedayError, HarnessBroken
from chaos.history.facts.engine_counts import LAG_S, STARTED
from chaos.history.writing.jsonl import AppendFile, as_line
from chaos.history.writing.redaction import redacted_message, without_secrets
from chaos.objects.pod import PodView
from chaos.semantics.engines import Engine, Series, recognised
from chaos.semantics.exposition import Sample, samples

__all__ = ["EngineMetrics", "Metered"]

PERIOD_S = 1.0
UNKNOWN_PERIOD_S = 10.0
"""For a replica that answers with no metrics that are known: a server without any is not bothered more often."""

ANSWER_S = 2.0
STOP_S = 10.0
PAGE_MAX_BYTES = 2 * 1024 * 1024
ASKED_AT_ONCE = 8
ERROR_MAX = 300

KEPT_MAX_BYTES = 512 * 1024 * 1024
"""Of all values together: ten times what a hundred replicas say in an hour, each of a few hundred bytes a second."""

TEXT = "text/plain;version=0.0.4, application/openmetrics-text;q=0.5, */*;q=0.1"

QUANTITIES = ("running", "waiting", "cache_use", "generated_tokens", "finished", "preemptions")


@dataclass(frozen=True, slots=True)
class Metered:
    """Whose metrics are asked for: the pods of the system, and the port that serves.

    `engine`: the server that they run, None where each page has to say it. `names`: metrics of a server that is not
    known.
    """

    pods: Callable[[], Iterable[PodView]]
    port: int
    engine: Engine | None = None
    names: tuple[str, ...] = ()


class EngineMetrics:
    """Asks every second, in threads of its own, from `start` until `stop`."""

    def __init__(
        self, transport: Transport, clock: Clock, path: Path, metered: Metered, *, period_s: float = PERIOD_S
    ) -> None:
        self.failure: HarnessBroken | None = None
        """Why it ended early; None as long as it has not."""
        self._transport, self._clock, self._path, self._metered = transport, clock, path, metered
        self._period_s = period_s
        self._lock = threading.Lock()
        self._engines: dict[str, Engine] = {}
        self._last: dict[str, tuple[Sample, ...]] = {}
        self._asking: set[str] = set()
        self._written: set[str] = set()
        self._resting: dict[str, float] = {}
        self._unknown: dict[str, dict[str, Any]] = {}
        self._file: AppendFile | None = None
        self._kept_bytes = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-metrics", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask once more, so late that all that has ended by now is counted, then end."""
        if self._thread.ident is not None:
            self._ending.set()
            self._thread.join(LAG_S + STOP_S)

    def _run(self) -> None:
        try:
            with self._pool() as pool:
                while not self._ending.is_set():
                    self._round(pool)
                    self._ending.wait(self._period_s)
            if self._known:
                threading.Event().wait(LAG_S)
                with self._pool() as pool:
                    self._round(pool)
            self._say_why_not()
        except Exception as error:  # noqa: BLE001  # unnoticed, its samples would be missing and nobody know
            self._fail(error)
        finally:
            if self._file is not None:
                self._file.close()

    @staticmethod
    def _pool() -> ThreadPoolExecutor:
        """Leaving it waits for those who are being asked."""
        return ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="engine-metrics")

    def _say_why_not(self) -> None:
        """Of servers of which nothing is known, what each said last: a missing right has to be seen."""
        for said in () if self._known else self._unknown.values():
            self._write(said)

    @property
    def _known(self) -> bool:
        """Whether there is anything to write of these servers."""
        return bool(self._engines or self._metered.engine or self._metered.names)

    def _fail(self, error: Exception) -> None:
        why = error.what if isinstance(error, GamedayError) else repr(error)
        self.failure = self.failure or HarnessBroken(f"the servers' metrics are asked for no more: {why}"[:500])

    def _round(self, pool: ThreadPoolExecutor) -> None:
        for pod in self._metered.pods():
            runs = not pod.finished and any(view.running_since for view in pod.containers)
            with self._lock:
                rests = self._resting.get(pod.uid, 0.0) > time.monotonic()
                if not runs or rests or pod.uid in self._asking:
                    continue
                self._asking.add(pod.uid)
            pool.submit(self._ask, pod)

    def _ask(self, pod: PodView) -> None:
        try:
            self._take(pod, self._clock.now_ns())
        except Exception as error:  # noqa: BLE001  # it would be lost in the pool
            self._fail(error)
        finally:
            with self._lock:
                self._asking.discard(pod.uid)

    def _take(self, pod: PodView, asked_ns: int) -> None:
        engine = self._metered.engine or self._engines.get(pod.uid)
        page, error = self._page(pod, engine)
        if engine is None and page:
            found = recognised(metrics=page)
            engine = found[0] if found else None
            if engine:
                self._engines[pod.uid] = engine
        if engine is None and not self._metered.names and (page or error.startswith("404")):
            self._resting[pod.uid] = time.monotonic() + UNKNOWN_PERIOD_S
        if not self._known:
            why = error or "its metrics are of no server that is known"
            self._unknown[pod.uid] = {"asked_ns": asked_ns, "pod": pod.name, "uid": pod.uid, "error": why}
            return
        names = {STARTED, *self._metered.names, *(one.name for _, one in _series(engine))}
        # A label may hold anything, e.g. the key of whoever asked.
        values = tuple((name, without_secrets(labels), value) for name, labels, value in samples(page, names))
        if not error and not values:
            error = "no metric that is known is on the page"
        who = {"pod": pod.name, "uid": pod.uid, "engine": engine.name if engine else ""}
        with self._lock:
            self._define(engine)
            same = not error and self._last.get(pod.uid) == values
            said: dict[str, Any] = {"error": error} if error else {"same": True} if same else {"values": values}
            if self._kept_bytes > KEPT_MAX_BYTES:
                said = {"error": f"no more is kept: the servers' metrics take over {KEPT_MAX_BYTES >> 20} MiB"}
            elif not error:
                self._last[pod.uid] = values
            self._write({"asked_ns": asked_ns, **who, **said})

    def _page(self, pod: PodView, engine: Engine | None) -> tuple[str, str]:
        """The page of one replica, or why there is none."""
        port = (engine.metrics_port if engine else None) or self._metered.port
        path = proxy_path("Pod", pod.namespace, pod.name, port) + (
            (engine.metrics_path if engine else "") or "/metrics"
        )
        try:
            answer = self._transport.call("GET", path, accept=TEXT, timeout_s=ANSWER_S, pod_max_bytes=PAGE_MAX_BYTES)
        except GamedayError as refused:
            return "", redacted_message(refused.what)[:ERROR_MAX]
        if not answer.ok:
            return "", redacted_message(answer.words())[:ERROR_MAX]
        return answer.body.decode(errors="replace"), ""

    def _define(self, engine: Engine | None) -> None:
        """Say once what the series of a server mean."""
        name = engine.name if engine else ""
        if name in self._written:
            return
        self._written.add(name)
        said: dict[str, Any] = {}
        if engine:
            said = {"title": engine.title, "finished_label": engine.finished_label, "cut_reasons": engine.cut_reasons}
        for quantity, one in _series(engine):
            said.setdefault(quantity, []).append((one.name, one.label, one.value))
        said["kept"] = [(kept, "", "") for kept in self._metered.names]
        self._write({"engine": name, "names": said})

    def _write(self, fields: dict[str, Any]) -> None:
        if self._file is None:
            self._file = AppendFile(self._path)
        line = as_line(fields)
        self._kept_bytes += len(line)
        self._file.write(self._clock.now_ns(), line[1:])


def _series(engine: Engine | None) -> Iterator[tuple[str, Series]]:
    """Each series that a profile names, with the quantity that it is of."""
    for quantity in QUANTITIES if engine else ():
        found: Collection[Series] = getattr(engine, quantity)
        yield from ((quantity, one) for one in found)
