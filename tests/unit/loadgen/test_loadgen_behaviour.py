"""What clients do beside asking once: retries, leaving, thinking; plain decisions from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from loadgen.behaviour import Conversation, Disconnects, Retries, chance_of, retry_after_s
from loadgen.profiles import HttpProfile


@pytest.mark.parametrize(
    ("outcome", "status", "again"),
    [
        ("ok", 200, False),
        ("failed", 500, True),
        ("failed", 404, False),
        ("shed", 429, True),
        ("shed", 529, True),
        ("refused", None, True),
        ("failed", None, True),
        ("unanswered", None, True),
        ("truncated", 200, False),
        ("unsent", None, False),
        ("disconnected", 200, False),
    ],
)
def test_clients_try_again_where_it_may_help(outcome: str, status: int | None, *, again: bool) -> None:
    """No connection, no head of an answer, or a status for it; never what the generator itself could not send."""
    assert Retries().again(outcome, status) is again


def test_waits_double_up_to_a_bound_and_heed_the_server() -> None:
    """Less up to a quarter by chance; a Retry-After takes their place, unless it is over a minute or ignored."""
    chance = chance_of(1, "s", 0, "waits")
    waits = [Retries().wait_s(attempt, None, chance) for attempt in range(1, 8)]
    assert all(0.75 * full <= wait <= full for wait, full in zip(waits, (0.5, 1, 2, 4, 8, 8, 8), strict=True))
    assert Retries().wait_s(1, 7.0, chance) == 7
    assert Retries().wait_s(1, 3600.0, chance) <= 0.5
    assert Retries(retry_after=False).wait_s(1, 7.0, chance) <= 0.5


@pytest.mark.parametrize(("value", "seconds"), [("3", 3), (" 0 ", 0), ("-1", None), ("soon", None), ("", None)])
def test_retry_after_is_read_as_seconds(value: str, seconds: float | None) -> None:
    """What is neither seconds nor a date says nothing."""
    assert retry_after_s(value) == seconds
    assert retry_after_s(None) is None
    assert retry_after_s("9" * 5000) is None


def test_retry_after_is_read_as_a_date() -> None:
    """As RFC 9110 has it; one in the past asks for no wait."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 20 < (retry_after_s(later) or 0) <= 30
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_seeded_share_of_clients_leaves() -> None:
    """About so many, the same ones each time, whichever worker draws."""
    leaving = Disconnects(share=0.2, after_tokens=3)
    drawn = [leaving.leaves_after(chance_of(7, "s", arrival, "leave")) for arrival in range(2000)]
    assert 340 <= drawn.count(3) <= 460
    assert drawn.count(3) + drawn.count(None) == 2000
    assert drawn == [leaving.leaves_after(chance_of(7, "s", arrival, "leave")) for arrival in range(2000)]


def test_users_think_about_as_long_as_they_are_said_to() -> None:
    """Between a half and one and a half of it."""
    thinks = [Conversation(turns=3, think_s=4).thinks_s(chance_of(seed, "s", 0, "think")) for seed in range(200)]
    assert 2 <= min(thinks) < 3
    assert 5 < max(thinks) <= 6


def test_a_generator_waits_for_the_last_attempt() -> None:
    """Nothing of a request may be under way when it ends."""
    assert HttpProfile(timeout_s=5).longest_s == 5
    retries = Retries(attempts=3, backoff_max_s=2, retry_after=False)
    assert HttpProfile(timeout_s=5, retries=retries).longest_s == 5 + 2 * (5 + 2)
