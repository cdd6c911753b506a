"""SloMet: what the requests prove, and what a doubtful generator leaves open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import Story, at

from chaos.checks import SloMet
from chaos.checks.verdict import Answer, Finding
from chaos.history import Stream
from chaos.slo import Slo

BOTH = Slo(availability=0.99, latency_p99_s=2.0)
AVAILABLE = Slo(availability=0.99)


def judged(story: Story, slo: Slo = BOTH) -> Finding:
    """The finding on a story."""
    return SloMet(slo)(story.history())


def test_all_answered_in_time_passes_with_its_counts() -> None:
    """A thousand good requests meet the SLO, and the finding says of how many it speaks."""
    finding = judged(Story().traffic())
    assert finding.answer is Answer.PASS
    assert (finding.values["valid"], finding.values["arrivals"]["expected"]) == (1000, 1000)
    assert finding.margin == "error budget 10 bad requests, spent 0"


def test_the_error_budget_may_be_spent_to_the_last_request() -> None:
    """Ten bad of a thousand meet an objective of 0.99; eleven do not."""
    assert judged(Story().traffic().fate(range(10), "failed"), AVAILABLE).answer is Answer.PASS
    finding = judged(Story().traffic().fate(range(11), "failed"), AVAILABLE)
    assert finding.answer is Answer.FAIL
    assert finding.reason == "availability: 11 bad requests, 10 allowed"


@pytest.mark.parametrize("outcome", ["failed", "refused", "truncated", "unanswered"])
def test_every_kind_of_failure_counts(outcome: str) -> None:
    """A request that was not answered in full is bad, however it came to grief."""
    assert judged(Story().traffic().fate(range(11), outcome), AVAILABLE).answer is Answer.FAIL


def test_late_answers_are_available_but_slow() -> None:
    """An answer after the profile's patience counts for availability, and against latency by its time."""
    story = Story().traffic().fate(range(11), "late", end_ns=at(50))
    assert judged(story, AVAILABLE).answer is Answer.PASS
    assert judged(story, Slo(latency_p99_s=2.0)).answer is Answer.FAIL


def test_failures_are_slower_than_any_answer() -> None:
    """More than one failure in a hundred makes p99 infinite, however quickly they failed."""
    finding = judged(Story().traffic().fate(range(11), "refused"), Slo(latency_p99_s=2.0))
    assert finding.answer is Answer.FAIL
    assert "p99 never answered" in finding.measured
    assert finding.values["times"]["latency"]["p99_s"] is None


def test_latency_counts_from_the_intended_start() -> None:
    """A request that started late because the one before it was stuck is late from where it should have begun."""
    story = Story().traffic(latency_s=0.1, lag_s=3.0)
    assert story.history().requests["end_ns"][0] - at(0) == at(3.1) - at(0)
    assert "p99 3.100 s" in judged(story).measured


def test_no_requests_is_unknown() -> None:
    """A trial without traffic meets no SLO."""
    assert judged(Story()).answer is Answer.UNKNOWN


def test_few_requests_decide_no_percentile() -> None:
    """Below a hundred requests p99 is the slowest one, so good ones prove nothing yet."""
    finding = judged(Story().traffic(end_s=9.9))
    assert finding.answer is Answer.UNKNOWN
    assert "needs at least 100" in finding.reason
    assert judged(Story().traffic(end_s=10)).answer is Answer.PASS


def test_few_requests_may_fail_beyond_mending() -> None:
    """Two slow ones of ninety-nine miss p99 whatever the hundredth does; one does not."""
    assert judged(Story().traffic(end_s=9.9).fate([1, 2], "late", end_ns=at(50))).answer is Answer.FAIL
    assert judged(Story().traffic(end_s=9.9).fate([1], "late", end_ns=at(50))).answer is Answer.UNKNOWN


def test_few_requests_decide_availability() -> None:
    """Availability is over the window of the trial, whatever it holds."""
    assert judged(Story().traffic(end_s=5), AVAILABLE).answer is Answer.PASS


def test_a_missing_record_is_unknown() -> None:
    """An intended arrival without a record may have been anything."""
    story = Story().traffic()
    del story.rows[500]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "1 of 1000 intended arrivals have no record" in finding.reason


def test_a_lost_tail_is_unknown() -> None:
    """Records that end too soon are missed too: the count comes from the stream, not from the records."""
    story = Story().traffic()
    del story.rows[900:]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert finding.values["arrivals"]["missing"] == 100


def test_a_duplicate_record_is_unknown() -> None:
    """Two records of one arrival are one too many."""
    story = Story().traffic()
    story.rows.append(dict(story.rows[7]))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "1 arrivals have more than one record" in finding.reason


def test_a_duplicate_does_not_make_up_for_a_missing_one() -> None:
    """The right number of records is not the right records."""
    story = Story().traffic()
    story.rows[8] = dict(story.rows[7])
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert (finding.values["arrivals"]["missing"], finding.values["arrivals"]["duplicated"]) == (1, 1)


def test_a_record_too_many_is_unknown() -> None:
    """A record of an arrival that was never intended is doubtful."""
    story = Story().traffic()
    story.rows.append({**story.rows[-1], "id": 1000, "intended_ns": at(100)})
    assert judged(story).answer is Answer.UNKNOWN


def test_a_record_in_the_wrong_place_does_not_make_up_for_a_missing_one() -> None:
    """The right number of arrivals is not the right arrivals: one after the end stands for none within."""
    story = Story().traffic()
    story.rows[500] = {**story.rows[-1], "id": 1000, "intended_ns": at(100)}
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "1 records of traffic steady-1 lie outside of its time" in finding.reason


def test_a_generator_that_counts_otherwise_is_unknown() -> None:
    """The generator's own count of arrivals must be that of the streams."""
    story = Story().traffic()
    last = replace(story.parts["generator"][-1], due=1001)
    finding = judged(story.has(generator=(*story.parts["generator"][:-1], last)))
    assert finding.answer is Answer.UNKNOWN
    assert "the generator counted 1001 arrivals, the streams 1000" in finding.reason


def test_a_record_of_no_stream_is_unknown() -> None:
    """A record of a stream that the journal does not know is doubtful."""
    story = Story().traffic()
    story.rows.append({**story.rows[0], "stream": "spike-9"})
    assert judged(story).answer is Answer.UNKNOWN


def test_unsent_requests_are_unknown() -> None:
    """What the generator could not send is its own fault: never the service's, and never a PASS."""
    finding = judged(Story().traffic().fate([3], "unsent", sent_ns=None))
    assert finding.answer is Answer.UNKNOWN
    assert finding.values["valid"] == 999
    assert "1 arrivals were never sent" in finding.reason


def test_a_late_generator_makes_a_pass_unknown() -> None:
    """With a start lag above 50 ms what was offered is not what was intended."""
    assert judged(Story().traffic(lag_s=0.051)).answer is Answer.UNKNOWN
    assert judged(Story().traffic(lag_s=0.049)).answer is Answer.PASS


def test_the_lag_limit_shrinks_with_the_objective() -> None:
    """A generator that is to judge 0.2 s may not be later than a tenth of that."""
    assert judged(Story().traffic(lag_s=0.03), Slo(latency_p99_s=0.2)).answer is Answer.UNKNOWN
    assert judged(Story().traffic(lag_s=0.01), Slo(latency_p99_s=0.2)).answer is Answer.PASS


def test_a_late_generator_cannot_convict_of_slowness() -> None:
    """Slow answers while the generator itself was behind are doubtful, not a FAIL."""
    assert judged(Story().traffic(lag_s=3.0)).answer is Answer.UNKNOWN
    assert judged(Story().traffic(latency_s=3.0, cpu_share=0.95)).answer is Answer.UNKNOWN
    assert judged(Story().traffic(latency_s=3.0)).answer is Answer.FAIL


def test_a_generator_without_processor_makes_a_pass_unknown() -> None:
    """Above 90 % of its core in any second the generator may be what was slow."""
    assert judged(Story().traffic(cpu_share=0.91)).answer is Answer.UNKNOWN


def test_availability_fails_even_if_every_doubtful_request_was_good() -> None:
    """A FAIL that no doubt could mend stays a FAIL, and says so."""
    story = Story().traffic().fate(range(5), "unsent", sent_ns=None).fate(range(100, 130), "failed")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "even if all 5 doubtful arrivals had been well" in finding.reason


def test_availability_that_doubtful_requests_could_mend_is_unknown() -> None:
    """If the missing requests could have saved it, it is not a FAIL."""
    story = Story().traffic().fate(range(700, 709), "failed")
    del story.rows[:200]
    assert judged(story, AVAILABLE).values["availability"] < 0.99
    assert judged(story, AVAILABLE).answer is Answer.UNKNOWN


def test_a_failed_request_that_started_late_is_doubtful() -> None:
    """A request that a late generator sent late and that failed does not convict the service."""
    story = Story().traffic(lag_s=3.0).fate(range(100), "failed")
    assert judged(story, AVAILABLE).answer is Answer.UNKNOWN


def test_a_stream_without_end_is_unknown() -> None:
    """If the run died while traffic flowed, nobody knows how much was intended."""
    story = Story().traffic()
    story.has(streams=tuple(replace(stream, end_ns=None) for stream in story.parts["streams"]), generator=())
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "no recorded end" in finding.reason


def test_a_generator_that_left_no_account_is_unknown() -> None:
    """Without the generator's own samples nobody knows whether it kept up."""
    assert judged(Story().traffic().has(generator=())).answer is Answer.UNKNOWN


def test_a_generator_that_did_not_end_in_order_is_unknown() -> None:
    """A generator whose last word is missing may have died."""
    story = Story().traffic()
    assert judged(story.has(generator=story.parts["generator"][:-1])).answer is Answer.UNKNOWN


def other_shape(**last: Any) -> Story:
    """A stream whose arrivals are not evenly spaced: each second half a second's worth, at once."""
    story = Story().traffic()
    for row in story.rows:
        row["intended_ns"] += (row["id"] % 5) * 7_000_000
    story.parts["generator"] = (*story.parts["generator"][:-1], replace(story.parts["generator"][-1], **last))
    return story


def test_another_shape_is_counted_by_the_generators_last_word() -> None:
    """For arrivals that are not evenly spaced the generator's own count says how many were intended."""
    assert judged(other_shape()).answer is Answer.PASS
    assert judged(other_shape(due=1001)).answer is Answer.UNKNOWN
    assert judged(other_shape(due=999)).answer is Answer.UNKNOWN
    assert judged(other_shape(final=False)).answer is Answer.UNKNOWN


def test_two_streams_are_counted_together() -> None:
    """The SLO is over all traffic, of however many streams."""
    story = Story().traffic(end_s=50).traffic(begin_s=20, end_s=40, rate_rps=50)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["valid"] == 1500


def test_first_token_has_its_own_objective() -> None:
    """A stream that begins late is a miss, though it ends in time; one without any token counts as infinite."""
    slo = Slo(first_token_p99_s=0.05)
    assert judged(Story().traffic(latency_s=0.04), slo).answer is Answer.PASS
    assert judged(Story().traffic(latency_s=0.1), slo).answer is Answer.FAIL
    assert judged(Story().traffic(latency_s=0.04).fate(range(11), "ok", first_token_ns=None), slo).answer is Answer.FAIL


def test_a_stream_is_counted_as_its_plan_says() -> None:
    """Arrivals are those before the end: of 7/s over 2 s there are 14, over 2.0001 s 15."""
    from chaos.checks.traffic.accounting import arrivals_before  # noqa: PLC0415  # not part of what chaos.checks offers

    stream = Stream("s", "steady", 7, at(0), at(2), "http", "here")
    assert arrivals_before(stream, at(0)) == 0
    assert arrivals_before(stream, at(2)) == 14
    assert arrivals_before(stream, at(2.0001)) == 15


def test_bad_requests_are_named_as_evidence() -> None:
    """The first bad requests are named with their time, fate and server."""
    finding = judged(Story().traffic().fate([4], "failed", error="503", replica="model-a"))
    assert [one.text for one in finding.evidence] == [
        "steady-1 request 4: failed after 0.100 s, 503, by model-a",
    ]
