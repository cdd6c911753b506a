"""Users of somebody's own locustfile, as the plan and the judge see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at, request

from chaos.checks import RateOffered, SloMet
from chaos.checks.verdict import Answer
from chaos.errors import UsageError
from chaos.history import Stream
from chaos.slo import Slo
from loadgen.shapes import shape_from_plain
from loadgen.shapes.base import NEVER_NS
from loadgen.shapes.patterns import Poisson
from loadgen.shapes.users import Users

USERS = Users("somewhere/our_load.py", users=20, spawn_rate=2.5)


def closed(**fate: str) -> Story:
    """A steady stream, and beside it a closed loop of two hundred requests, one of them changed."""
    story = Story().traffic()
    loop = Stream("users-2", USERS.words, 0.0, at(10), at(50), "http", "here", "", (), USERS.plain())
    story.rows.extend(request(k, "users-2", at(10 + k / 5)) for k in range(200))
    story.rows[-1] |= fate
    *samples, last = story.parts["generator"]

    last = replace(last, due=1200)
    return story.has(streams=(*story.parts["streams"], loop), generator=(*samples, last))


def test_users_intend_nothing_by_plan() -> None:
    """No arrival, no rate; and the plan survives plain data."""
    assert (USERS.offset_ns(0), USERS.count(10**18), USERS.rate_profile) == (NEVER_NS, 0, ())
    assert shape_from_plain(USERS.plain()) == USERS
    assert USERS.words == "closed loop: 20 users of our_load.py"


def test_numbers_that_are_none_are_refused() -> None:
    """No users, users at no rate, or chance over them."""
    with pytest.raises(UsageError, match=r"Users\.users"):
        Users("x", users=0)
    with pytest.raises(UsageError, match=r"Users\.spawn_rate"):
        Users("x", users=1, spawn_rate=0)
    with pytest.raises(UsageError, match="no rate to draw from"):
        Poisson(USERS, 1)


def test_a_closed_loop_is_judged_by_availability_only() -> None:
    """What was recorded is all that there is; latency is UNKNOWN, unless it fails all the same."""
    passed = SloMet(Slo(availability=0.99))(closed().history())
    assert passed.answer is Answer.PASS
    assert passed.measured.endswith("users-2 is a closed loop: 20 users of our_load.py")
    assert SloMet(Slo(latency_p99_s=1.0))(closed().history()).answer is Answer.UNKNOWN
    assert SloMet(Slo(availability=1.0))(closed(outcome="failed").history()).answer is Answer.FAIL
    assert RateOffered()(closed().history()).answer is Answer.PASS
