"""CapacityFound: what the steps of a search say together, and when they say nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from capacity_stories import BOUNDS, SLO, Search, bracketed, steps_of
from histories import nothing

from chaos.checks import CapacityFound
from chaos.checks.traffic.capacity_estimate import capacity_estimate
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Answer, Finding

CHECK = CapacityFound(*BOUNDS)


def judged(story: Search, check: CapacityFound = CHECK) -> Finding:
    """What the check says."""
    return check(story.history())


def test_a_limit_between_two_rates_is_found() -> None:
    """The highest rate that held each time, the lowest that never did, and how sure that is."""
    finding = judged(bracketed())
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.measured == "3 replicas: held 10/s, not 12/s"
    held, broke = finding.values["limits"][0]["rates"]
    assert (held["held"], held["broke"], held["requests"], held["bad"]) == (2, 0, 400, 0)
    assert (broke["held"], broke["broke"]) == (0, 2)
    assert held["availability_low"] == pytest.approx(0.9905, abs=0.0001)
    latency = held["times"]["latency"]
    assert (latency["p99_s"], latency["high_s"]) == (0.1, 0.1)
    assert held["answered_rps"] == pytest.approx((10, 10), abs=0.1)
    assert broke["times"]["latency"]["p99_s"] == 5.0


def test_the_baseline_is_no_step() -> None:
    """Its traffic is there to see that the system is well."""
    assert [step.rate_rps for step in rate_steps(bracketed().history(), SLO)] == [10, 12, 10, 12]


def test_a_generator_that_was_behind_is_never_the_services_limit() -> None:
    """Not even where requests were lost beyond doubt: they were offered in a crowd."""
    late = Search(300).begun().step(10).step(12, lag_s=0.3, slow=240)
    late.fate(range(len(late.rows) - 100, len(late.rows)), "failed")
    finding = judged(late)
    assert finding.answer is Answer.UNKNOWN
    assert finding.measured == "3 replicas: held 10/s, no limit found, unknown at 12/s"
    assert "the generator started late" in finding.reason
    limit = finding.values["limits"][0]
    assert (limit["held_rps"], limit["broke_rps"]) == (10, None)


def test_unsent_and_missing_arrivals_are_the_generators_own() -> None:
    """Such a step is neither held nor broken."""
    unsent = Search(300).begun().step(10)
    unsent.fate([len(unsent.rows) - 1], "unsent", sent_ns=None)
    assert judged(unsent).answer is Answer.UNKNOWN
    missing = Search(300).begun().step(10)
    missing.rows.pop()
    assert judged(missing).answer is Answer.UNKNOWN


def test_a_step_counts_only_for_replicas_that_were_there_all_the_time() -> None:
    """One that was lost, or not yet Ready, or a number that changed, leaves the step open."""
    lost = Search(300).begun().step(10).killed("a", 35)
    assert "2 to 3 of 3 replicas were Ready in the step" in judged(lost).reason
    changed = Search(300).begun().step(10).fewer(35, "a", 2)
    assert "desired replicas changed in the step: 3, 2" in judged(changed).reason
    other = Search(300).begun().step(10).traffic(rate_rps=1, begin_s=40, end_s=45)
    assert "other traffic flowed in the step" in judged(other).reason  # type: ignore[arg-type]
    unseen = Search(300).begun().step(10).gap(35, 36)
    assert judged(unseen).answer is Answer.UNKNOWN  # type: ignore[arg-type]


def test_each_number_of_replicas_has_its_own_limit() -> None:
    """Steps are counted for the number that stood when they were made."""
    story = bracketed().fewer(145, "a", 2).step(8).step(10, slow=20)
    both = replace(CHECK, replicas=(3, 2))
    finding = judged(story, both)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.measured == "3 replicas: held 10/s, not 12/s; 2 replicas: held 8/s, not 10/s"
    assert judged(bracketed(), both).answer is Answer.UNKNOWN
    assert "2 replicas: no step was made" in judged(bracketed(), both).reason


def test_the_ends_of_the_range_are_limits_too() -> None:
    """The highest rate asked about that held, and the lowest that did not, are answers."""
    assert judged(Search(300).begun().step(50)).answer is Answer.PASS
    assert judged(Search(300).begun().step(40)).answer is Answer.UNKNOWN
    low = judged(Search(300).begun().step(5, slow=20))
    assert low.answer is Answer.PASS
    assert low.measured == "3 replicas: not even 5/s"


def test_a_gap_wider_than_the_resolution_is_open() -> None:
    """Time ran out between the two: what was found is told, and that it is not near enough."""
    finding = judged(Search(300).begun().step(10).step(20, slow=40))
    assert finding.answer is Answer.UNKNOWN
    assert "held 10/s, not 20/s, 2.00 times as high" in finding.reason


def test_what_is_needed_decides_where_it_is_asked_for() -> None:
    """Held at the rate or above: PASS; not held at it or below: FAIL; in between: UNKNOWN."""
    for need, answer in ((10, Answer.PASS), (11, Answer.UNKNOWN), (12, Answer.FAIL), (20, Answer.FAIL)):
        finding = judged(bracketed(), replace(CHECK, need_rps=need))
        assert finding.answer is answer, finding.line()
    assert "3 replicas: held 10/s, not 12/s, 20/s needed" in judged(bracketed(), replace(CHECK, need_rps=20)).reason


def test_too_few_requests_for_a_percentile_are_no_step() -> None:
    """80 requests, all fast, do not say what the slowest hundredth is."""
    finding = judged(Search(300).begun().step(4))
    assert finding.answer is Answer.UNKNOWN
    assert "decides nothing" in finding.reason


def test_no_record_is_unknown() -> None:
    """And a dry run, in which nothing is scaled, too."""
    assert CHECK(nothing()).answer is Answer.UNKNOWN
    story = bracketed().history()
    dry_run = replace(story, facts=replace(story.facts, dry_run=True))
    assert CHECK(dry_run).answer is Answer.UNKNOWN


def test_rates_that_held_sometimes_lie_between_the_two_ends() -> None:
    """They widen the interval, and are told."""
    limit = capacity_estimate(3, steps_of(3, [(8, "++"), (10, "+-"), (12, "-+"), (14, "--"), (20, "??")]))
    assert limit.held is not None
    assert limit.broke is not None
    assert (limit.held.rate_rps, limit.broke.rate_rps) == (8, 14)
    assert [one.rate_rps for one in limit.wavering] == [10, 12]
    assert limit.width == 10 / 8
    assert limit.words == "3 replicas: held 8/s, not 14/s, 1 of 2 times 10/s, 1 of 2 times 12/s, unknown at 20/s"
    assert capacity_estimate(1, ()).words == "1 replica: no limit known"
