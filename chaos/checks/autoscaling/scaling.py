"""What the claims about the autoscaler share: which one it is, what it changed, and what leaves every claim open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.base import judged_until_ns, timings_of, undecided, unknown, watched
from chaos.checks.verdict import Evidence, Obligation
from chaos.clock import NS
from chaos.history import History
from chaos.history.cache import once
from chaos.history.coverage import earliest_ns, settled_ns
from chaos.history.facts.autoscaler import FOR_ZERO, KIND, AutoscalerLife, AutoscalerView, autoscalers
from chaos.history.facts.replica_counts import workload_states
from chaos.history.facts.scale_writers import ScaleWriter, writer_of
from chaos.semantics import Timings
from chaos.semantics.hpa.stabilization import Behaviour, Change

__all__ = [
    "EDITED",
    "NEAR_NS",
    "UNEDITED",
    "Rescale",
    "announcing",
    "assumed",
    "behaviour_at",
    "changes_of",
    "confirmed",
    "edited_ns",
    "in_turn",
    "not_asked",
    "one_autoscaler",
    "own_rescales",
    "rescale_evidence",
    "rescales",
    "scale_writer",
    "scalers_in",
    "stood_still",
    "unless_unseen",
    "unwatched",
    "watched_since_ns",
    "watched_until_ns",
    "window_assumed",
]


NEAR_NS = 5 * NS
"""The autoscaler changes the workload first and its own status right after: news of that may come so much later."""

AHEAD_NS = NS
"""Of two watches one may be ahead of the other by as much."""

NOT_ASKED = "the autoscaler did not ask for it"

EDITED = "the autoscaler was edited meanwhile"
UNEDITED = "a trial in which nobody edits the autoscaler"


@dataclass(frozen=True, slots=True)
class Rescale:
    """One change of the workload's desired replicas, as received over the watch."""

    at_ns: int
    before: int
    after: int

    @property
    def up(self) -> bool:
        return self.after > self.before

    @property
    def words(self) -> str:
        return f"desired replicas {self.before} to {self.after}"


@dataclass(frozen=True, slots=True)
class Blind:
    """A time in which the autoscaler could not compute: its own words, and when it ended, None if it did not.

    `metrics`: whether it was metrics that it lacked; else it was off, or shut out of the workload or its pods.
    """

    words: str
    until_ns: int | None
    metrics: bool

    @property
    def why(self) -> str:
        return f"the autoscaler {'had no metrics' if self.metrics else 'could not scale'}: {self.words}"

    @property
    def settle(self) -> str:
        """What would let it compute."""
        if self.metrics:
            return "metrics that it can read: metrics-server and requests on every container, or the metric's adapter"
        return "an autoscaler that can scale: one for each pod, over a workload that has replicas"


@once
def rescales(history: History) -> tuple[Rescale, ...]:
    """Every change of the workload's desired replicas after it was first seen, in order; to and from zero, too."""
    kind, found = history.facts.workload_kind, list[Rescale]()
    before: int | None = None
    gone = {event.at_ns for event in history.watch if event.kind == kind and event.gone}
    for at_ns, view in workload_states(history):
        after = None if at_ns in gone else history.facts.workload.wanted(view.raw)
        settled = settled_ns(history, kind, at_ns)
        if before is not None and after is not None and after != before:
            found.append(Rescale(settled, before, after))
        before = after
    return tuple(found)


def scalers_in(history: History, begin_ns: int | None = None, until_ns: int | None = None) -> list[AutoscalerLife]:
    """The autoscalers that scaled the workload at some time of a span; by default of the whole trial."""
    begin_ns = history.began_ns if begin_ns is None else begin_ns
    until_ns = history.ended_ns if until_ns is None else until_ns
    return [
        life
        for life in autoscalers(history)
        if life.first_ns <= until_ns and (life.gone_ns is None or life.gone_ns > max(begin_ns, life.first_ns))
    ]


def in_turn(lives: Sequence[AutoscalerLife]) -> bool:
    """Whether no two of them were there at one time."""
    return all(one.gone_ns is not None and one.gone_ns <= other.first_ns for one, other in pairwise(lives))


def one_autoscaler(
    history: History, begin_ns: int | None = None, until_ns: int | None = None
) -> AutoscalerLife | Obligation:
    """The autoscaler of the workload in a span; or, if it has none or several, what that leaves open."""
    found, workload = scalers_in(history, begin_ns, until_ns), history.facts.workload_name
    if len(found) == 1:
        return found[0]
    if not found:
        return unknown("autoscaler", f"no autoscaler scales {workload}", "a system with a HorizontalPodAutoscaler")
    if in_turn(found):
        text = f"the autoscaler {found[-1].name} was made anew in the time that is judged"
        return unknown("autoscaler", text, "a trial in which one autoscaler is there all the time")
    names = " and ".join(dict.fromkeys(life.name for life in found))
    text = f"{len(found)} autoscalers scale {workload} ({names}): which of them decided cannot be told"
    return unknown("autoscaler", text, "one autoscaler for one workload")


def unwatched(history: History, begin_ns: int, until_ns: int | None = None) -> list[Obligation]:
    """Where the watch did not see the autoscaler, the workload or its pods."""
    until_ns = watched_until_ns(history) if until_ns is None else until_ns
    return list(watched(history, _kinds(history), begin_ns, until_ns))


def unless_unseen(unseen: Sequence[Obligation], owed: Iterable[Obligation]) -> list[Obligation]:
    """All obligations; where something was not seen, what looks broken may not have been, so it is open."""
    return [*unseen, *(undecided(owed) if unseen else owed)]


def _kinds(history: History) -> tuple[str, ...]:
    return (KIND, history.facts.workload_kind, "Pod")


def watched_since_ns(history: History, life: AutoscalerLife) -> int:
    """From when an autoscaler is judged: since it was seen; one that is older than the record, since all was listed.

    The first lists of a record come in any order. What is not listed when the first phase begins was not watched.
    """
    if not life.listed:
        return life.first_ns
    watched = [history.covered_ns[kind][0] for kind in _kinds(history) if kind in history.covered_ns]
    latest_ns = min((phase.begin_ns for phase in history.phases), default=life.first_ns)
    return max(life.first_ns, min(max(watched, default=latest_ns), latest_ns))


def watched_until_ns(history: History) -> int:
    """The end of the time that is judged: of the last phase, fault or stream of traffic."""
    ends = [stream.end_ns for stream in history.streams if stream.end_ns is not None]
    return max((judged_until_ns(history), *ends)) if history.phases or not ends else max(ends)


def stood_still(life: AutoscalerLife, begin_ns: int, until_ns: int) -> Blind | None:
    """The last time in a span in which the autoscaler could not compute, None if it always could."""
    states = life.within(begin_ns, until_ns)
    found: Blind | None = None
    for (_, view), (next_ns, after) in pairwise([*states, (until_ns, states[-1][1])]):
        if view.inactive:
            found = Blind(view.inactive, None if after.inactive else next_ns, view.blind)
    return found


def behaviour_at(history: History, life: AutoscalerLife, at_ns: int, timings: Timings | None = None) -> Behaviour:
    """Its windows and rates at a moment; the controller's flags are those of the record, or as given."""
    return Behaviour.of(life.at(at_ns).spec, timings_of(history) if timings is None else timings)


def edited_ns(life: AutoscalerLife, begin_ns: int, until_ns: int, *, limits: bool = False) -> int | None:
    """When in a span its owner last gave it another target, other metrics or another behavior, None if not.

    What it asked for by the former ones it may have forgotten, or go by all the same. `limits`: those count, too.
    """
    apart = () if limits else ("minReplicas", "maxReplicas")
    states = life.within(begin_ns, until_ns)
    specs = [(at_ns, {key: view.spec[key] for key in view.spec if key not in apart}) for at_ns, view in states]
    return max((at_ns for (_, before), (at_ns, after) in pairwise(specs) if after != before), default=None)


def window_assumed(history: History, life: AutoscalerLife, at_ns: int) -> bool:
    """Whether its scale-down window is the controller's, and that is neither recorded nor declared."""
    own = ((life.at(at_ns).spec.get("behavior") or {}).get("scaleDown") or {}).get("stabilizationWindowSeconds")
    return own is None and "hpa_downscale_stabilization_s" in timings_of(history).assumed


def assumed(history: History, *flags: str) -> str:
    """Those of the flags that nobody recorded or declared, though a bound rests on them, in words; empty for none."""
    silent = [flag for flag in flags if flag in timings_of(history).assumed]
    are = "are" if len(silent) > 1 else "is"
    return f"if {' and '.join(silent)} {are} Kubernetes' default, which nobody recorded" if silent else ""


def confirmed(history: History, life: AutoscalerLife, change: Rescale) -> bool:
    """Whether a change was the autoscaler's own: its Event or its status says that number from then on, or soon after.

    A status that only follows what somebody else set says no new lastScaleTime; one whose autoscaler never scaled has
    none at all, but says whether it is able to (Kubernetes API reference, HorizontalPodAutoscalerStatus). From zero it
    starts only what it put there itself (KEP-2021), and to zero it goes only where its minimum is zero.
    """
    if (writer := scale_writer(history, change)) is not None and writer.foreign:
        return False
    before, zero = life.at(change.at_ns - AHEAD_NS), min(change.before, change.after) == 0
    if change.at_ns < life.first_ns or (zero and (before.least or before.inactive.startswith(FOR_ZERO))):
        return False
    from_ns = earliest_ns(history, history.facts.workload_kind, change.at_ns) - AHEAD_NS
    if any(from_ns <= at_ns <= change.at_ns + NEAR_NS and size == change.after for at_ns, size in life.announced):
        return True
    states = life.within(from_ns, change.at_ns + NEAR_NS)
    known = [view for at_ns, view in life.states if at_ns <= from_ns]
    if any(view.scaled_at or view.condition("AbleToScale") for _, view in life.states):
        stamp = known[-1].scaled_at if known else ""
        return any(view.desired == change.after and view.scaled_at != stamp for _, view in states)
    return any(view.desired == change.after for _, view in states)


def scale_writer(history: History, change: Rescale) -> ScaleWriter | None:
    """Who set the number, by the API server; None where that is not known."""
    kind = history.facts.workload_kind
    views = [view for at_ns, view in workload_states(history) if settled_ns(history, kind, at_ns) == change.at_ns]
    return writer_of(views[-1]) if views else None


def not_asked(history: History, change: Rescale) -> str:
    """That a change was not the autoscaler's, and who made it where the record says that."""
    writer = scale_writer(history, change)
    return f"{NOT_ASKED}: {writer.name} did" if writer is not None and writer.foreign else NOT_ASKED


def announcing(history: History, life: AutoscalerLife, change: Rescale) -> AutoscalerView | None:
    """The status that the autoscaler wrote right after a change of its own, of the same look; None if it is not known.

    It has a new lastScaleTime (Kubernetes' pkg/controller/podautoscaler/horizontal.go, `setStatus`).
    """
    from_ns = earliest_ns(history, history.facts.workload_kind, change.at_ns) - AHEAD_NS
    (_, before), *states = life.within(from_ns, change.at_ns + NEAR_NS)
    return next(
        (view for _, view in states if view.scaled_at not in ("", before.scaled_at) and view.desired == change.after),
        None,
    )


def own_rescales(history: History, life: AutoscalerLife, until_ns: int) -> list[Rescale]:
    """The changes that the autoscaler made itself before a moment, which its rates count."""
    return [one for one in rescales(history) if one.at_ns < until_ns and confirmed(history, life, one)]


def changes_of(own: Iterable[Rescale]) -> list[Change]:
    """Changes as the autoscaler's rules count them."""
    return [Change(one.at_ns / NS, one.after - one.before) for one in own]


def rescale_evidence(changes: Iterable[Rescale]) -> tuple[Evidence, ...]:
    """Each change as a moment that a finding rests on."""
    return tuple(Evidence(change.at_ns, change.words) for change in changes)
