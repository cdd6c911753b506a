"""The closed loop: a user's own locustfile, run as it is, every request recorded. Only the generator imports this.

Locust fires its `request` event when a request is over. The real start counts as the intended one, since a closed loop
plans no arrivals.
"""

import locust  # isort: skip  # patches the standard library, so it comes before everything that it patches

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.records import Outcome, Record, unsent
from loadgen.refusals import SHED
from loadgen.shapes.users import Users

__all__ = ["ClosedLoop", "ClosedStream"]

ERROR_LONGEST = 120

JUST_BEFORE = 0.95
"""After this share of the time limit, users that still run will be cut off."""


@dataclass(slots=True)
class ClosedStream:
    """The users of one stream. `end_ns` is None while they run."""

    name: str
    begin_ns: int
    runner: Any
    listener: Callable[..., None]
    count: int = 0
    end_ns: int | None = None


class ClosedLoop:
    """Starts and stops users, and records their requests as Locust reports them."""

    def __init__(
        self,
        *,
        url: str,
        now_ns: Callable[[], int],
        replica_header: str,
        timeout_s: float,
        record: Callable[[Record], None],
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self._url, self._now_ns, self._replica_header = url, now_ns, replica_header
        self._timeout_s, self._record = timeout_s, record
        self._worker, self._workers = worker, workers
        self._classes: dict[str, list[Any]] = {}
        self.streams: dict[str, ClosedStream] = {}

    @property
    def count(self) -> int:
        """How many requests have come to their end."""
        return sum(stream.count for stream in self.streams.values())

    def begin(self, name: str, users: Users, begin_ns: int) -> None:
        """Start the users at a moment. Raises `UsageError` if the file defines none."""
        environment = Environment(
            user_classes=self._load(users.locustfile),
            events=locust.events,
            host=self._url,
            stop_timeout=self._timeout_s,  # a stopped user may finish its task
        )
        events: Any = environment.events
        runner = environment.create_local_runner()
        stream = ClosedStream(name, begin_ns, runner, lambda **facts: self._take(stream, **facts))
        self.streams[name] = stream
        events.request.add_listener(stream.listener)
        events.init.fire(environment=environment, runner=runner, web_ui=None)
        gevent.sleep(max(0, begin_ns - self._now_ns()) / NS)
        if own := len(range(self._worker, users.users, self._workers)):
            runner.start(own, spawn_rate=(users.spawn_rate or users.users) / self._workers)

    def end(self, name: str) -> int:
        """Stop the users of a stream once each has finished its task, and return that moment.

        Users that have not finished at the time limit are cut off; the requests that they waited for become `unsent`.
        """
        stream = self.streams[name]
        if stream.end_ns is None:
            stop_ns, cut = self._now_ns(), []
            # Locust does not report whom it cuts off: count them just before it does.
            watch = gevent.spawn_later(self._timeout_s * JUST_BEFORE, lambda: cut.extend(stream.runner.user_greenlets))
            stream.runner.stop()
            watch.kill()
            events: Any = locust.events
            events.request.remove_listener(stream.listener)
            stream.end_ns = self._now_ns()
            for _ in cut:
                self._record(
                    unsent(self._number(stream), name, stop_ns, stream.end_ns, "a user was stopped in its task")
                )
        return stream.end_ns

    def _number(self, stream: ClosedStream) -> int:
        """The next request's number, one that no other worker gives."""
        number = stream.count * self._workers + self._worker
        stream.count += 1
        return number

    def _load(self, path: str) -> list[Any]:
        if path not in self._classes:
            if not Path(path).is_file():
                raise UsageError(f"locustfile: there is no file {path}")
            classes, shapes = load_locustfile(path)
            if shapes:
                raise UsageError(
                    f"locustfile: {path} has a LoadTestShape of its own", "take it out: the trial sets the load"
                )
            if not classes:
                raise UsageError(f"locustfile: {path} defines no user class")
            self._classes[path] = list(classes.values())
        return self._classes[path]

    def _take(
        self,
        stream: ClosedStream,
        *,
        response_time: float,
        exception: BaseException | None,
        context: dict[str, Any] | None = None,
        start_time: float | None = None,
        response: Any = None,
        **_others: Any,
    ) -> None:
        if isinstance((context or {}).get("record"), Record):
            return  # one of the open loop's
        taken_ns = round(response_time * 1e6)
        now_ns = self._now_ns()
        # Locust has the wall clock's time of the start; the trial's clock may have moved away from it.
        begin_ns = now_ns - taken_ns if start_time is None else round(start_time * NS) + now_ns - time.time_ns()
        status = getattr(response, "status_code", None) or None
        outcome, error = _fate(exception, status)
        record = Record(
            id=self._number(stream),
            stream=stream.name,
            intended_ns=begin_ns,
            sent_ns=begin_ns,
            first_byte_ns=None,
            first_token_ns=None,
            end_ns=begin_ns + taken_ns,
            outcome=outcome,
            status=status,
            error=error,
            replica=(getattr(response, "headers", None) or {}).get(self._replica_header),
            tokens_in=None,
            tokens_out=None,
            token_gaps_ns=None,
        )
        self._record(record)


def _fate(exception: BaseException | None, status: int | None) -> tuple[Outcome, str | None]:
    """What became of a request, from the exception that Locust or the user's own check gave it."""
    if exception is None:
        return "ok", None
    text = f"{type(exception).__name__}: {exception}"
    if status is None and ("refused" in text.lower() or "unreachable" in text.lower()):
        outcome: Outcome = "refused"
    elif status is None and "time" in text.lower() and "out" in text.lower():
        outcome = "unanswered"
    else:
        outcome = "shed" if status in SHED else "failed"
    return outcome, text[:ERROR_LONGEST]
