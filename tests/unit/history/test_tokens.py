"""Measures of a language model's answers: by the definitions of docs/load.md, on records written by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from histories import Story, at, request

from chaos.checks import SloMet
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.history import REQUEST_SCHEMA
from chaos.history.sli import read_tokens
from chaos.slo import Slo, read_slo
from loadgen.shapes import Steady

MS = NS // 1000


def answer(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Four events: first token after 0.2 s, gaps of 100, 300 and 100 ms, the end 100 ms later; 11 tokens."""
    begin = at(number)
    row = request(number, "steady-1", begin, latency_s=0.8)
    row |= {"first_token_ns": begin + 200 * MS, "token_gaps_ns": [100 * MS, 300 * MS, 100 * MS], "tokens_in": 5}
    return row | {"tokens_out": 11} | changes


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    """A table of records."""
    return pl.DataFrame(rows, schema=REQUEST_SCHEMA)


def only(name: str, *rows: dict[str, Any]) -> float | None:
    """The p99 of one indicator, which over few requests is the worst."""
    return read_slo(table(*rows), Slo(**{f"{name}_p99_s": 1.0})).times[name].p99_s


def test_each_time_has_its_definition() -> None:
    """First token from the intended start; time per token without the first, by usage; the longest silence."""
    assert only("first_token", answer()) == pytest.approx(0.2)
    assert only("token_time", answer()) == pytest.approx(0.6 / 10)
    assert only("token_gap", answer()) == pytest.approx(0.3)


def test_tokens_are_counted_from_usage_not_from_events() -> None:
    """Four events held eleven tokens."""
    reading = read_tokens(table(answer(), answer(1)))
    assert reading is not None
    assert (reading.tokens_out, reading.chunks_out, reading.tokens_in) == (22, 8, 10)
    assert reading.tokens_out_per_s == pytest.approx(22 / 1.8)
    assert (reading.gap_p50_s, reading.gap_p99_s) == pytest.approx((0.1, 0.3))


@pytest.mark.parametrize("name", ["first_token", "token_time", "token_gap"])
@pytest.mark.parametrize("outcome", ["failed", "refused", "truncated", "unanswered"])
def test_what_was_not_answered_in_full_is_infinitely_slow(name: str, outcome: str) -> None:
    """A stream that broke off early has no quick tokens to be proud of."""
    assert only(name, answer(outcome=outcome)) == float("inf")


def test_times_that_are_undefined_are_left_out() -> None:
    """One token has no time per further token, and no silence between tokens."""
    single = answer(tokens_out=1, token_gaps_ns=[])
    assert only("token_time", single) is None
    assert only("token_gap", single) == 0
    assert only("token_gap", answer(first_token_ns=None, token_gaps_ns=None)) == float("inf")


def test_goodput_counts_requests_that_keep_every_limit_at_once() -> None:
    """Each of two slow ones misses another limit, each limit alone is missed once: half of four is good."""
    slo = Slo(first_token_p99_s=0.3, token_gap_p99_s=0.4, goodput=0.7)
    rows = (
        answer(0),
        answer(1, first_token_ns=at(1) + 400 * MS),
        answer(2, token_gaps_ns=[500 * MS]),
        answer(3, outcome="truncated"),
        answer(4, tokens_out=1, token_gaps_ns=[]),
    )
    reading = read_slo(table(*rows), slo)
    assert (reading.meeting, reading.goodput) == (2, 0.4)
    assert read_slo(table(answer(outcome="unsent"), answer()), slo).goodput == 1.0


def test_truncated_and_stalled_streams_are_counted() -> None:
    """Stalled is a silence after the first token, whether the stream went on or was given up."""
    rows = (
        answer(0),
        answer(1, outcome="truncated"),
        answer(2, token_gaps_ns=[6 * NS], end_ns=at(9)),
        answer(3, outcome="unanswered", token_gaps_ns=[], end_ns=at(33)),
        answer(4, outcome="unanswered", first_token_ns=None, token_gaps_ns=None, end_ns=at(34)),
    )
    reading = read_tokens(table(*rows))
    assert reading is not None
    assert (reading.truncated, reading.stalled, reading.answered) == (1, 2, 2)


def test_plain_requests_have_no_tokens() -> None:
    """Without any token there is nothing to measure."""
    assert read_tokens(table(request(0, "s", at(0)) | {"first_token_ns": None, "tokens_out": None})) is None
    assert read_tokens(table()) is None


CHAT = Slo(first_token_p99_s=0.3, token_time_p99_s=0.1, token_gap_p99_s=0.4, goodput=0.95)


def chats(count: int = 200, **changes: Any) -> Story:
    """A stream of chats, one a second; every `every`-th of them changed."""
    every = changes.pop("every", 1)
    story = Story().shaped(Steady(1), end_s=count)
    for row in story.rows:
        row.update(answer(row["id"]))
        row.update(changes if row["id"] % every == 0 else {})
    return story.has(ended_ns=at(count + 1))


def test_an_slo_of_tokens_passes_fails_and_is_unknown() -> None:
    """All limits kept; one missed too often; and tokens that nobody counted."""
    passed = SloMet(CHAT)(chats().history())
    assert passed.answer is Answer.PASS
    assert passed.values["tokens"]["tokens_out"] == 2200
    failed = SloMet(CHAT)(chats(token_gaps_ns=[500 * MS], every=50).history())
    assert failed.answer is Answer.FAIL
    assert failed.reason == "longest token gap p99: 4 requests over 0.4 s, 2 allowed"
    unknown = SloMet(CHAT)(chats(tokens_out=None, every=100).history())
    assert unknown.answer is Answer.UNKNOWN
    assert unknown.reason == "2 full answers without usage: nobody counted their tokens"


def test_goodput_fails_by_itself() -> None:
    """Every limit has its own p99 kept by none here, so the share is what is named first."""
    finding = SloMet(CHAT)(chats(outcome="truncated", every=10).history())
    assert finding.answer is Answer.FAIL
    assert finding.reason.startswith("goodput: 20 requests missed a limit, 10 allowed")


def test_limits_that_are_none_are_refused() -> None:
    """Goodput needs times to keep, and each has to be a number of seconds."""
    with pytest.raises(ValueError, match="goodput: name the times"):
        Slo(availability=0.9, goodput=0.9)
    with pytest.raises(ValueError, match=r"goodput: 1\.5 is not a share"):
        Slo(latency_p99_s=1, goodput=1.5)
    with pytest.raises(ValueError, match="token_gap_p99_s: -1"):
        Slo(token_gap_p99_s=-1)
