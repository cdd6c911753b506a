"""Wait for something to come true, with a deadline, and say what was seen last if it does not."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from chaos.errors import TimedOut

__all__ = ["until"]

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
