"""What a replica held when it was told to end, and what became of it: whole answers, cut ones, refused ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from chaos.checks.base import timings_of
from chaos.checks.recovery.client_impact import at_least, names_replicas
from chaos.checks.traffic.accounting import hollow_answers
from chaos.clock import NS, seconds
from chaos.history import REQUEST_SCHEMA, History
from chaos.history.cache import once
from chaos.history.coverage import gaps_in
from chaos.history.facts.pod_lifecycles import nameless, pod_lives
from chaos.history.facts.replica_counts import node_outages
from chaos.history.facts.reported_reasons import pod_reports
from chaos.history.facts.terminations import Ending, endings
from chaos.history.sli import GOOD
from chaos.semantics import Termination, Timings, termination

__all__ = [
    "NOTICED_NS",
    "SLACK_NS",
    "HeldRequests",
    "during",
    "held_requests",
    "is_error",
    "longest_s",
    "others_shaken",
    "taken",
    "unseen",
]

LEFT = "disconnected"

SLACK_NS = NS // 2
"""Word of a deletion comes over the watch, so that what the deletion did may be known a moment before it."""

NOTICED_NS = 30 * NS
"""So long it may take until a readiness probe says of a replica that it refuses: Kubernetes' default, 3 of 10 s."""

ERROR_STATUS, SERVER_ERROR = 400, 500
"""From here on the server fails; below, the request is at fault, or comes too often (RFC 9110, 15.5; RFC 6585)."""

RARE = 0.01
"""By chance alone no such number of refusals comes more often."""

KEPT = ("intended_ns", "sent_ns", "end_ns", "outcome", "status")
"""What a request of the canary has in common with a user's."""

FAILED_HOOK = "FailedPreStopHook"
DEAF_S = 3.0
"""A server that has nothing to do for so long when SIGKILL ends it would have ended by itself, had it listened."""


@dataclass(frozen=True, slots=True)
class HeldRequests:
    """What one replica held from its deletion on.

    Attributes:
        ending: its end, as the watch log shows it; `termination` is what its spec promises.
        under_way: requests that it was answering when it was deleted.
        accepted: those that were sent afterwards, the last `accepted_last_s` after the deletion.
        cut: answers that it did not bring to their end.
        errors: requests that it answered after its deletion with a status of 5xx seen nowhere else in the trial,
            whether it had taken them before or took them afterwards.
        unsure: how many requests ended in a way that says nothing of the replica's end, as one that is cut does where
            another workload of the system lost a pod meanwhile.
        node_lost: its node was not Ready meanwhile, so that no kubelet ended it.
        hollow: how many full answers, its own or nobody's, lack a finish reason or tokens, as others have.
        whole_meanwhile: requests were under way while it ended, and each was answered in full by a replica with a name.
        remarks: what its kubelet reported, or its end shows, of a hook or a server that does not do its part.
        by_canary: no answer names its replica, so that these requests are the canary's own.
    """

    ending: Ending
    termination: Termination
    under_way: int
    accepted: int
    accepted_last_s: float | None
    cut: pl.DataFrame
    errors: pl.DataFrame
    unsure: int
    hollow: int
    node_lost: bool
    whole_meanwhile: bool
    remarks: tuple[str, ...]
    by_canary: bool = False

    @property
    def name(self) -> str:
        return self.ending.life.name

    @property
    def graceful(self) -> bool:
        """Whether it was left to its kubelet to end it, with a grace, from a moment that was seen."""
        return self.ending.sure and not self.ending.forced and not self.node_lost

    @property
    def lost(self) -> int:
        return self.cut.height + self.errors.height


def held_requests(history: History) -> tuple[HeldRequests, ...]:
    """What every replica that was deleted held, in order of deletion."""
    timings = timings_of(history)
    found, requests = endings(history), taken(history)
    rows = list(map(partial(_by_name if names_replicas(history) else _by_canary, history), found))
    late = pl.concat([one.select("stream", "id") for one in (requests.clear(), *rows)])
    usual = set(_errors(requests.join(late, on=["stream", "id"], how="anti"))["status"])
    return tuple(_held(history, one, its, usual, timings) for one, its in zip(found, rows, strict=True))


def longest_s(history: History) -> float | None:
    """The longest whole answer of the trial, from the first attempt to connect to its end; None if there is none."""
    whole = history.requests.filter(pl.col("outcome").is_in(GOOD))
    longest_ns = whole.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item()
    return None if longest_ns is None else seconds(longest_ns)


@once
def taken(history: History) -> pl.DataFrame:
    """The requests without those that were refused for themselves (4xx), as a like part of them was before any fault.

    A limiter of rates refuses as many whoever ends (RFC 6585). More of them while replicas end, or of those that one
    that ends took, may come of that.
    """
    faults = [fault.begin_ns for fault in history.faults]
    before = history.requests.filter(pl.col("end_ns") < min(faults, default=history.ended_ns))
    ends = [(one.asked_ns - SLACK_NS, one.life.gone_ns or history.ended_ns) for one in endings(history)]
    refused = _errors(history.requests).filter(pl.col("status") < SERVER_ERROR)
    odd = [refused.clear()]
    groups = refused.filter(during(ends)).partition_by("stream", "status", "replica", as_dict=True)
    for (stream, status, replica), rows in groups.items():
        own = (pl.col("stream") == stream) & (pl.lit(value=True) if replica is None else pl.col("replica") == replica)
        early, asked = before.filter(pl.col("stream") == stream), history.requests.filter(during(ends) & own).height
        share = _errors(early).filter(pl.col("status") == status).height / max(1, early.height)
        odd += [rows] if at_least(rows.height, share * asked) < RARE else []
    usual = refused.join(pl.concat(odd), on=["stream", "id"], how="anti")
    return history.requests.join(usual, on=["stream", "id"], how="anti")


@once
def others_shaken(history: History) -> tuple[int, ...]:
    """When a pod of another workload of the system was restarted or turned not Ready: it may have cut any answer."""
    lives = [life for one in history.roles.values() for life in pod_lives(one)]
    ends = [end for life in lives for _, end in life.ready_spans if end is not None]
    return tuple(sorted([*ends, *(at_ns for life in lives for at_ns in life.restarted_ns)]))


def unseen(history: History, begin_ns: int, end_ns: int) -> bool:
    """Whether states of the system's pods, or of another workload's, were lost in a span."""
    return any(gaps_in(one, "Pod", begin_ns, end_ns) for one in (history, *history.roles.values()))


def _held(history: History, ending: Ending, rows: pl.DataFrame, usual: set[int], timings: Timings) -> HeldRequests:
    cut = rows.filter((pl.col("outcome") == "truncated") | (pl.col("outcome") == "failed") & ~is_error())
    errors = _errors(rows)
    after = rows.filter(pl.col("sent_ns") > ending.asked_ns)
    last_ns = after["sent_ns"].max()
    until_ns = ending.life.gone_ns or history.ended_ns
    # Of a client that left nobody knows whether it would have been answered in full.
    held = (pl.col("sent_ns") <= ending.asked_ns) & (pl.col("end_ns") > ending.asked_ns) & (pl.col("outcome") != LEFT)
    outages = node_outages(history).get(ending.life.node, ())
    strange = errors.filter(~pl.col("status").is_in(list(usual)) & (pl.col("status") >= SERVER_ERROR))
    promised = termination(ending.life.spec, timings, grace_s=ending.grace_s)
    window = (pl.col("end_ns") >= ending.asked_ns - SLACK_NS) & (pl.col("sent_ns") <= until_ns)
    meanwhile = taken(history).filter(window & (pl.col("outcome") != LEFT))
    bare = meanwhile.join(hollow_answers(history), on=["stream", "id"], how="semi")
    others = meanwhile.filter(nameless(history) | ~pl.col("outcome").is_in(GOOD))
    hook, named = _failed_hooks(history).get(ending.life.uid), names_replicas(history)
    unsure = rows.filter(pl.col("outcome").is_in(["unanswered", "unsent"])).height + errors.height - strange.height
    begin_ns, end_ns = ending.asked_ns - NOTICED_NS, until_ns + NOTICED_NS
    unseen_behind = any(gaps_in(one, "Pod", begin_ns, end_ns) for one in history.roles.values())
    if unseen_behind or any(begin_ns <= at_ns <= end_ns for at_ns in others_shaken(history)):
        unsure, cut = unsure + cut.height, cut.clear()
    return HeldRequests(
        ending=ending,
        termination=promised,
        under_way=rows.filter(held).height,
        accepted=after.height,
        accepted_last_s=seconds(last_ns - ending.asked_ns) if isinstance(last_ns, int) else None,
        cut=cut,
        errors=strange,
        unsure=unsure,
        hollow=(
            bare.filter((pl.col("replica") == ending.life.name).fill_null(value=False) | nameless(history))
            if named
            else bare
        ).height,
        node_lost=any(begin <= until_ns and (end is None or end >= ending.asked_ns) for begin, end in outages),
        whole_meanwhile=not meanwhile.is_empty() and others.is_empty() and bare.is_empty(),
        by_canary=not named,
        remarks=(*([f"its preStop hook failed: {hook}"] if hook else []), *_deaf(ending, promised, rows)),
    )


def _by_name(history: History, ending: Ending) -> pl.DataFrame:
    """Of all that has its name, what a replica had at its deletion or took afterwards: a later pod may be called so."""
    gone_ns = ending.life.gone_ns or history.ended_ns
    inside = (pl.col("sent_ns") <= gone_ns) & (pl.col("end_ns") >= ending.asked_ns - SLACK_NS)
    return taken(history).filter((pl.col("replica") == ending.life.name) & inside)


def _by_canary(history: History, ending: Ending) -> pl.DataFrame:
    """What the canary held it with when it was deleted.

    What was sent so late that it may have come after the deletion says nothing, nor what never reached it.
    """
    held = history.canary.held if history.canary else ()
    unsure = {"outcome": "unanswered"}
    rows = [
        {"id": number, "stream": "canary", "replica": one.pod, **{key: getattr(one, key) for key in KEPT}}
        | (unsure if one.outcome == "failed" and one.status is None and _way_broke(history, one.end_ns) else {})
        for number, one in enumerate(held)
        if one.uid == ending.life.uid and one.outcome not in ("unsent", "refused")
        if one.sent_ns <= ending.asked_ns - SLACK_NS and one.end_ns > ending.asked_ns
    ]
    return pl.DataFrame(rows, schema=REQUEST_SCHEMA)


def _way_broke(history: History, at_ns: int) -> bool:
    """Whether an API server, the canary's way to the pods, broke at a moment: for a pod that went on, or a watch."""
    ending, canary = {one.life.uid for one in endings(history)}, history.canary
    asked = () if canary is None else (*canary.requests, *canary.held)
    others = (one for one in asked if one.uid not in ending and one.status is None)
    lost = any(one.outcome in ("failed", "unsent") and abs(one.end_ns - at_ns) <= NS for one in others)
    spans = ((one.since_ns - NS, one.until_ns + NS) for one in (*history.gaps, *history.late))
    return lost or any(begin_ns <= at_ns <= end_ns for begin_ns, end_ns in spans)


@once
def _failed_hooks(history: History) -> Mapping[str, str]:
    """What the kubelet said of each preStop hook that failed, by the pod's UID (kubelet: `FailedPreStopHook`)."""
    lives = {one.uid for one in pod_lives(history)}
    said = ((uid, text) for uid in lives for _, reason, text in pod_reports(history, uid) if reason == FAILED_HOOK)
    return dict(said)


def _deaf(ending: Ending, promised: Termination, rows: pl.DataFrame) -> Iterator[str]:
    """That its server was killed at the end of its whole grace, long after it had given its last answer."""
    if not ending.killed or ending.stopped_ns is None:
        return
    last_ns = rows["end_ns"].max()
    idle_s = seconds(ending.stopped_ns - max(ending.asked_ns, last_ns if isinstance(last_ns, int) else 0))
    if seconds(ending.stopped_ns - ending.asked_ns) >= promised.kill.best_s - 1 and idle_s > DEAF_S:
        names = ", ".join(one.container for one in ending.killed)
        yield (
            f"container {names} was killed after the whole grace of {promised.grace_s:g} s, though it had answered all"
            f" for {idle_s:.1f} s: it does not end on SIGTERM"
        )


def during(spans: Iterable[Sequence[int]]) -> pl.Expr:
    """Which requests ended within one of these spans."""
    inside = [pl.col("end_ns").is_between(begin, end) for begin, end in spans]
    return pl.any_horizontal(pl.lit(value=False), *inside)


def is_error() -> pl.Expr:
    """Which requests were answered with a status of an error."""
    return pl.col("status").fill_null(0) >= ERROR_STATUS


def _errors(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("outcome").is_in(["failed", "shed"]) & is_error())
