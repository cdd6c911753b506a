"""Where a replica that serves by its probes and by its endpoint gave no token, and whether it was asked meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal

import polars as pl

from chaos.checks.recovery.causes import Causes
from chaos.checks.recovery.client_impact import Asked, asked, baseline_band, names_replicas, uneven
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.canary import canary_pace_ns, canary_slowest_s, requests_to, tokens_of
from chaos.history.facts.pod_lifecycles import PodLife, nameless
from chaos.history.facts.replica_counts import endpoint_spans
from chaos.history.sli import BEGUN, GOOD

__all__ = [
    "Ended",
    "Silence",
    "asked_in",
    "broken_by_nameless",
    "held_up",
    "serving_spans",
    "silences",
    "untroubled",
]

Ended = Literal["not Ready", "left the endpoints", "taken away", "gave tokens again", "not over when the traffic ended"]


@dataclass(frozen=True, slots=True)
class Silence:
    """A span in which a replica that serves by its probes and by its endpoint gave no token."""

    life: PodLife
    begin_ns: int
    end_ns: int
    ended: Ended


def traffic_span(history: History) -> tuple[int, int]:
    """From the first arrival of any stream to the end of the last; empty at the record's begin if there is none."""
    begins = [stream.begin_ns for stream in history.streams]
    ends = [history.ended_ns if stream.end_ns is None else stream.end_ns for stream in history.streams]
    return min(begins, default=history.began_ns), min(history.ended_ns, max(ends, default=history.began_ns))


def serving_spans(history: History, life: PodLife) -> Iterator[tuple[int, int, Ended]]:
    """Where it was both Ready and an endpoint while traffic flowed, and what ended first (`taken away`: no probe)."""
    from_ns, until_ns = traffic_span(history)
    for ready_ns, unready_ns in life.ready_spans:
        for added_ns, removed_ns in endpoint_spans(history).get(life.uid, ()):
            ends: list[tuple[int, Ended]] = [(until_ns, "not over when the traffic ended")]
            away = unready_ns is not None and Causes.of(history).node_lost(life.node, unready_ns)
            fell: Ended = "taken away" if away or unready_ns in (life.lost_ns, life.finished_ns) else "not Ready"
            if removed_ns is not None:
                with_it = unready_ns is not None and unready_ns - removed_ns <= 5 * NS  # over two watches
                ends.append((removed_ns, fell if with_it else "left the endpoints"))
            if unready_ns is not None:
                ends.append((unready_ns, fell))
            begin_ns = max(ready_ns, added_ns, from_ns)
            end_ns, ended = min(ends, key=lambda end: end[0])
            if end_ns > begin_ns:
                yield begin_ns, end_ns, ended


def silences(history: History, life: PodLife) -> Iterator[Silence]:
    """Every stretch without a token from it, in order; it may be very short.

    Tokens are those of answers that name it, whole or not, and the end of each whole one; and those for the canary.
    """
    mine = history.requests.filter(pl.col("replica") == life.name)
    gaps = mine.filter(pl.col("token_gaps_ns").list.len() > 0).select("stream", "id", "first_token_ns", "token_gaps_ns")
    later = gaps.explode("token_gaps_ns").with_columns(pl.col("token_gaps_ns").cum_sum().over("stream", "id"))
    seen = [mine["first_token_ns"].drop_nulls(), mine.filter(pl.col("outcome").is_in(GOOD))["end_ns"]]
    seen.append(later.select(at_ns=pl.col("first_token_ns") + pl.col("token_gaps_ns"))["at_ns"].drop_nulls())
    tokens = sorted({*chain.from_iterable(seen), *tokens_of(history, life)})
    for begin_ns, end_ns, ended in serving_spans(history, life):
        inside = [at_ns for at_ns in tokens if begin_ns < at_ns < end_ns]
        for a, b in pairwise([begin_ns, *inside]):
            yield Silence(life, a, b, "gave tokens again")
        yield Silence(life, inside[-1] if inside else begin_ns, end_ns, ended)


def asked_in(history: History, silence: Silence) -> Asked:
    """What the replica was to get of requests that were old enough to be answered: of users', or else of the canary's.

    The canary asks a replica directly: no chance is in it.
    """
    band, slowest_s = baseline_band(history), canary_slowest_s(history)
    if names_replicas(history):
        return asked(history, silence.begin_ns, silence.end_ns - (round(band.slowest_s * NS) if band else 0))
    young_ns = round(max(band.slowest_s if band else 0.0, slowest_s or 0.0) * NS)
    waited = (one for one in requests_to(history, silence.life) if one.end_ns > silence.begin_ns)
    sent = [max(one.sent_ns, silence.begin_ns) for one in waited if one.sent_ns <= silence.end_ns - young_ns]
    return Asked(len(sent), 0.0 if sent else 1.0, min(sent, default=None))


def broken_by_nameless(history: History, silence: Silence, bound_s: float | None) -> bool:
    """Whether full answers without a name leave no stretch of a silence longer than the bound: each may be its."""
    others = history.requests.filter(pl.col("outcome").is_in(BEGUN) & nameless(history))
    inside = others.filter(pl.col("end_ns").is_between(silence.begin_ns, silence.end_ns))["end_ns"].sort().to_list()
    longest_ns = max(b - a for a, b in pairwise([silence.begin_ns, *inside, silence.end_ns]))
    return bool(inside) and (bound_s is None or seconds(longest_ns) <= bound_s)


def untroubled(history: History, silence: Silence, bound_s: float) -> bool:
    """Whether each request of the canary's that was under way meanwhile had its token within the bound.

    Then a silence is no longer than it took to be asked again; without any, it may be as long as the canary's pace.
    """
    mine = requests_to(history, silence.life)
    inside = [one for one in mine if one.end_ns > silence.begin_ns and one.sent_ns < silence.end_ns]
    if not inside:
        return silence.end_ns - silence.begin_ns <= canary_pace_ns(history)
    return all(one.answered and seconds(one.end_ns - one.sent_ns) <= bound_s for one in inside)


def held_up(history: History, silence: Silence, bound_s: float | None) -> str:
    """Why a replica that no fault made hang may only have kept the canary waiting, or out, for others; else empty.

    It hangs if one request alone had no answer for longer than the bound, while another replica answered its own.
    """
    if reasons := uneven(history):
        return f"it may have been kept busy by more users than others: {'; '.join(reasons)}"
    if bound_s is None:
        return "no bound says how long it may keep one waiting"
    mine = requests_to(history, silence.life)
    long = [one for one in mine if one.outcome == "unanswered" and seconds(one.end_ns - one.sent_ns) > bound_s]
    inside = [one for one in long if one.sent_ns >= silence.begin_ns and one.end_ns <= silence.end_ns]
    if not inside:
        return f"no request of the canary's waited for longer than {bound_s:g} s, so that a queue may have held it up"
    others = history.canary.requests if history.canary else ()
    slowest_ns = round((canary_slowest_s(history) or 0.0) * NS)
    for one in inside:
        for other in others:
            there = one.sent_ns <= other.sent_ns and other.end_ns <= one.end_ns
            if there and other.uid != one.uid and other.answered and other.end_ns - other.intended_ns <= slowest_ns:
                return ""
    return "no other replica answered it as usual meanwhile, so that the load or its way may have held it up"
