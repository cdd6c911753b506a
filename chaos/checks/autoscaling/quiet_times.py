"""When nobody asks, and what the workload's own autoscaling makes of that: whether it may go to zero, and how soon."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from chaos.checks.autoscaling import scaling
from chaos.checks.base import timings_of, unknown
from chaos.checks.verdict import Obligation
from chaos.clock import seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.scaled_object import scaled_object_at
from chaos.history.sli import SENT
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.semantics import Bound
from chaos.semantics.hpa.bounds import fall_bound, metric_bound
from chaos.semantics.probes import Unpromised
from chaos.semantics.recovery_bounds import Part, allowance

__all__ = [
    "BY_THE_CLOCK",
    "KEDA",
    "Quiet",
    "asked_between",
    "asleep_at",
    "by_clock",
    "keda_says",
    "may_be_zero",
    "quiet_times",
    "zero_bound",
    "zero_doubt",
]

BY_USAGE, BY_CLOCK = frozenset({"cpu", "memory"}), "cron"
"""Types of a ScaledObject's triggers that go by what replicas use, and by the time of day."""

KEDA = "keda"
"""How KEDA calls itself where it sets a number."""


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
    """Whether the workload may be at zero by what scales it: a ScaledObject's idle number, or an HPA's minimum.

    Of CPU and memory alone KEDA never takes the last replica (KEDA documentation, "CPU", "Memory").
    """
    if (scaled := scaled_object_at(history, at_ns)) is not None:
        kinds = {str(one.get("type", "")) for one in scaled.triggers}
        return not scaled.paused and scaled.idle == 0 and not (kinds and kinds <= BY_USAGE)
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
    clock = (Unpromised("created", BY_THE_CLOCK),) if by_clock(history, at_ns) else ()
    return Bound(
        (
            *shown.parts,
            Part("KEDA's looks", 2 * scaled.polling_s, "pollingInterval: the last active look, and the one that acts"),
            Part("cooldown", scaled.cooldown_s, "cooldownPeriod"),
            allowance(timings),
        ),
        (*clock, *shown.unpromised),
    )


BY_THE_CLOCK = "a trigger of type cron asks for replicas by the clock, whoever asks"


def by_clock(history: History, at_ns: int) -> bool:
    """Whether the ScaledObject may ask for replicas at times of its own."""
    scaled = scaled_object_at(history, at_ns)
    return scaled is not None and any(one.get("type") == BY_CLOCK for one in scaled.triggers)


def zero_doubt(history: History, zero_ns: int) -> str:
    """Why the workload does not owe a zero to what scales it by its owners' spec, in words; empty if it does."""
    scaled = scaled_object_at(history, zero_ns)
    changes = (one for one in scaling.rescales(history) if one.at_ns == zero_ns and not one.after)
    writers = [writer for one in changes if (writer := scaling.scale_writer(history, one)) is not None]
    for writer in writers:
        if writer.foreign if scaled is None else not writer.name.startswith(KEDA):
            return f"{writer.name} did that"
    if scaled is not None and scaled.paused:
        return f"ScaledObject {scaled.name} is paused ({scaled.paused})"
    if may_be_zero(history, zero_ns):
        return _while_asked(history, zero_ns)
    unwatched = "" if SCALED_OBJECT in history.covered_ns else "; no ScaledObject was watched"
    who = f"{writers[0].name} did that, and " if writers else ""
    return f"{who}nothing that is known to scale it may do that (minReplicas, minReplicaCount){unwatched}"


def asleep_at(history: History, at_ns: int) -> Obligation:
    """That no replica is desired at a moment, as what scales the workload may want, and did."""
    numbers = pairwise(desired_replicas(history).points)
    falls = [zero_ns for (_, before), (zero_ns, count) in numbers if before and not count and zero_ns <= at_ns]
    if falls and (doubt := zero_doubt(history, falls[-1])):
        settle = "a trial that ends with replicas, or whose workload goes to zero by what scales it"
        return unknown("the replicas", f"no replica was desired at the end, but {doubt}", settle)
    return Obligation("the replicas", measured="none is desired, as what scales them may want")


def _while_asked(history: History, zero_ns: int) -> str:
    """Why the workload went to zero as if nobody had asked just before, in words; empty if it waited as it has to.

    Whatever counted the last request keeps a replica for the whole cooldown, or for the window of the autoscaler: from
    the last look before that request at the earliest.
    """
    asked_ns = history.requests.filter(SENT & (pl.col("intended_ns") <= zero_ns))["intended_ns"].max()
    scaled, timings = scaled_object_at(history, zero_ns), timings_of(history)
    if scaled is not None:
        waits_s, look_s, named = scaled.cooldown_s, scaled.polling_s, "cooldown"
    elif lives := scaling.scalers_in(history, zero_ns, zero_ns):
        down = scaling.behaviour_at(history, lives[0], zero_ns).down
        waits_s, look_s, named = down.window_s, timings.hpa_sync_s, "window"
    else:
        return ""
    if not isinstance(asked_ns, int) or seconds(zero_ns - asked_ns) >= waits_s - look_s - timings.allowance_s:
        return ""
    ago = f"{seconds(zero_ns - asked_ns):.1f} s after a request came"
    return f"it went there {ago}, within its {named} of {waits_s:g} s: what it goes by did not count it"


def keda_says(history: History, at_ns: int) -> str:
    """Why KEDA cannot work for the workload, in its own words, as the end of a sentence; empty if it says nothing."""
    scaled = scaled_object_at(history, at_ns)
    return f"; KEDA says: {scaled.not_ready}" if scaled is not None and scaled.not_ready else ""


def asked_between(history: History, begin_ns: int, end_ns: int) -> pl.DataFrame:
    """The requests that were intended in a span and sent, in order."""
    meant = (pl.col("intended_ns") >= begin_ns) & (pl.col("intended_ns") < end_ns)
    return history.requests.filter(meant & SENT).sort("intended_ns")
