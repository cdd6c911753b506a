"""Wait for something to come true, with a deadline, and do something again and again meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import tenacity

from chaos.errors import GamedayError, TimedOut

__all__ = ["Ticker", "until"]

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


class Ticker:
    """Calls `tick` every `period_s` seconds, in a thread of its own, from `start` to `stop`; may be started again.

    The first time after a period, or `at_once`. A call that fails is followed by the next.
    """

    def __init__(self, tick: Callable[[], object], *, period_s: float, name: str, at_once: bool = False) -> None:
        self._tick, self._period_s, self._name, self._at_once = tick, period_s, name, at_once
        self._lock = threading.Lock()
        self._stopped: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it goes on already."""
        with self._lock:
            if self._stopped is None:
                self._stopped = threading.Event()
                run = threading.Thread(target=self._run, args=(self._stopped,), name=self._name, daemon=True)
                self._thread = run
                run.start()

    def stop(self, *, wait_s: float = 0.0) -> None:
        """Have it call no more, and wait so long for the end of a call under way."""
        with self._lock:
            if self._stopped is not None:
                self._stopped.set()
            self._stopped, thread = None, self._thread
        if thread is not None and wait_s:
            thread.join(wait_s)

    def _run(self, stopped: threading.Event) -> None:
        if self._at_once:
            self._call()
        while not stopped.wait(self._period_s):
            self._call()

    def _call(self) -> None:
        with suppress(GamedayError):
            self._tick()
