"""What users saw of one replica's loss and return: the first request that failed, the first answer, latency back.

Latency is response time, from the intended start; a request that was not answered in full took for ever. A Service
sends each new connection to one of its N ready endpoints with the same chance (kube-proxy), so that n of them all miss
one endpoint with chance (1 - 1/N)^n. `uneven` says where that is not so: then who gives no answer may never have been
asked. Connections that are kept go on to the pod they were opened to, and say nothing.

Where no answer names its replica, the canary's requests, which are sent to a replica directly, say who answers.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import polars as pl

from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.canary import canary_slowest_s, requests_to, tokens_of
from chaos.history.facts.pod_lifecycles import PodLife, nameless, pod_lives
from chaos.history.facts.replica_counts import endpoint_spans, ready_endpoints
from chaos.history.facts.routing import of_service, uneven_by_spec
from chaos.history.sli import BAD, BEGUN, GOOD, SENT, VALID, meant_within, response_s
from chaos.semantics import Bound, Part, Timings, Unpromised
from chaos.semantics.recovery_bounds import allowance
from loadgen.origin import HostDirect

__all__ = [
    "MISSED_MAX",
    "PROXY_S",
    "Asked",
    "asked",
    "at_least",
    "baseline_band",
    "first_answer_bound",
    "first_answer_ns",
    "first_failed_ns",
    "flowing_until_ns",
    "fresh_connections",
    "latency_back_ns",
    "names_replicas",
    "requests_needed",
    "uneven",
    "why_unnamed",
]

BLOCK = 5
"""So many requests, one after another, tell whether latency is in its band: the median of them must be."""

BASELINE_MIN = 10
"""Fewer answered requests in the baseline make no band."""

NAMES_SHOWN = 3

WIDE = 2.0
"""The band reaches to the baseline's 95th percentile, or to this many times its median if that is more."""


@dataclass(frozen=True, slots=True)
class Band:
    """Response time in the untroubled system: up to `upper_s`; `slowest_s` of them all."""

    upper_s: float
    slowest_s: float


@once
def baseline_band(history: History) -> Band | None:
    """The band of latency before any fault; None if too few requests were answered then."""
    baseline = next((phase for phase in history.phases if phase.name == "baseline" and phase.end_ns), None)
    if baseline is None or baseline.end_ns is None:
        return None
    end_ns = min((baseline.end_ns, *(fault.begin_ns for fault in history.faults)))
    span = meant_within(baseline.begin_ns, end_ns)
    table = history.requests.filter(span & pl.col("outcome").is_in(GOOD) & (pl.col("end_ns") <= end_ns))
    took = sorted(table.select(response_s().alias("s"))["s"].to_list())
    if len(took) < BASELINE_MIN:
        return None
    p95 = took[math.ceil(0.95 * len(took)) - 1]
    return Band(max(p95, WIDE * took[len(took) // 2]), took[-1])


def first_failed_ns(history: History, begin_ns: int, end_ns: int) -> int | None:
    """From when on users came to grief: the start of the first request, of any replica, that was not answered in full.

    One that was under way at `begin_ns` counts from there. A failed answer seldom names its replica, so those of
    all count. Only requests of which it was known by then that they failed after `begin_ns` and began before `end_ns`.
    """
    table = history.requests.filter(BAD & (pl.col("end_ns") >= begin_ns) & (pl.col("intended_ns") <= end_ns))
    first = table.select(pl.col("intended_ns").min()).item()
    return None if first is None else max(int(first), begin_ns)


def first_answer_ns(history: History, life: PodLife, begin_ns: int) -> int | None:
    """When the first token (or byte, or end) came of the first answer that a replica gave since.

    To users, by its name: in full, or until they left; to the canary where no answer names its replica.
    """
    if not names_replicas(history):
        return min((at_ns for at_ns in tokens_of(history, life) if at_ns >= begin_ns), default=None)
    came = pl.coalesce("first_token_ns", "first_byte_ns", "end_ns")
    mine = (pl.col("replica") == life.name) & pl.col("outcome").is_in(BEGUN)
    first = history.requests.filter(mine & (came >= begin_ns)).select(came.min()).item()
    return None if first is None else int(first)


@once
def names_replicas(history: History) -> bool:
    """Whether answers say which replica gave them, by its pod's name."""
    names = set(history.requests["replica"].drop_nulls().unique().to_list())
    return any(life.name in names for life in pod_lives(history))


def why_unnamed(history: History) -> str:
    """Why answers do not say which replica gave them, in words; empty if they do."""
    if names_replicas(history):
        return ""
    names = sorted(set(history.requests["replica"].drop_nulls().unique().to_list()))
    if not names:
        return "no answer names the replica that gave it"
    return f"answers name {', '.join(names[:NAMES_SHOWN])}, which is no replica's name or address"


def latency_back_ns(history: History, begin_ns: int, end_ns: int) -> int | None:
    """From when on users' latency was in the baseline's band again; None if that was not seen between the moments.

    It is the start of the first block of requests whose median is in the band; `begin_ns` itself if that is the very
    first block.
    """
    band = baseline_band(history)
    if band is None:
        return None
    span = meant_within(begin_ns, end_ns) & VALID
    table = history.requests.filter(span).sort("intended_ns").select("intended_ns", response_s().alias("s"))
    starts, took = table["intended_ns"].to_list(), table["s"].to_list()
    for first in range(len(took) - BLOCK + 1):
        if sorted(took[first : first + BLOCK])[BLOCK // 2] <= band.upper_s:
            return int(starts[first]) if first else begin_ns
    return None


def flowing_until_ns(history: History, at_ns: int) -> int:
    """Until when traffic flowed without a break from a moment on; the moment itself if none did."""
    until_ns = at_ns
    for stream in sorted(history.streams, key=lambda one: one.begin_ns):
        if stream.begin_ns <= until_ns + round(NS / max(stream.rate_rps, 0.01)):
            until_ns = max(until_ns, history.ended_ns if stream.end_ns is None else stream.end_ns)
    return until_ns


ROUTER, ROUTED = "router", "the router in front chooses replicas by rules of its own (prefixes, queues)"

MISSED_MAX = 1e-6
"""Below this chance of having been missed, a replica must have been asked."""

PROXY_S = 1.0


def fresh_connections(history: History) -> bool:
    """Whether every request opened its own connection; so they do unless trial.json says otherwise."""
    system = history.facts.raw.get("system") or {}
    return str(system.get("connections") or "fresh") == "fresh"


def requests_needed(endpoints: int) -> int:
    """The least number of requests that all miss one of so many endpoints with a chance below `MISSED_MAX`."""
    return 1 if endpoints <= 1 else math.floor(math.log(MISSED_MAX) / math.log1p(-1 / endpoints)) + 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a replica among the endpoints was to get of the requests of a span.

    `expected`: how many, on average. `missed`: the chance that all went to others. `sure_ns`: from when on it must have
    been asked, None if chance may have missed it all along.
    """

    expected: float
    missed: float
    sure_ns: int | None


def asked(history: History, begin_ns: int, end_ns: int) -> Asked:
    """What a replica that was among the endpoints from one moment to another was to get."""
    span = meant_within(begin_ns, end_ns) & SENT
    starts = history.requests.filter(span).sort("intended_ns")["intended_ns"].to_list()
    counts = ready_endpoints(history)
    among = [max(1, counts.value_at(at_ns) or 1) for at_ns in starts]
    missed = list(accumulate((1 - 1 / count for count in among), mul))
    sure_ns = next((at_ns for at_ns, chance in zip(starts, missed, strict=True) if chance < MISSED_MAX), None)
    return Asked(sum(1 / count for count in among), missed[-1] if missed else 1.0, sure_ns)


def first_answer_bound(history: History, life: PodLife, added_ns: int, timings: Timings) -> Bound | None:
    """How long a replica may take from its endpoint to its first answer; None if the traffic does not tell.

    So many requests must come that one of them is surely sent to it; that one takes as long as the slowest answer of
    the baseline at most. Both are of this trial's traffic: nothing in Kubernetes promises them. Where no answer names
    its replica the canary's first request to it must have been sent.
    """
    if not names_replicas(history):
        return _first_token_bound(history, life, added_ns, timings)
    band = baseline_band(history)
    if band is None or not fresh_connections(history):
        return None
    needed = requests_needed(ready_endpoints(history).value_at(added_ns) or 1)
    after = history.requests.filter((pl.col("intended_ns") >= added_ns) & SENT)
    starts = after["intended_ns"].sort().to_list()
    if not starts:
        return None
    # With fewer requests on record than are needed, the others would have come at the same pace.
    given = starts[min(needed, len(starts)) - 1] - added_ns
    waited_s = seconds(given) * max(1.0, needed / len(starts))
    reasons = [f"whether it had to be asked is not known: {why}" for why in uneven(history)]
    last_ns = added_ns + given + round(band.slowest_s * NS)
    ended = pl.col("outcome").is_in(BEGUN) & (pl.col("end_ns") <= last_ns)
    if count := after.filter(ended & nameless(history)).height:
        reasons.append(f"{plural(count, 'full answer')} since then came without a name, and may be its")
    unpromised = tuple(Unpromised("ready", why) for why in reasons)
    return Bound(
        (
            Part("rules of the proxy", PROXY_S, "kube-proxy's minSyncPeriod; Kubernetes states no objective"),
            Part("until it is asked", round(waited_s, 3), f"{needed} requests, which all miss it once in a million"),
            Part("answer", round(band.slowest_s, 3), "the slowest answer of the baseline"),
            allowance(timings),
        ),
        unpromised,
    )


def _first_token_bound(history: History, life: PodLife, added_ns: int, timings: Timings) -> Bound | None:
    """The same by the canary; a replica that has users may keep it waiting as long as them.

    That no other replica answered it either may be for want of a way to them.
    """
    slowest_s, band = canary_slowest_s(history), baseline_band(history)
    sent = [one for one in requests_to(history, life) if one.sent_ns >= added_ns]
    if slowest_s is None or not sent:
        return None
    # One error is forgiven, as it is where other users' answers come before the next request of the canary's.
    erred = len(sent) > 1 and sent[0].outcome not in ("ok", "unanswered")
    sent_ns = sent[1 if erred else 0].sent_ns
    answer_s = max(slowest_s, band.slowest_s if band else 0.0)
    assert history.canary is not None
    open_ = any(one.answered and one.uid != life.uid and one.end_ns >= sent_ns for one in history.canary.requests)
    shut = () if open_ else (Unpromised("ready", "no other replica answered the canary then, so its way may be shut"),)
    return Bound(
        (
            Part("until it is asked", round(max(0.0, seconds(sent_ns - added_ns)), 3), "the canary's own pace"),
            Part("answer", round(answer_s, 3), "the slowest answer of the baseline, the canary's or users'"),
            allowance(timings),
        ),
        shut,
    )


@once
def uneven(history: History) -> tuple[str, ...]:
    """Why an endpoint need not be asked as often as chance has it, by the Service, the way to it, or the baseline.

    A router, a load balancer or an ingress before it may learn late of a new endpoint, warm it up slowly, or leave one
    out that failed, however evenly it spreads requests over replicas that are well. In the baseline every endpoint must
    have had its share: an answer with its name, or a request that nobody answered.
    """
    said = [*uneven_by_spec(history), *([ROUTED] if ROUTER in history.roles else [])]
    urls = dict.fromkeys(stream.url for stream in history.streams if stream.origin == HostDirect.name)
    said += [f"what balances requests at {url} is not recorded" for url in urls if not of_service(history, url)]
    baseline = next((phase for phase in history.phases if phase.name == "baseline" and phase.end_ns), None)
    if baseline is None or baseline.end_ns is None or not names_replicas(history):
        return tuple(said)
    begin_ns, end_ns = baseline.begin_ns, min((baseline.end_ns, *(fault.begin_ns for fault in history.faults)))
    span = meant_within(begin_ns, end_ns) & SENT
    asked_then = history.requests.filter(span)
    answers, unnamed = asked_then["replica"], asked_then.filter(nameless(history)).height
    expected = asked(history, begin_ns, end_ns).expected
    for life in pod_lives(history):
        spans = endpoint_spans(history).get(life.uid, ())
        throughout = any(since <= begin_ns and (until is None or until >= end_ns) for since, until in spans)
        most = int((answers == life.name).sum()) + unnamed
        if throughout and _at_most(most, expected) < MISSED_MAX:
            said.append(f"in the baseline {life.name} was asked {most} times at most, and its share was {expected:.1f}")
    return tuple(said)


def _at_most(count: int, expected: float) -> float:
    return 1.0 if count >= expected else _tail(count, expected)


def at_least(count: int, expected: float) -> float:
    """A bound of the chance of so many of an expected number of independent requests, or more."""
    return 1.0 if count <= expected else _tail(count, expected)


def _tail(count: int, expected: float) -> float:
    """The chance of a number so far from the expected one is no greater (Chernoff)."""
    return math.exp(count - expected) * (expected / count) ** count if count else math.exp(-expected)
