"""When nobody asks, and what the workload's own autoscaling makes of that: whether it may go to zero, and how soon."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.checks.autoscaling import scaling
from chaos.checks.base import timings_of
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.scaled_object import scaled_object_at
from chaos.history.sli import SENT
from chaos.semantics import Bound
from chaos.semantics.hpa.bounds import fall_bound, metric_bound
from chaos.semantics.recovery_bounds import Part

__all__ = ["Quiet", "may_be_zero", "quiet_times", "zero_bound"]


@dataclass(frozen=True, slots=True)
class Quiet:
    """A span in which no request was under way or came; `asked_ns` is when the next came, None if none did."""

    begin_ns: int
    end_ns: int
    asked_ns: int | None


def quiet_times(history: History) -> Iterator[Quiet]:
    """The spans between the last answer and the next request, from the first request on, in order.

    A client that tries again asks until its last attempt.
    """
    over = pl.max_horizontal("end_ns", "last_end_ns")
    rows = history.requests.filter(SENT).sort("intended_ns").select("intended_ns", over)
    last_ns: int | None = None
    for intended_ns, end_ns in rows.iter_rows():
        if last_ns is not None and intended_ns > last_ns:
            yield Quiet(last_ns, intended_ns, intended_ns)
        last_ns = max(end_ns, last_ns or 0)
    until_ns = scaling.watched_until_ns(history)
    if last_ns is not None and until_ns > last_ns:
        yield Quiet(last_ns, until_ns, None)


def may_be_zero(history: History, at_ns: int) -> bool:
    """Whether the workload may be at zero by what scales it: a ScaledObject's idle number, or an HPA's minimum."""
    if (scaled := scaled_object_at(history, at_ns)) is not None:
        return not scaled.paused and scaled.idle == 0
    lives = scaling.scalers_in(history, at_ns, at_ns)
    return bool(lives) and all(life.at(at_ns).least == 0 for life in lives)


def zero_bound(history: History, at_ns: int) -> Bound | None:
    """From the last answer to zero desired replicas, by the owners' own spec; None where that never goes to zero.

    KEDA looks each `pollingInterval` whether a trigger is active, and goes to zero `cooldownPeriod` after the last look
    that found one (KEDA documentation, "Scaling Deployments"). An HPA's minimum of zero is reached as any other.
    """
    if not may_be_zero(history, at_ns):
        return None
    timings, scaled = timings_of(history), scaled_object_at(history, at_ns)
    if scaled is None:
        life: AutoscalerLife = scaling.scalers_in(history, at_ns, at_ns)[0]
        types = [one.type for one in life.at(at_ns).metrics]
        peak = desired_replicas(history).value_at(at_ns) or 1
        return fall_bound(scaling.behaviour_at(history, life, at_ns), timings, types, peak=peak, bottom=0)
    shown = metric_bound(timings, ("External",))
    return Bound(
        (
            *shown.parts,
            Part("KEDA's looks", 2 * scaled.polling_s, "pollingInterval: the last active look, and the one that acts"),
            Part("cooldown", scaled.cooldown_s, "cooldownPeriod"),
            Part("allowance", timings.allowance_s, "ours: watch delivery and a busy machine"),
        ),
        shown.unpromised,
    )


def asked_between(history: History, begin_ns: int, end_ns: int) -> pl.DataFrame:
    """The requests that were intended in a span and sent, in order."""
    meant = (pl.col("intended_ns") >= begin_ns) & (pl.col("intended_ns") < end_ns)
    return history.requests.filter(meant & SENT).sort("intended_ns")
