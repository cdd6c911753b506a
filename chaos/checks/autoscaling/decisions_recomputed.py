"""Always: every decision of the autoscaler follows from the metrics that were recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.other_orders import FORGOT, LEADS_NS, ONE_PROCESS, forgot_ns
from chaos.checks.autoscaling.recommendations import BEFORE_NS, Reach
from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Timings
from chaos.semantics.hpa.replica_calculator import Proposal
from chaos.semantics.hpa.stabilization import Behaviour, Limits, held, scaled

__all__ = ["DecisionsRecomputed", "DecisionsRecomputedDetail"]

STEP_NS = NS
"""Within a window, what may have been recommended is computed for every second."""


@dataclass(frozen=True, slots=True)
class DecisionDetail:
    """One change that the autoscaler made, and the numbers that the record lets it reach; `why` if that is unknown."""

    at_ns: int
    before: int
    after: int
    reachable: tuple[int, ...]
    measured: tuple[int, ...] = ()
    why: str = ""
    settle: str = "a whole record"

    @property
    def reached(self) -> bool:
        return self.after in self.reachable

    @property
    def numbers(self) -> str:
        """The numbers that the record lets it reach, in words."""
        return ", ".join(map(str, self.reachable)) or "nothing"

    @property
    def obligation(self) -> Obligation:
        """That the record gives the number that was set."""
        change = f"desired replicas {self.before} to {self.after}"
        seen = f", measured {', '.join(map(str, self.measured))}" if self.measured else ""
        words, limit = f"{change}: the record allows {self.numbers}{seen}", f"one of {self.numbers}"
        evidence = (Evidence(self.at_ns, words),)
        if self.why:
            text = f"{change}: {self.why}"
            return Obligation(change, Answer.UNKNOWN, text, self.settle, str(self.after), "", evidence)
        answer, reason = (Answer.PASS, "") if self.reached else (Answer.FAIL, words)
        return Obligation(change, answer, reason, "", str(self.after), limit, evidence)


@dataclass(frozen=True, slots=True)
class DecisionsRecomputedDetail:
    """Each decision, and how many samples of the metrics there were."""

    decisions: tuple[DecisionDetail, ...]
    samples: int


@dataclass(frozen=True, slots=True)
class DecisionsRecomputed:
    """Each number that the autoscaler set is one that Kubernetes' rules give for the samples and pods recorded then.

    When exactly it looked is not recorded, only when its change was received. So each sample and each state of the pods
    that may have held then is tried, and of its windows all that its syncs may have recommended meanwhile. A decision
    that none of them gives is a FAIL, and is shown with what they give.
    """

    name: ClassVar[str] = "decisions-recomputed"
    Detail: ClassVar[type] = DecisionsRecomputedDetail

    def __call__(self, history: History) -> Finding:
        scaler = scaling.one_autoscaler(history)
        decisions: tuple[DecisionDetail, ...] = ()
        if isinstance(scaler, Obligation):
            owed = [*scaling.unwatched(history, history.began_ns), scaler]
        else:
            made = [
                one
                for one in scaling.rescales(history)
                if one.at_ns >= scaler.first_ns and scaling.confirmed(history, scaler, one)
            ]
            decisions = tuple(_decision(history, scaler, one) for one in made)
            unseen = scaling.unwatched(history, scaling.watched_since_ns(history, scaler))
            owed = scaling.unless_unseen(unseen, [one.obligation for one in decisions])
        return finding(
            self.name,
            "Every decision of the autoscaler follows from the recorded metrics, pods and its own rules.",
            owed,
            Summary(
                measured=f"{sum(one.reached for one in decisions)} of {plural(len(decisions), 'decision')} reached",
                limit="all of them",
                detail=DecisionsRecomputedDetail(decisions, len(history.metrics)),
            ),
            nothing=unknown("decisions", "the autoscaler changed nothing", "a trial in which the load changes"),
        )


def _decision(history: History, life: AutoscalerLife, change: scaling.Rescale) -> DecisionDetail:
    """One change; where a flag of the controller is not recorded, and another value explains it, it is UNKNOWN."""
    reach = Reach(history, life, telling=True)
    found = _computed(reach, change)
    if found.why or found.reached:
        return found
    if (unshown := _unshown(reach, change, found)) is not None:
        return unshown
    behaviour = scaling.behaviour_at(history, life, change.at_ns)
    window_s = _window_s(behaviour, change)
    since_ns, until_ns = change.at_ns - BEFORE_NS, change.at_ns + BEFORE_NS
    # News of the autoscaler and of the workload may come in either order.
    edited_ns = scaling.edited_ns(life, since_ns, until_ns, limits=True)
    edited = edited_ns or scaling.edited_ns(life, since_ns - round(window_s * NS), until_ns)
    if edited or _forgotten(history, change, behaviour):
        why, settle = (scaling.EDITED, scaling.UNEDITED) if edited else (FORGOT, ONE_PROCESS)
        return replace(found, why=f"the record allows {found.numbers}, but {why}", settle=settle)
    timings = timings_of(history)
    for flag, values in OTHERS.items():
        if flag not in timings.assumed:
            continue
        for value in values:
            other = _computed(Reach(history, life, Timings.of(asdict(timings) | {flag: value}), telling=True), change)
            # A window between the ends leaves a number between what they leave.
            held_up = flag == WINDOW and not change.up and min(other.reachable, default=change.before) <= change.after
            if other.reached or (held_up and not other.why) or (flag == WINDOW and change.up and other.why):
                text = f"the record allows {found.numbers} by Kubernetes' default of {flag}"
                return replace(found, why=f"{text}, and does not say how the controller is set", settle=DECLARED)
    # One metrics-server of two, as in clusters of some clouds, has each new value up to a resolution before the other.
    apart_ns = round(timings.metrics_resolution_s * NS) if "metrics_resolution_s" in timings.assumed else 0
    if apart_ns and _computed(Reach(history, life, apart_ns=apart_ns, telling=True), change).reached:
        text = f"the record allows {found.numbers} by the samples that we were shown"
        return replace(found, why=f"{text}, and a second metrics-server may have shown it others", settle=ONE_SERVER)
    return found


def _unshown(reach: Reach, change: scaling.Rescale, found: DecisionDetail) -> DecisionDetail | None:
    """A change that the record may not give, as it lacks the values by which it was decided; None if it has them."""
    allowed = f"the record allows {found.numbers}"
    announced = scaling.announcing(reach.history, reach.life, change)
    if announced is None:
        if not any(one.custom for one in reach.life.at(change.at_ns).metrics):
            return None
        return replace(found, why=f"{allowed}, but {UNSAID}", settle=SEEN)
    unsampled = reach.unsampled(_begin_ns(reach.history, change), change.at_ns, change.before, announced)
    if not unsampled or not _computed(replace(reach, by_status=True), change).reached:
        return None
    return replace(found, why=f"{allowed}, but {unsampled}", settle=ONE_VALUE)


def _forgotten(history: History, change: scaling.Rescale, behaviour: Behaviour) -> bool:
    """Whether the controller may have begun anew shortly before, and so have forgotten by what it was to decide.

    What it found then it keeps for a whole window all the same.
    """
    window_ns = round(_window_s(behaviour, change) * NS)
    rates = (*behaviour.up.policies, *behaviour.down.policies)
    since_ns = change.at_ns - BEFORE_NS - max([window_ns, *(round(one.period_s * NS) for one in rates)])
    forgot = forgot_ns(history, since_ns, change.at_ns + BEFORE_NS)
    return forgot is not None and (change.up or change.at_ns >= forgot - LEADS_NS + window_ns)


def _begin_ns(history: History, change: scaling.Rescale) -> int:
    """When a change was decided at the earliest: news of it may have come much later over a watch that was cut off."""
    return earliest_ns(history, history.facts.workload_kind, change.at_ns) - BEFORE_NS


def _computed(reach: Reach, change: scaling.Rescale) -> DecisionDetail:
    history, life, timings = reach.history, reach.life, reach.timings
    view, behaviour = life.at(change.at_ns), scaling.behaviour_at(history, life, change.at_ns, timings)
    limits = Limits(view.least, view.most)
    begin_ns = _begin_ns(history, change)
    changes = scaling.changes_of(scaling.own_rescales(history, life, change.at_ns))
    if not limits.least <= change.before <= limits.most:
        proposals: frozenset[Proposal] = frozenset({Proposal(None)})
        wanted = {0}
    else:
        since_ns = begin_ns - round(_window_s(behaviour, change) * NS)
        if not life.listed:  # it has no memory of the time before it was made
            since_ns = max(since_ns, life.first_ns + BEFORE_NS)
        announced = scaling.announcing(history, life, change)
        why = reach.uncomputable(begin_ns, change.at_ns, change.before, announced)
        if why := why or reach.holes(min(since_ns, begin_ns), change.at_ns):
            return DecisionDetail(change.at_ns, change.before, change.after, (), why=why)
        proposals = reach.proposals(begin_ns, change.at_ns, change.before, announced)
        # What was shown meanwhile is sampled all the same, if the value of one look is not.
        wanted = _held(replace(reach, by_status=False), behaviour, change, proposals)
    reachable = {
        found.replicas
        for number in wanted
        for now_ns in (begin_ns, change.at_ns)
        if (
            found := scaled(
                Proposal(number),
                current=change.before,
                limits=limits,
                behaviour=behaviour,
                now_s=now_ns / NS,
                changes=changes,
            )
        )
    }
    measured = sorted({one.measured for one in proposals if one.measured is not None})
    return DecisionDetail(change.at_ns, change.before, change.after, tuple(sorted(reachable)), tuple(measured))


WINDOW = "hpa_downscale_stabilization_s"

OTHERS: Mapping[str, tuple[float, ...]] = {
    "hpa_tolerance": (0.0, 1e9),
    WINDOW: (0.0, 1e9),
    "hpa_cpu_initialization_s": (0.0, 1e9),
    "hpa_initial_readiness_s": (0.0, 1e9),
    "hpa_sync_s": (1e9,),
}
"""The controller's flags that a decision depends on, each with its ends. Of syncs it is how few there may have been."""

SEEN = "an autoscaler whose status is watched without a gap"

UNSAID = "its status does not say by which values of its metrics it decided"

DECLARED = "cluster.timings in gameday.toml, with the controller's flags"

ONE_VALUE = "a metrics API that shows everybody one value until the next, as metrics-server does"

ONE_SERVER = "a cluster with one metrics-server, and its metrics_resolution_s in cluster.timings of gameday.toml"


def _window_s(behaviour: Behaviour, change: scaling.Rescale) -> float:
    """The window that matters to a change: with a `behavior` that of its own direction, without one the only one."""
    return behaviour.up.window_s if behaviour.given and change.up else behaviour.down.window_s


def _held(reach: Reach, behaviour: Behaviour, change: scaling.Rescale, proposals: frozenset[Proposal]) -> set[int]:
    """What the windows may have left of the proposals."""
    lowest = behaviour.given and change.up
    extremes = _extremes(reach, change, _window_s(behaviour, change), lowest=lowest)
    return {
        held(
            one.replicas,
            change.before,
            behaviour,
            lowest=extreme if lowest and extreme is not None else one.replicas,
            highest=one.replicas if lowest or extreme is None else extreme,
        )
        for one in proposals
        if one.replicas is not None
        for extreme in extremes or {None}
    }


def _extremes(reach: Reach, change: scaling.Rescale, window_s: float, *, lowest: bool) -> set[int | None]:
    """The highest (or lowest) recommendations that the syncs of a window may have left; empty without a window.

    In every stretch of a sync period and a little more there was a sync, so the highest is no lower than the lowest of
    what that stretch allows, for each stretch. A window that is shorter may have had none: None.
    """
    begin_ns = max(reach.life.first_ns, change.at_ns - round(window_s * NS))
    moments = range(begin_ns + STEP_NS, change.at_ns - BEFORE_NS, STEP_NS) if window_s else range(0)
    possible = [reach.recommended(at_ns) for at_ns in moments]
    everything = frozenset(number for moment in possible for number in moment if number is not None)
    width = round(reach.timings.hpa_sync_s * NS / STEP_NS) + 2
    stretches = [
        frozenset[int | None]().union(*possible[low : low + width]) for low in range(len(possible) - width + 1)
    ]
    # The first seconds may lie before the window, by as much as the decision came before news of it.
    sure = [_numbers(stretch) for stretch in stretches[round(BEFORE_NS / STEP_NS) :] if None not in stretch]
    if window_s and not reach.life.listed and begin_ns == reach.life.first_ns:
        found = desired_replicas(reach.history).value_at(begin_ns) or 0
        sure, everything = [*sure, frozenset({found})], everything | {found}  # its first recommendation
    none: set[int | None] = set() if stretches or sure else {None}
    if lowest:
        ceiling = min((max(stretch) for stretch in sure), default=max(everything, default=0))
        return none | {number for number in everything if number <= ceiling}
    floor = max((min(stretch) for stretch in sure), default=0)
    return none | {number for number in everything if number >= floor}


def _numbers(stretch: frozenset[int | None]) -> frozenset[int]:
    return frozenset(number for number in stretch if number is not None)
