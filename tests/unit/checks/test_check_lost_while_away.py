"""LostWhileAway on hand-written histories: the engine is well, and a router's replica is killed at 30.2 s."""

from __future__ import annotations

from dataclasses import replace

from histories import Story, at, kill_story

from chaos.checks import LostWhileAway
from chaos.checks.verdict import Answer, Finding
from chaos.history import History


def engine() -> Story:
    """Three replicas that stay, under traffic of ten a second."""
    return Story().replicas("x", "y", "z").traffic()


def judged(users: Story, router: History | None = None) -> Finding:
    """The finding, where the router's record is that of a kill with a replacement at 34 s."""
    return LostWhileAway()(replace(users.history(), roles={"router": router or kill_story().history()}))


def lost(story: Story, *moments_s: float, outcome: str = "failed") -> Story:
    """A request that begins at each of these moments is lost."""
    for second in moments_s:
        row = next(one for one in story.rows if one["intended_ns"] >= at(second))
        row["outcome"] = outcome
    return story


def test_what_is_lost_while_the_router_is_away_is_its_doing() -> None:
    """The cost is told: how many requests, in how long."""
    finding = judged(lost(engine(), 30.5, 31, 33.9))
    assert finding.answer is Answer.PASS
    assert (finding.values["lost"], finding.values["while_away"]) == (3, 3)
    assert "3 of 3 lost requests in 3.8 s with replicas of the router away" in finding.measured


def test_that_nothing_was_lost_passes() -> None:
    """A router of which one may die costs nobody anything."""
    assert judged(engine()).answer is Answer.PASS


def test_what_is_lost_while_the_router_stands_fails() -> None:
    """Long before, or long after it is back."""
    for moment_s in (20.0, 80.0):
        finding = judged(lost(engine(), 31, moment_s))
        assert finding.answer is Answer.FAIL
        assert "1 request lost while all replicas of the router were Ready" in finding.reason


def test_a_request_that_began_before_and_was_cut_is_its_doing() -> None:
    """It was under way when the router went."""
    story = engine()
    row = next(one for one in story.rows if one["intended_ns"] >= at(15))
    row.update(outcome="truncated", end_ns=at(30.3))
    assert judged(story).answer is Answer.PASS


def test_clients_that_leave_as_they_were_to_lose_nothing() -> None:
    """They go at their first token while every replica of the router is Ready."""
    story = lost(engine(), 20, 50, 80, outcome="disconnected")
    for row in story.rows:
        row["leaves_after"] = 1 if row["outcome"] == "disconnected" else None
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["lost"] == 0


def test_without_an_outage_a_record_or_its_watch_it_is_unknown() -> None:
    """Nothing shows whose doing it was."""
    assert judged(lost(engine(), 31), engine().history()).answer is Answer.UNKNOWN
    assert LostWhileAway()(lost(engine(), 31).history()).answer is Answer.UNKNOWN
    assert LostWhileAway("prefill")(engine().history()).answer is Answer.UNKNOWN
    gap = kill_story().gap(50, 60).history()
    assert judged(lost(engine(), 31), gap).answer is Answer.UNKNOWN
