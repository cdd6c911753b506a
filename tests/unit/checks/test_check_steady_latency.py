"""A system that is slow before any fault is not steady, so that its slowness is not laid on the fault."""

from __future__ import annotations

from histories import Story, at

from chaos.checks import SteadyBefore
from chaos.checks.verdict import Answer
from chaos.slo import Slo

SLO = Slo(latency_p99_s=1.0)
BASELINE_IDS = range(50, 250)
"""Arrivals of the story's stream that are intended in its baseline, from 5 s to 25 s."""


def story(slow: int, *, latency_s: float = 2.0) -> Story:
    """All well, but for so many requests of the baseline that took `latency_s` seconds."""
    told = Story().replicas("a", "b").traffic()
    for number in BASELINE_IDS[:slow]:
        told.rows[number]["end_ns"] = told.rows[number]["intended_ns"] + round(latency_s * 1e9)
    return told


def test_one_slow_request_in_a_hundred_is_steady() -> None:
    """Two of two hundred over the objective are what a 99th percentile allows."""
    assert SteadyBefore(SLO)(story(2).history()).answer is Answer.PASS


def test_more_slow_requests_than_that_are_unsteady() -> None:
    """Three of two hundred over the objective make the baseline unsteady, and the reason counts them."""
    finding = SteadyBefore(SLO)(story(3).history())
    assert finding.answer is Answer.UNKNOWN
    assert "3 of 200 requests took longer than 1 s" in finding.reason


def test_without_an_slo_nobody_says_what_slow_is() -> None:
    """The same slow requests are steady where no latency was promised."""
    assert SteadyBefore()(story(50).history()).answer is Answer.PASS


def test_what_the_fault_made_slow_is_not_laid_on_the_baseline() -> None:
    """Requests under way for less than the objective when the baseline ended may have met the fault."""
    told = Story().replicas("a", "b").traffic()
    for number in range(245, 250):
        told.rows[number]["end_ns"] = at(60)
    assert SteadyBefore(SLO)(told.history()).answer is Answer.PASS


def test_requests_that_hang_since_before_are_slow() -> None:
    """While the trial runs they have no record yet, and count all the same."""
    told = Story().replicas("a", "b").traffic()
    told.rows = [row for row in told.rows if not 100 <= row["id"] < 110]
    finding = SteadyBefore(SLO)(told.history())
    assert "10 of 190 requests took longer than 1 s" in finding.reason
