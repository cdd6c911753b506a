"""Whether a replica must have been asked: what chance leaves of requests that all went to others.

A Service sends each new connection to one of its N ready endpoints with the same chance (kube-proxy, without session
affinity), so that n of them all miss one endpoint with chance (1 - 1/N)^n. Connections that are kept go on to the pod
they were opened to, and say nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import polars as pl

from chaos.checks.recovery.client_impact import baseline_band, names_replicas
from chaos.clock import seconds
from chaos.history import History
from chaos.history.facts.replica_counts import ready_endpoints
from chaos.semantics import Bound, Part, Timings

__all__ = ["MISSED_MAX", "Asked", "asked", "first_answer_bound", "fresh_connections", "requests_needed"]

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
    span = pl.col("intended_ns").is_between(begin_ns, end_ns, closed="left") & (pl.col("outcome") != "unsent")
    starts = history.requests.filter(span).sort("intended_ns")["intended_ns"].to_list()
    counts = ready_endpoints(history)
    among = [max(1, counts.value_at(at_ns) or 1) for at_ns in starts]
    missed = list(accumulate((1 - 1 / count for count in among), mul))
    sure_ns = next((at_ns for at_ns, chance in zip(starts, missed, strict=True) if chance < MISSED_MAX), None)
    return Asked(sum(1 / count for count in among), missed[-1] if missed else 1.0, sure_ns)


def first_answer_bound(history: History, added_ns: int, timings: Timings) -> Bound | None:
    """How long a replica may take from its endpoint to its first answer; None if the traffic does not tell.

    So many requests must come that one of them is surely sent to it; that one takes as long as the slowest answer of
    the baseline at most. Both are of this trial's traffic: nothing in Kubernetes promises them.
    """
    band = baseline_band(history)
    if band is None or not fresh_connections(history) or not names_replicas(history):
        return None
    needed = requests_needed(ready_endpoints(history).value_at(added_ns) or 1)
    after = history.requests.filter((pl.col("intended_ns") >= added_ns) & (pl.col("outcome") != "unsent"))
    starts = after["intended_ns"].sort().to_list()
    if not starts:
        return None
    # With fewer requests on record than are needed, the others would have come at the same pace.
    given = starts[min(needed, len(starts)) - 1] - added_ns
    waited_s = seconds(given) * max(1.0, needed / len(starts))
    return Bound(
        (
            Part("rules of the proxy", PROXY_S, "kube-proxy's minSyncPeriod; Kubernetes states no objective"),
            Part("until it is asked", round(waited_s, 3), f"{needed} requests, which all miss it once in a million"),
            Part("answer", round(band.slowest_s, 3), "the slowest answer of the baseline"),
            Part("allowance", timings.allowance_s, "ours: watch delivery and a busy machine"),
        )
    )
