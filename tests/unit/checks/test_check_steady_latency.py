"""What an SLO asks of the time before any fault: quick answers, all of them, and enough of them to show it."""

from __future__ import annotations

from dataclasses import replace

from histories import Story, at

from chaos.checks import SteadyBefore
from chaos.checks.verdict import Answer
from chaos.history import History, Phase
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


def test_an_objective_takes_as_many_requests_as_show_it() -> None:
    """Two hundred requests show 0.99 and not 0.999, and the reason says what would."""
    told = Story().replicas("a", "b").traffic()
    assert SteadyBefore(Slo(availability=0.99))(told.history()).answer is Answer.PASS
    finding = SteadyBefore(Slo(availability=0.999))(told.history())
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason == "200 requests show no availability: 0.999 needs 1,000 requests: 100 s at 10/s"


def test_a_baseline_that_misses_its_objective_is_unsteady() -> None:
    """Two bad requests of a thousand are within 0.99, but not within the 0.999 that was promised."""
    told = Story().replicas("a", "b").traffic(rate_rps=50).fate((300, 400), "failed")
    assert SteadyBefore(Slo(availability=0.99))(told.history()).answer is Answer.PASS
    finding = SteadyBefore(Slo(availability=0.999))(told.history())
    assert finding.answer is Answer.UNKNOWN
    assert "2 of 1000 requests were not answered in full" in finding.reason
    assert SteadyBefore(Slo(availability=0.999))(told.fate((300,), "ok").history()).answer is Answer.PASS


def test_a_low_objective_does_not_excuse_a_sick_system() -> None:
    """What may be lost to a fault may not be lost before it."""
    told = Story().replicas("a", "b").traffic().fate(range(60, 70), "failed")
    assert SteadyBefore(Slo(availability=0.8))(told.history()).answer is Answer.UNKNOWN


# --- answers that take longer than the baseline -----------------------------------------------------------------------


def long_answers(*, now_s: float, outcome: str = "ok") -> History:
    """Answers of 16 s and a baseline of 10 s, judged while the trial runs: only what ended by then has a record."""
    told = Story(now_s).replicas("a", "b").traffic(rate_rps=2, latency_s=16)
    told.fate(range(2, 30), outcome)
    told.rows = [row for row in told.rows if row["end_ns"] <= at(now_s)]
    (stream,) = told.parts["streams"]
    baseline = Phase("baseline", at(5), at(15))
    return told.has(streams=(replace(stream, end_ns=None),), phases=(baseline,), finished=False).history()


def outlasting(took_s: float, *, cut: bool = False) -> Story:
    """A baseline of 10 s, and a fault 15 s after it; its answers take so long, or every second one is cut by then.

    Where these are cut, the others take 16 s.
    """
    told = Story().replicas("a", "b").traffic(latency_s=16 if cut else took_s).fault("a")
    for row in told.rows[50:150:2] if cut else ():
        row |= {"outcome": "truncated", "end_ns": row["intended_ns"] + round(took_s * 1e9)}
    return told.has(phases=(Phase("baseline", at(5), at(15)), Phase("fault", at(30), at(40))))


def test_what_was_cut_before_the_fault_is_of_the_baseline() -> None:
    """A gateway cuts every second answer after 12 s, when the baseline is over, and long before anything is done."""
    finding = SteadyBefore()(outlasting(12, cut=True).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "50 of 100 requests were not answered in full" in finding.reason
    assert SteadyBefore()(outlasting(12).history()).answer is Answer.PASS


def test_what_was_cut_after_the_fault_began_may_have_met_it() -> None:
    """The same answers, cut when the fault had begun."""
    story = outlasting(12, cut=True)
    for row in story.rows[50:150:2]:
        row["end_ns"] = at(30.5)
    assert SteadyBefore()(story.history()).answer is Answer.PASS


def test_what_was_slow_before_the_fault_is_of_the_baseline() -> None:
    """Answers of 12 s end after a baseline of 10 s, and before the fault: slower than 11 s, and not than 13."""
    finding = SteadyBefore(Slo(latency_p99_s=11.0))(outlasting(12).history())
    assert finding.answer is Answer.UNKNOWN
    assert "100 of 100 requests took longer than 11 s" in finding.reason
    assert SteadyBefore(Slo(latency_p99_s=13.0))(outlasting(12).history()).answer is Answer.PASS


def test_requests_that_are_under_way_are_not_bad_yet() -> None:
    """As the baseline ends none of its requests can have been answered: nothing is known of them."""
    finding = SteadyBefore()(long_answers(now_s=15.1))
    assert finding.answer is Answer.UNKNOWN
    assert finding.values["requests_valid"] == 0
    assert finding.values["under_way"] == 18
    assert "no answer yet" in finding.reason


def test_requests_that_are_under_way_are_awaited_where_they_are_needed() -> None:
    """A hundred were sent and 72 are answered as the baseline ends: 0.99 needs the others, 0.9 does not."""
    told = Story(15.1).replicas("a", "b").traffic(latency_s=3)
    told.rows = [row for row in told.rows if row["end_ns"] <= at(15.1)]
    told.has(phases=(Phase("baseline", at(5), at(15)),), finished=False)
    finding = SteadyBefore(Slo(availability=0.99))(told.history())
    assert (finding.values["requests_valid"], finding.values["under_way"]) == (72, 28)
    assert SteadyBefore(Slo(availability=0.9))(told.history()).values["under_way"] == 0


def test_when_they_have_been_answered_the_baseline_was_steady() -> None:
    """A little later all have their answers, and none is awaited any more."""
    finding = SteadyBefore()(long_answers(now_s=32))
    assert finding.answer is Answer.PASS, finding.line()
    assert (finding.values["requests_good"], finding.values["under_way"]) == (20, 0)


def test_when_they_have_failed_it_was_not() -> None:
    """Waiting excuses nothing: those that come to grief in the end had been stuck before."""
    finding = SteadyBefore()(long_answers(now_s=32, outcome="unanswered"))
    assert finding.answer is Answer.UNKNOWN
    assert "20 of 20 requests were not answered in full" in finding.reason


def test_some_bad_requests_are_known_before_the_others_end() -> None:
    """Where more failed already than may fail, the others need not be awaited to say so."""
    told = Story(25.1).replicas("a", "b").traffic().fate(range(60, 70), "failed")
    told.rows = [row for row in told.rows if row["id"] < 200]
    finding = SteadyBefore()(told.has(finished=False).history())
    assert "10 of 150 requests were not answered in full" in finding.reason


def test_a_baseline_may_shed_what_the_slo_lets_it_shed() -> None:
    """A limiter of rates is no unsteadiness where the SLO has a share for it; beyond the share it is."""
    slo = Slo(availability=0.99, latency_p99_s=1.0, shed_max=0.1)
    for shed, answer in ((20, Answer.PASS), (21, Answer.UNKNOWN), (200, Answer.UNKNOWN)):
        told = story(0).fate(BASELINE_IDS[:shed], "shed", status=429)
        finding = SteadyBefore(slo)(told.history())
        assert finding.answer is answer, finding.line()
    assert SteadyBefore(SLO)(story(0).fate(BASELINE_IDS[:20], "shed").history()).answer is Answer.UNKNOWN


def test_a_baseline_is_what_clients_got_in_the_end_where_the_slo_says_so() -> None:
    """Their last attempts were answered in full, or not; in time, or not."""
    slo = Slo(availability=0.99, latency_p99_s=5.0, after_retries=True)
    for last, waited_s, answer in (("ok", 1, Answer.PASS), ("failed", 1, Answer.UNKNOWN), ("ok", 6, Answer.UNKNOWN)):
        told = story(0)
        for number in BASELINE_IDS[:20]:
            row = told.rows[number]
            end_ns = row["intended_ns"] + waited_s * 10**9
            row.update(outcome="failed", status=503, attempts=2, last_outcome=last, last_end_ns=end_ns)
        finding = SteadyBefore(slo)(told.history())
        assert finding.answer is answer, finding.line()
