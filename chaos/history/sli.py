"""What is measured of one request, as columns over a table of request records; and tokens over the table as a whole.

All times count from the intended start, to the moment that the client saw. A request that was not answered in full has
no time that flatters: it is infinite. Definitions and their sources are in docs/load.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

__all__ = [
    "BAD",
    "BEGUN",
    "GIVEN",
    "GOOD",
    "INDICATORS",
    "NOT_JUDGED",
    "OF_ARRIVALS",
    "SENT",
    "STALL_S",
    "TOKEN_TIMES",
    "VALID",
    "TokenReading",
    "after_retries",
    "hollow",
    "meant_within",
    "read_tokens",
    "response_s",
    "unmetered",
    "untimed",
]

GOOD = ("ok", "late")
"""Outcomes that were answered in full. Being late is judged by the latency objective, not by availability."""

BEGUN = (*GOOD, "disconnected")
"""Outcomes of requests whose client got what it waited for: all of an answer, or as much as it read before it left."""

GIVEN = (*GOOD, "wrong", "foreign", "disconnected")
"""Outcomes of requests that a replica was answering, whatever the answer was worth."""

NS = 1e9

NOT_JUDGED = ("unsent", "disconnected")
"""Outcomes that are no doing of the service's: the generator could not send, or the client left as it was to."""

SENT = pl.col("outcome") != "unsent"
"""Which requests left the generator: the others say nothing of the service."""

VALID = ~pl.col("outcome").is_in(NOT_JUDGED) & pl.col("leaves_after").is_null()
"""Which requests are judged. Of clients that were to leave none is: those that
did not came to grief, or were answered sooner."""

BAD = ~pl.col("outcome").is_in((*GOOD, *NOT_JUDGED))
"""Which requests came to grief, whoever sent them."""

OF_ARRIVALS = pl.col("turn").fill_null(0) == 0
"""Which requests are those of the plan: further turns of a conversation come when the one before was answered."""

_ANSWERED = pl.col("outcome").is_in(GOOD)


def meant_within(begin_ns: int, end_ns: int) -> pl.Expr:
    """Which requests were meant to begin at a moment or after it, and before another."""
    return pl.col("intended_ns").is_between(begin_ns, end_ns, closed="left")


def response_s(end: str = "end_ns") -> pl.Expr:
    """Seconds from the intended start to `end` for a request that was answered in full, infinite for any other."""
    answered = _ANSWERED & pl.col(end).is_not_null()
    return pl.when(answered).then((pl.col(end) - pl.col("intended_ns")) / NS).otherwise(math.inf)


def after_retries(requests: pl.DataFrame) -> pl.DataFrame:
    """The requests as they were after their clients had tried again: the last outcome of each, and its moment."""
    last = pl.col("last_outcome").is_not_null()
    return requests.with_columns(
        outcome=pl.when(last).then("last_outcome").otherwise("outcome"),
        end_ns=pl.when(last).then("last_end_ns").otherwise("end_ns"),
    )


def token_time_s() -> pl.Expr:
    """Seconds per output token after the first; null where that is undefined.

    Undefined are answers of at most one token, and those whose server did not say how many there were.
    """
    more = pl.col("tokens_out") - 1
    spent_s = (pl.col("end_ns") - pl.col("first_token_ns")) / NS
    timed = pl.when(more >= 1).then(pl.coalesce(spent_s / more, pl.lit(math.inf)))
    return pl.when(_ANSWERED).then(timed).otherwise(math.inf)


def longest_gap_s() -> pl.Expr:
    """Seconds of the longest silence between two tokens; 0 for a single token, infinite if none was seen."""
    longest = pl.col("token_gaps_ns").list.max().fill_null(0) / NS
    return pl.when(_ANSWERED & pl.col("token_gaps_ns").is_not_null()).then(longest).otherwise(math.inf)


def unmetered() -> pl.Expr:
    """Whether a full answer lacks the count of its tokens (`usage`)."""
    return _ANSWERED & pl.col("tokens_out").is_null()


def hollow(requests: pl.DataFrame, before_ns: int) -> pl.DataFrame:
    """Full answers that lack what others of their stream have: a finish reason, or without one any token at all.

    A gateway may write the end mark (`[DONE]`) whatever became of the server behind it. A stream of which some answer
    lacked the same before `before_ns` need not have it, as long as that is not far more frequent since.
    """
    full = requests.filter(_ANSWERED)
    bare = full.filter(pl.col("finish_reason").is_null())
    found = []
    for field_, lacking in (
        ("finish_reason", bare),
        ("first_token_ns", bare.filter(pl.col("first_token_ns").is_null())),
    ):
        usual = _habit(full, lacking, before_ns)
        having = full.filter(pl.col(field_).is_not_null()).join(usual, on="stream", how="anti")
        found.append(lacking.join(having, on="stream", how="semi"))
    return pl.concat(found).unique(["stream", "id"], maintain_order=True)


MORE_OFTEN = 10
"""What comes so many times as often as before is no habit."""


def _habit(full: pl.DataFrame, lacking: pl.DataFrame, before_ns: int) -> pl.DataFrame:
    """The streams in which some answers were `lacking` before a moment, and not far more of them since."""
    early = (pl.col("end_ns") < before_ns).cast(pl.Int64)

    def counts(table: pl.DataFrame, name: str) -> pl.DataFrame:
        before, since = early.sum().alias(f"{name}_before"), (1 - early).sum().alias(f"{name}_since")
        return table.group_by("stream").agg(before, since)

    both = counts(full, "all").join(counts(lacking, "lacking"), on="stream")
    frequent = pl.col("lacking_since") * pl.col("all_before")
    often = frequent > MORE_OFTEN * pl.col("lacking_before") * pl.col("all_since")
    return both.filter((pl.col("lacking_before") > 0) & ~often)


def untimed(requests: pl.DataFrame) -> pl.DataFrame:
    """Full answers of streams in which no token was ever seen: plain ones, in one piece, or of a closed loop."""
    seen = requests.filter(pl.col("first_token_ns").is_not_null())
    return requests.filter(_ANSWERED).join(seen, on="stream", how="anti")


INDICATORS = {
    "latency": ("p99", response_s()),
    "first_token": ("first token p99", response_s("first_token_ns")),
    "token_time": ("time per token p99", token_time_s()),
    "token_gap": ("longest token gap p99", longest_gap_s()),
}
"""The times that an SLO may have an objective for: by name, with words for people and the column."""

TOKEN_TIMES = frozenset(INDICATORS) - {"latency"}
"""Those of them that nobody measures of an answer in one piece."""

STALL_S = 5.0
"""A stream that is silent for longer, once it has begun, has stalled: longer than any reader waits for a word."""


@dataclass(frozen=True, slots=True)
class TokenReading:
    """Tokens and their timing. Definitions are those of docs/load.md; None where nothing is to be measured.

    `tokens_in` and `tokens_out` are counted by the server (`usage`), over full answers; `unmetered` of these have no
    such count. `tokens_out_per_s` is over the time from the first intended start to the last end. `chunks_out` are
    events with text, which may hold several tokens. `truncated` streams ended before their end mark, or were cut off as
    their server says; `stalled` ones were silent for over `STALL_S` after their first token, whether or not they went
    on. `finish_reasons` counts why answers ended, as their servers say.
    """

    answered: int
    tokens_in: int
    tokens_out: int
    tokens_out_per_s: float | None
    chunks_out: int
    unmetered: int
    truncated: int
    stalled: int
    first_token_p50_s: float | None
    first_token_p99_s: float | None
    gap_p50_s: float | None
    gap_p99_s: float | None
    token_time_p50_s: float | None
    token_time_p99_s: float | None
    finish_reasons: Mapping[str, int] = field(default_factory=dict)


def read_tokens(requests: pl.DataFrame) -> TokenReading | None:
    """Read them off a table of request records; None if no answer held any token."""
    if requests.filter(pl.col("first_token_ns").is_not_null() | pl.col("tokens_out").is_not_null()).is_empty():
        return None
    full = requests.filter(pl.col("outcome").is_in(GOOD))
    gaps = full.select(pl.col("token_gaps_ns").explode(empty_as_null=False, keep_nulls=False)).to_series().sort()
    firsts = full.filter(pl.col("first_token_ns").is_not_null()).select(response_s("first_token_ns")).to_series().sort()
    times = full.select(token_time_s().alias("s"))["s"].drop_nulls().sort()
    span_ns = int(requests.select(pl.col("end_ns").max() - pl.col("intended_ns").min()).item() or 0)
    tokens_out = int(full["tokens_out"].sum())
    return TokenReading(
        answered=full.height,
        tokens_in=int(full["tokens_in"].sum()),
        tokens_out=tokens_out,
        tokens_out_per_s=tokens_out / span_ns * NS if span_ns > 0 else None,
        chunks_out=int(full["first_token_ns"].is_not_null().sum()) + len(gaps),
        unmetered=full.filter(unmetered()).height,
        truncated=requests.filter(pl.col("outcome") == "truncated").height,
        stalled=requests.filter(_stalled()).height,
        first_token_p50_s=_rank(firsts, 0.5),
        first_token_p99_s=_rank(firsts, 0.99),
        gap_p50_s=_rank(gaps, 0.5, NS),
        gap_p99_s=_rank(gaps, 0.99, NS),
        token_time_p50_s=_rank(times, 0.5),
        token_time_p99_s=_rank(times, 0.99),
        finish_reasons=dict(requests["finish_reason"].drop_nulls().value_counts(sort=True).rows()),
    )


def _stalled() -> pl.Expr:
    gaps = pl.col("token_gaps_ns")
    last_token_ns = pl.col("first_token_ns") + gaps.list.sum().fill_null(0)
    unfinished_ns = pl.when(~pl.col("outcome").is_in(GOOD)).then(pl.col("end_ns") - last_token_ns)
    return pl.max_horizontal(gaps.list.max(), unfinished_ns).fill_null(0) > STALL_S * NS


def _rank(ordered: pl.Series, share: float, unit: float = 1.0) -> float | None:
    """The percentile by nearest rank, in seconds."""
    return None if ordered.is_empty() else float(ordered[max(0, math.ceil(share * len(ordered)) - 1)]) / unit
