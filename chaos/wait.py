"""Wait for something to come true, with a deadline, and do something again and again meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import tenacity

from chaos.errors import GamedayError, TimedOut

__all__ = ["Heartbeat", "until"]

T = TypeVar("T")


def until(
    attempt: Callable[[], T | None],
    *,
    deadline_s: float,
    awaited: str,
    poll_s: float = 0.1,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """Call `attempt` every `poll_s` seconds until it returns something truthy, and return that.

    For things that offer no watch (a process, a file, an HTTP health endpoint); the cluster itself is watched.
    `awaited` names the thing in words. Raises `TimedOut` after `deadline_s` seconds, with what `last_seen` says.
    Whatever `attempt` raises is passed on.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda result: not result),
        stop=tenacity.stop_after_delay(deadline_s),
        wait=tenacity.wait_fixed(poll_s),
    )
    try:
        result = retrying(attempt)
    except tenacity.RetryError:
        seen = last_seen()
        raise TimedOut(f"{awaited}: not within {deadline_s:g} s" + (f"; last seen: {seen}" if seen else "")) from None
    assert result is not None
    return result


class Heartbeat:
    """Calls `beat` every `period_s` seconds, in a thread of its own, from `start` to `stop`; may be started again.

    A beat that fails is followed by the next.
    """

    def __init__(self, beat: Callable[[], object], *, period_s: float, name: str) -> None:
        self._beat, self._period_s, self._name = beat, period_s, name
        self._lock = threading.Lock()
        self._stopped: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it goes on already. The first beat comes after a period."""
        with self._lock:
            if self._stopped is None:
                self._stopped = threading.Event()
                run = threading.Thread(target=self._run, args=(self._stopped,), name=self._name, daemon=True)
                self._thread = run
                run.start()

    def stop(self, *, wait_s: float = 0.0) -> None:
        """Have it beat no more, and wait so long for the end of a beat under way."""
        with self._lock:
            if self._stopped is not None:
                self._stopped.set()
            self._stopped, thread = None, self._thread
        if thread is not None and wait_s:
            thread.join(wait_s)

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._period_s):
            with suppress(GamedayError):
                self._beat()
