"""Requests that were lost without an answer that names a replica, laid beside the ends of replicas."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from chaos.checks.recovery.client_impact import first_answer_ns, fresh_connections
from chaos.checks.termination.in_flight import (
    NOTICED_NS,
    SLACK_NS,
    HeldRequests,
    during,
    is_error,
    others_shaken,
    taken,
    unseen,
)
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.pod_lifecycles import nameless, pod_lives
from chaos.semantics import container_probes

__all__ = ["Unnamed", "unnamed"]

LOST = ("refused", "failed", "shed", "truncated")

BAD_GATEWAY = 502  # where a server behind gives no valid answer (RFC 9110, 15.6.3)

CROSSED_NS = NS
"""A request on a kept connection that breaks so soon may have crossed its end on the way."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Requests that were lost without an answer that names a replica.

    Attributes:
        meanwhile: lost while replicas ended, and another had been Ready for long: nobody answered them, or a gateway
            did in a replica's stead (status 502). Any other error may be any replica's own answer, and kept connections
            that break at once may have been closed in order.
        names: those replicas that ended.
        alone: how many others were lost meanwhile: answered by somebody, or while no other was Ready, or while another
            turned not Ready, was restarted, or was new and not probed, so that it may have refused them.
        otherwise: how many were lost while no replica ended: then something else refuses requests, and none can be
            laid to an end.
        unanswered: how many clients gave up that had waited while a replica ended.
    """

    meanwhile: pl.DataFrame
    names: tuple[str, ...]
    alone: int
    otherwise: int
    unanswered: int


def unnamed(history: History, ends: Sequence[HeldRequests]) -> Unnamed:
    """The requests that nobody answered, laid beside the ends of replicas."""
    windows = [(one.name, *_window(one, history.ended_ns)) for one in ends]
    strays = taken(history).filter(nameless(history))
    lost = strays.filter(pl.col("outcome").is_in(LOST))
    given_up = strays.filter(pl.col("outcome") == "unanswered")
    waiting = [(pl.col("sent_ns") <= end) & (pl.col("end_ns") >= begin) for _, begin, end in windows]
    unanswered = given_up.filter(pl.any_horizontal(pl.lit(value=False), *waiting)).height
    again = _last_attempts(history).filter(pl.any_horizontal(pl.lit(value=False), *waiting))
    inside = lost.filter(during([(begin, end) for _, begin, end in windows]))
    longest_ns = round(max((one.termination.unrouted.worst_s for one in ends), default=0.0) * NS)
    spans = [span for life in pod_lives(history) for span in life.ready_spans]
    others = [(begin + longest_ns, history.ended_ns if end is None else end - 1) for begin, end in spans]
    silent = (~is_error() | (pl.col("status") == BAD_GATEWAY)) & ~during(_loading(history)) & ~_crossed(history)
    meanwhile = inside.clear() if _shaken(history, ends, windows) else inside.filter(during(others) & silent)
    names = [name for name, *window in windows if not meanwhile.filter(during([window])).is_empty()]
    alone, otherwise = inside.height - meanwhile.height, lost.height - inside.height
    late = again.filter(pl.col("outcome").is_in(LOST)).height
    return Unnamed(meanwhile, tuple(names), alone + late, otherwise, unanswered + again.height - late)


def _last_attempts(history: History) -> pl.DataFrame:
    """The last attempts that came to nothing of clients that tried again, from the end of the first: nobody has a name.

    Those that a limiter turns away as before any fault are none of them.
    """
    last = pl.col("last_outcome")
    usual = history.requests.join(taken(history), on=["stream", "id"], how="anti").select("stream", "id")
    shed = usual.with_columns(last_outcome=pl.lit("shed"))
    rows = history.requests.filter(last.is_in((*LOST, "unanswered")))
    rows = rows.join(shed, on=["stream", "id", "last_outcome"], how="anti")
    return rows.select(outcome="last_outcome", sent_ns="end_ns", end_ns="last_end_ns")


def _window(one: HeldRequests, ended_ns: int) -> tuple[int, int]:
    """From the deletion until nothing is sent to the replica any more."""
    unrouted_ns = one.ending.asked_ns + round(one.termination.unrouted.worst_s * NS)
    return one.ending.asked_ns - SLACK_NS, max(one.ending.life.gone_ns or ended_ns, unrouted_ns)


def _shaken(history: History, ends: Iterable[HeldRequests], windows: Iterable[tuple[str, int, int]]) -> bool:
    """Whether another replica, or a pod of another workload of the system, was restarted or turned not Ready then.

    Or may have been, where nobody saw it. It may have refused as well.
    """
    windows = list(windows)
    if any(unseen(history, begin, end + NOTICED_NS) for _, begin, end in windows):
        return True
    ended = {one.ending.life.uid for one in ends}
    others = [life for life in pod_lives(history) if life.uid not in ended]
    shocks = [*others_shaken(history)]
    shocks += [at_ns for life in others for at_ns in life.restarted_ns]
    shocks += [end for life in others for _, end in life.ready_spans if end is not None]
    return any(begin <= at_ns <= end + NOTICED_NS for at_ns in shocks for _, begin, end in windows)


def _loading(history: History) -> Iterator[tuple[int, int]]:
    """From when a new replica was called Ready without any probe until it gave an answer: it may not listen yet.

    Without a probe a container is Ready as soon as it runs (Kubernetes, "Pod Lifecycle", section "Container probes").
    """
    for life in pod_lives(history):
        containers = life.spec.get("containers") or ()
        served = {str(one.get("name", "")) for one in [c for c in containers if c.get("ports")] or containers}
        blind = any(not (one.startup or one.readiness) for one in container_probes(life.spec) if one.name in served)
        if blind and life.ready_ns is not None and not life.listed:
            yield life.ready_ns, first_answer_ns(history, life, life.ready_ns) or history.ended_ns


def _crossed(history: History) -> pl.Expr:
    """Requests on kept connections that broke at once: a server may close these at any time (RFC 9112, 9.3.1)."""
    soon = pl.col("end_ns") - pl.col("sent_ns") < CROSSED_NS
    broken = (pl.col("outcome") == "failed") & pl.col("status").is_null() & soon
    return pl.lit(value=False) if fresh_connections(history) else broken
