"""SloMet at its edges: objectives that are no numbers, times that cannot be, and too few requests to show anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from histories import Story

from chaos.checks import GeneratorHealthy, InPhase, RateOffered, SloMet, SteadyBefore
from chaos.checks.verdict import Answer, Finding
from chaos.clock import NS
from chaos.errors import UsageError
from chaos.slo import Slo, error_budget
from chaos.trial.config import SloPart

STRICT = Slo(availability=0.99, latency_p99_s=1.0)


def served() -> Story:
    """Two replicas, one of them struck, and a thousand requests that are all answered within 100 ms."""
    return Story().replicas("a", "b").fault("a").traffic()


def met(story: Story, slo: Slo) -> Finding:
    """The finding of SloMet."""
    return SloMet(slo)(story.history())


# --- objectives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_time_that_is_no_finite_number_is_no_objective(seconds: float) -> None:
    """No latency is ever over `nan` or `inf`, so neither can be an objective."""
    with pytest.raises(ValueError, match="latency_p99_s"):
        Slo(latency_p99_s=seconds)


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_the_file_refuses_a_time_that_is_no_finite_number(seconds: float) -> None:
    """gameday.toml takes finite numbers only."""
    with pytest.raises((ValueError, UsageError), match="finite"):
        SloPart(latency_p99_s=seconds)


@pytest.mark.parametrize("name", ["first_token_p99_s", "token_time_p99_s", "token_gap_p99_s"])
@pytest.mark.parametrize("seconds", [math.nan, math.inf, 0.0, -1.0])
def test_no_other_time_is_an_objective_without_a_number(name: str, seconds: float) -> None:
    """What holds of the latency holds of each time that an SLO may name."""
    with pytest.raises(ValueError, match=name):
        Slo(**{name: seconds})


@pytest.mark.parametrize("share", [math.nan, math.inf, 0.0])
def test_a_share_of_good_requests_is_a_share(share: float) -> None:
    """In a scenario and in the file."""
    with pytest.raises(ValueError, match="goodput"):
        Slo(latency_p99_s=1.0, goodput=share)
    with pytest.raises((ValueError, UsageError), match="availability"):
        SloPart(availability=share)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1, math.nan])
def test_an_availability_is_a_share(share: float) -> None:
    """Nothing, less than nothing, more than all, and what is no number are no shares."""
    with pytest.raises(ValueError, match="is not a share"):
        Slo(availability=share)


@pytest.mark.parametrize(
    ("objective", "valid"),
    [
        (0.99, 100),
        (0.999, 1000),
        (0.9999, 10_000),
        (0.99999, 100_000),
        (0.95, 20),
        (0.9, 10),
        (0.7, 10),
        (0.29, 100),
    ],
)
def test_the_error_budget_is_exact(objective: float, valid: int) -> None:
    """The budget is the whole part of what decimal arithmetic gives, not of what binary fractions lose."""
    assert error_budget(objective, valid) == math.floor((1 - Decimal(str(objective))) * valid)


# --- impossible records -------------------------------------------------------------------------------------


def ended_before_intended(story: Story) -> None:
    """Every request ended 5 s before it was intended."""
    for row in story.rows:
        row.update(dict.fromkeys(("first_byte_ns", "first_token_ns", "end_ns"), row["intended_ns"] - 5 * NS))


def sent_before_intended(story: Story) -> None:
    """Every request was sent 3 s before it was intended."""
    for row in story.rows:
        row["sent_ns"] = row["intended_ns"] - 3 * NS


def never_sent(story: Story) -> None:
    """Every request was answered, and none was sent."""
    for row in story.rows:
        row["sent_ns"] = None


def first_token_before_sent(story: Story) -> None:
    """Every first token came a second before its request was sent."""
    for row in story.rows:
        row["first_token_ns"] = row["sent_ns"] - NS


def first_byte_after_the_end(story: Story) -> None:
    """Every first byte came a second after the answer had ended."""
    for row in story.rows:
        row["first_byte_ns"] = row["end_ns"] + NS


def tokens_going_back(story: Story) -> None:
    """Between two tokens of every answer time went back."""
    for row in story.rows:
        row["token_gaps_ns"] = [NS // 100, -NS]


@pytest.mark.parametrize(
    "damage",
    [
        *(ended_before_intended, sent_before_intended, never_sent),
        *(first_token_before_sent, first_byte_after_the_end, tokens_going_back),
    ],
)
def test_impossible_times_decide_nothing(damage: Callable[[Story], None]) -> None:
    """A record whose times contradict each other is no evidence of quick answers."""
    story = served()
    damage(story)
    finding = met(story, STRICT)
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_request_with_two_records_decides_nothing() -> None:
    """One arrival has one record."""
    story = served()
    story.rows.append(dict(story.rows[5]))
    finding = met(story, Slo(availability=0.99))
    assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize("rate_rps", [0.0, -1.0, math.nan, math.inf])
def test_a_stream_without_a_rate_or_a_plan_decides_no_part(rate_rps: float) -> None:
    """Where no record says when requests were to come, only the generator's own count of them all decides anything."""
    story = served()
    (stream,) = story.parts["streams"]
    story.has(streams=(replace(stream, rate_rps=rate_rps, shape="a load that comes and goes"),))
    for check in (SloMet(STRICT, within=InPhase("fault")), RateOffered()):
        finding = check(story.history())
        assert finding.answer is Answer.UNKNOWN, finding.line()
    for whole in (SloMet(STRICT), GeneratorHealthy(), SteadyBefore(STRICT)):
        assert whole(story.history()).answer is Answer.PASS
    assert SloMet(STRICT)(story.has(generator=()).history()).answer is Answer.UNKNOWN


def test_a_load_of_which_nothing_was_sent_was_not_offered() -> None:
    """The only arrival of a slow stream was never sent: none of the load that was meant was offered."""
    story = Story().replicas("a").traffic(rate_rps=0.01)
    assert RateOffered()(story.history()).answer is Answer.PASS
    finding = RateOffered()(story.fate([0], "unsent", sent_ns=None).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- how many requests show an objective --------------------------------------------------------------------


@pytest.mark.parametrize(("objective", "requests"), [(0.999, 1), (0.9999, 20)])
def test_few_requests_do_not_show_an_availability(objective: float, requests: int) -> None:
    """So few answers cannot tell 0.999 from 0.5."""
    story = Story().replicas("a", "b").fault("a").traffic(rate_rps=1, end_s=requests)
    finding = met(story, Slo(availability=objective))
    assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize("slo", [Slo(latency_p99_s=1.0), Slo(latency_p99_s=1.0, goodput=0.99)], ids=str)
def test_few_requests_show_no_time_either(slo: Slo) -> None:
    """Five quick answers are no 99th percentile, nor a share of 0.99."""
    story = Story().replicas("a", "b").fault("a").traffic(rate_rps=1, end_s=5)
    finding = met(story, slo)
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_an_availability_of_one_forgives_no_request() -> None:
    """One failed request of a thousand breaks the objective of 1."""
    finding = met(served().fate([3], "failed"), Slo(availability=1.0))
    assert finding.answer is Answer.FAIL, finding.line()


def test_failed_requests_are_over_every_finite_time() -> None:
    """Where every request failed, none kept a finite objective."""
    finding = met(served().fate(range(1000), "failed"), Slo(latency_p99_s=1.0))
    assert finding.answer is Answer.FAIL, finding.line()


# --- a few requests that the generator started late -----------------------------------------------------------


def stalled(*, late: int, slow: int = 0, lost: int = 0) -> Story:
    """Of a thousand requests the generator started so many 3 s late, as in a pause of its host.

    The service itself was slow with so many others, and of those that started late it lost so many.
    """
    story = served()
    for row in story.rows[100 : 100 + late]:
        for moment in ("sent_ns", "first_byte_ns", "first_token_ns", "end_ns"):
            row[moment] += 3 * NS
    for row in story.rows[500 : 500 + slow]:
        row["end_ns"] += 3 * NS
    return story.fate(range(100, 100 + lost), "unanswered")


@pytest.mark.parametrize(
    ("story", "slo", "answer"),
    [
        pytest.param(stalled(late=9), Slo(latency_p99_s=1.0), Answer.PASS, id="one in a hundred may be late"),
        pytest.param(stalled(late=9, slow=5), Slo(latency_p99_s=1.0), Answer.UNKNOWN, id="too many with the slow"),
        pytest.param(stalled(late=9, slow=11), Slo(latency_p99_s=1.0), Answer.FAIL, id="too many without"),
        pytest.param(stalled(late=3), Slo(latency_p99_s=1.0, goodput=0.999), Answer.UNKNOWN, id="goodput"),
        pytest.param(stalled(late=3, slow=2), Slo(latency_p99_s=1.0, goodput=0.999), Answer.FAIL, id="goodput, slow"),
        pytest.param(stalled(late=3, lost=2), Slo(availability=0.999), Answer.UNKNOWN, id="lost as they were late"),
        pytest.param(stalled(late=3, lost=1), Slo(availability=0.999), Answer.PASS, id="one may be lost"),
        pytest.param(served().fate([5, 6], "failed"), Slo(availability=0.999), Answer.FAIL, id="in time, and lost"),
    ],
)
def test_a_pause_of_the_generator_convicts_nobody(story: Story, slo: Slo, answer: Answer) -> None:
    """What started late counts against no objective by itself, even where so few did that the generator kept up."""
    finding = met(story, slo)
    assert finding.answer is answer, finding.line()
    assert ("that the generator started late" in finding.reason) == (answer is Answer.UNKNOWN)


# --- times of tokens that nobody saw --------------------------------------------------------------------------


def plain(*, since: int = 0, slow_s: float = 0, lost: int = 0, beside_s: float | None = None) -> Story:
    """Answers in one piece from this one on, each so late, some lost; a streamed one beside, first tokens so late."""
    story = served()
    for row in story.rows[since:]:
        row |= {"first_token_ns": None, "end_ns": row["end_ns"] + round(slow_s * NS)}
    story.fate(range(lost), "failed")
    return story if beside_s is None else story.traffic(rate_rps=5, latency_s=beside_s)


@pytest.mark.parametrize(
    ("story", "slo", "answer"),
    [
        pytest.param(plain(), Slo(first_token_p99_s=1.0), Answer.UNKNOWN, id="first token"),
        pytest.param(plain(), Slo(token_gap_p99_s=1.0), Answer.UNKNOWN, id="token gap"),
        pytest.param(plain(), Slo(first_token_p99_s=1.0, goodput=0.99), Answer.UNKNOWN, id="goodput"),
        pytest.param(plain(), STRICT, Answer.PASS, id="no time of tokens"),
        pytest.param(plain(beside_s=0.1), Slo(first_token_p99_s=1.0), Answer.UNKNOWN, id="beside a streamed one"),
        pytest.param(plain(beside_s=3), Slo(first_token_p99_s=1.0), Answer.FAIL, id="beside a slow streamed one"),
        pytest.param(plain(lost=11), Slo(first_token_p99_s=1.0), Answer.FAIL, id="what failed had no token"),
        pytest.param(plain(slow_s=3), Slo(latency_p99_s=1.0, first_token_p99_s=1.0), Answer.FAIL, id="slow at all"),
        pytest.param(plain(since=500), Slo(first_token_p99_s=1.0), Answer.FAIL, id="tokens that came before"),
    ],
)
def test_answers_in_one_piece_miss_no_time_of_tokens(story: Story, slo: Slo, answer: Answer) -> None:
    """Where no answer of a stream ever showed a token (not streamed, a closed loop), nobody knows when it came."""
    finding = met(story, slo)
    assert finding.answer is answer, finding.line()
    assert ("in which no token was ever seen" in finding.reason) == (answer is Answer.UNKNOWN)
