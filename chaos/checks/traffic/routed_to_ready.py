"""On request: whatever stands in front, no new request goes to a replica that has left the ready endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import PodLife, nameless, pod_lives
from chaos.history.facts.replica_counts import endpoint_spans, ready_endpoints
from chaos.history.facts.terminations import endings
from chaos.history.sli import GIVEN, SENT
from chaos.semantics import endpoint_bound

__all__ = ["DepartureDetail", "RoutedToReady", "RoutedToReadyDetail"]

BAD_GATEWAY = 502
"""A gateway got no answer from the server that it had chosen (RFC 9110, 15.6.3)."""

SETTLE = "a replica that leaves under traffic whose answers name their replica, over fresh connections"


@dataclass(frozen=True, slots=True)
class DepartureDetail:
    """A replica that left the ready endpoints, and what users sent later than the bound, until it was back.

    `named` answers came from it, `elsewhere` were answered by others, `gateway` ended with a 502, and nobody
    knows of the `unnamed` others where they went.
    """

    replica: str
    left_ns: int
    named: int
    elsewhere: int
    gateway: int
    unnamed: int


@dataclass(frozen=True, slots=True)
class RoutedToReadyDetail:
    """Every departure that lasted longer than the bound."""

    departures: tuple[DepartureDetail, ...]
    bound_s: float


@dataclass(frozen=True, slots=True)
class RoutedToReady:
    """No request that is sent later than the bound after a replica left the ready endpoints goes to that replica.

    The bound is that of the endpoint's own removal, and `notice_s` for whatever routes to notice. FAIL if an answer
    names the replica, or a router (`[system.roles]`) answers 502, as it did not before, while every replica that is
    an endpoint is Ready: then it chose one that is none. A whole answer to a request that was sent after all
    containers of the replica had ended, by its kubelet's word, is another's, also where it names none. While no
    endpoint is ready at all, those that are terminating are asked, as Kubernetes has it. UNKNOWN where requests
    failed that name nobody, where answers name no replica that still runs, over kept connections, and if no replica
    left.
    """

    name: ClassVar[str] = "routed-to-ready"
    Detail: ClassVar[type] = RoutedToReadyDetail

    notice_s: float = field(default=5.0, kw_only=True)

    def __call__(self, history: History) -> Finding:
        """Judge every replica that left for longer than the bound."""
        bound_s = endpoint_bound(timings_of(history)).total_s + self.notice_s
        judged = [self._judged(history, *away, bound_s) for away in _away(history, round(bound_s * NS))]
        departures = tuple(detail for detail, _ in judged)
        sent = sum(one.named + one.elsewhere + one.gateway + one.unnamed for one in departures)
        return finding(
            self.name,
            "No new request goes to a replica that has left the ready endpoints.",
            [owed for _, owed in judged],
            Summary(
                f"{plural(len(departures), 'replica')} left, {plural(sent, 'request')} after the bound",
                f"0 to any of them later than {bound_s:g} s after it left",
                detail=RoutedToReadyDetail(departures, bound_s),
            ),
            nothing=unknown("the replicas", f"no replica was away for longer than {bound_s:g} s", SETTLE),
        )

    def _judged(
        self, history: History, life: PodLife, left_ns: int, until_ns: int, bound_s: float
    ) -> tuple[DepartureDetail, Obligation]:
        begin_ns = left_ns + round(bound_s * NS)
        table = history.requests.filter(SENT & (pl.col("sent_ns") >= begin_ns) & (pl.col("sent_ns") < until_ns))
        table = table.filter(~_left_alone(history, life, round(bound_s * NS)))
        mine = pl.col("replica") == life.name
        gateway = pl.col("status") == BAD_GATEWAY
        named = table.filter(mine)
        others = table.filter(~mine.fill_null(value=False))
        by_another = ~nameless(history)
        if (stopped_ns := _stopped_ns(history, life)) is not None:
            by_another |= pl.col("sent_ns") >= stopped_ns
        well = others.filter(pl.col("outcome").is_in(GIVEN) & by_another)
        refused = others.filter(gateway.fill_null(value=False))
        unnamed = others.height - well.height - refused.height
        detail = DepartureDetail(life.name, left_ns, named.height, well.height, refused.height, unnamed)
        moment = Evidence(left_ns, f"{life.name} left the ready endpoints")
        measured = f"{named.height} of {table.height} named it"
        wrong = _wrong(history, detail, begin_ns, until_ns)
        if wrong and _watched(history, left_ns, until_ns):
            return detail, Obligation(
                life.who, Answer.FAIL, f"{wrong}, later than {bound_s:g} s after {life.name} left", evidence=(moment,)
            )
        if doubt := _doubt(history, detail, table.height, left_ns, until_ns):
            return detail, unknown(life.who, doubt, SETTLE)
        return detail, Obligation(life.who, measured=measured, bound="0", evidence=(moment,))


def _left_alone(history: History, life: PodLife, bound_ns: int) -> pl.Expr:
    """Which requests came while no endpoint was ready, or had just been none, and the replica was on its way out.

    kube-proxy sends them to the endpoints that are terminating and still serve, where there are no others (KEP-1669).
    """
    since_ns = life.terminating_ns
    spans = () if since_ns is None else ready_endpoints(history).spans_below(1)
    inside = (
        pl.col("sent_ns").is_between(max(begin_ns, since_ns or 0), end_ns + bound_ns)
        for begin_ns, end in spans
        if (end_ns := history.ended_ns if end is None else end) >= (since_ns or 0)
    )
    return pl.any_horizontal(pl.lit(value=False), *inside)


def _stopped_ns(history: History, life: PodLife) -> int | None:
    """When word came that none of its containers ran any more; None: it never came."""
    return next((one.stopped_ns for one in endings(history) if one.life.uid == life.uid), None)


def _wrong(history: History, detail: DepartureDetail, begin_ns: int, until_ns: int) -> str:
    """What shows that requests went to it; empty if nothing does."""
    if detail.named:
        return f"{plural(detail.named, 'request')} went to it by the answers' own word"
    to_left = "router" in history.roles and _others_well(history, begin_ns, until_ns) and not _errs_anyhow(history)
    if detail.gateway and to_left:
        return (
            f"{plural(detail.gateway, 'request')} ended with a 502, though every replica among the endpoints was Ready"
        )
    return ""


def _watched(history: History, left_ns: int, until_ns: int) -> bool:
    """Whether the record has all that became of pods and endpoints in a span: what was away may have been back."""
    return all(covered(history, kind, left_ns, until_ns) for kind in ("Pod", "EndpointSlice"))


def _errs_anyhow(history: History) -> bool:
    """Whether requests ended with a 502 before any replica left, or any fault began: then they may come of others."""
    lefts = [left_ns for _, left_ns, _ in _away(history, 0)]
    first_ns = min([*lefts, *(fault.begin_ns for fault in history.faults)])
    return not history.requests.filter(pl.col("status") == BAD_GATEWAY, pl.col("end_ns") < first_ns).is_empty()


def _doubt(history: History, detail: DepartureDetail, count: int, left_ns: int, until_ns: int) -> str:
    if not _watched(history, left_ns, until_ns):
        return f"the watch did not see all the time in which {detail.replica} was away"
    if history.facts.raw.get("system", {}).get("connections", "fresh") != "fresh":
        return "requests went over kept connections, which stay with the replica that they were opened to"
    if not count:
        return f"no request was sent while {detail.replica} was away"
    if lost := detail.unnamed + detail.gateway:
        return f"{plural(lost, 'request')} named no replica, so where they went is not known"
    return ""


def _away(history: History, bound_ns: int) -> Iterator[tuple[PodLife, int, int]]:
    """Each replica that left the ready endpoints for longer than the bound: when, and until when at the latest."""
    spans, lives = endpoint_spans(history), pod_lives(history)
    begins = sorted((begin, life.name) for life in lives for begin, _ in spans.get(life.uid, ()))
    for life in lives:
        for _, left_ns in spans.get(life.uid, ()):
            if left_ns is None:
                continue
            # A StatefulSet's successor has the same name.
            back_ns = min((at for at, name in begins if name == life.name and at >= left_ns), default=history.ended_ns)
            if back_ns - left_ns > bound_ns:
                yield life, left_ns, back_ns


def _others_well(history: History, begin_ns: int, until_ns: int) -> bool:
    """Whether each replica that was an endpoint in a span was Ready all that time."""
    for life in pod_lives(history):
        for begin, end in endpoint_spans(history).get(life.uid, ()):
            from_ns, to_ns = max(begin, begin_ns), min(until_ns, until_ns if end is None else end)
            ready = any(a <= from_ns and (b is None or b >= to_ns) for a, b in life.ready_spans)
            if from_ns < to_ns and not ready:
                return False
    return True
