"""Always: every decision of the autoscaler follows from the metrics that were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaos.checks.autoscaling.common import (
    Rescale,
    behaviour_at,
    confirmed,
    one_autoscaler,
    rescales,
    unwatched,
    watched_since_ns,
)
from chaos.checks.autoscaling.recommendations import BEFORE_NS, Reach
from chaos.checks.formatting import plural
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics.hpa.replica_calculator import Proposal
from chaos.semantics.hpa.stabilization import Behaviour, Change, Limits, held, scaled

__all__ = ["DecisionsRecomputed"]

STEP_NS = NS
"""Within a window, what may have been recommended is computed for every second."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """One change that the autoscaler made, and the numbers that the record lets it reach; `why` if that is unknown."""

    change: Rescale
    reachable: tuple[int, ...]
    measured: tuple[int, ...] = ()
    why: str = ""

    @property
    def reached(self) -> bool:
        """Whether the change is among them."""
        return self.change.after in self.reachable

    @property
    def words(self) -> str:
        """The decision for people."""
        numbers = ", ".join(str(number) for number in self.reachable) or "nothing"
        seen = f", measured {', '.join(str(one) for one in self.measured)}" if self.measured else ""
        return f"{self.change.words}: the record allows {numbers}{seen}"

    @property
    def values(self) -> dict[str, Any]:
        """The decision in numbers."""
        change = self.change
        return {
            "at_ns": change.at_ns,
            "before": change.before,
            "after": change.after,
            "reachable": self.reachable,
            "measured": self.measured,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class DecisionsRecomputed:
    """Each number that the autoscaler set is one that Kubernetes' rules give for the samples and pods recorded then.

    When exactly it looked is not recorded, only when its change was received. So each sample and each state of the pods
    that may have stood then is tried, and of its windows all that its syncs may have recommended meanwhile. A decision
    that none of them gives is a FAIL, and is shown with what they give.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "decisions-recomputed"

    def __call__(self, history: History) -> Finding:
        """Compute every decision again."""
        scaler = one_autoscaler(history)
        decisions: tuple[_Decision, ...] = ()
        if isinstance(scaler, Said):
            said = [*unwatched(history, history.began_ns), scaler]
        else:
            said = list(unwatched(history, watched_since_ns(history, scaler)))
            made = [one for one in rescales(history) if one.at_ns >= scaler.first_ns and confirmed(scaler, one)]
            decisions = tuple(_decision(history, scaler, one) for one in made)
            if not decisions:
                said.append(Said(Answer.UNKNOWN, "the autoscaler changed nothing", "a trial in which the load changes"))
        said += [
            Said(Answer.UNKNOWN, f"{one.change.words}: {one.why}", "a whole record") for one in decisions if one.why
        ]
        said += [Said(Answer.FAIL, one.words) for one in decisions if not one.why and not one.reached]
        answer, reason, settle = worst(weighed(said))
        return Finding(
            check=self.name,
            answer=answer,
            rule="Every decision of the autoscaler follows from the recorded metrics, pods and its own rules.",
            limit="all of them",
            measured=f"{sum(one.reached for one in decisions)} of {plural(len(decisions), 'decision')} reached",
            reason=reason,
            settle=settle,
            detail={"decisions": [one.values for one in decisions], "samples": len(history.metrics)},
            evidence=tuple(Evidence(one.change.at_ns, one.words) for one in decisions),
        )


def _decision(history: History, life: AutoscalerLife, change: Rescale) -> _Decision:
    view, behaviour = life.at(change.at_ns), behaviour_at(life, change.at_ns)
    limits = Limits(view.least, view.most)
    # After a watch that was cut off, word of it may have come much later.
    begin_ns = earliest_ns(history, history.facts.workload_kind, change.at_ns) - BEFORE_NS
    before = [one for one in rescales(history) if one.at_ns < change.at_ns and confirmed(life, one)]
    changes = [Change(one.at_ns / NS, one.after - one.before) for one in before]
    reach = Reach.of(history, life)
    if not limits.least <= change.before <= limits.most:
        proposals: frozenset[Proposal] = frozenset({Proposal(None)})
        wanted = {0}
    else:
        since_ns = begin_ns - round(_window_s(behaviour, change) * NS)
        if not life.listed:  # it has no memory of the time before it was made
            since_ns = max(since_ns, life.first_ns + BEFORE_NS)
        if why := reach.uncomputable(change.at_ns) or reach.holes(min(since_ns, begin_ns), change.at_ns):
            return _Decision(change, (), why=why)
        proposals = reach.proposals(begin_ns, change.at_ns, change.before)
        wanted = _held(reach, behaviour, change, proposals)
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
    return _Decision(change, tuple(sorted(reachable)), tuple(measured))


def _window_s(behaviour: Behaviour, change: Rescale) -> float:
    """The window that matters to a change: with a `behavior` that of its own direction, without one the only one."""
    return behaviour.up.window_s if behaviour.given and change.up else behaviour.down.window_s


def _held(reach: Reach, behaviour: Behaviour, change: Rescale, proposals: frozenset[Proposal]) -> set[int]:
    """What the windows may have left of the proposals."""
    lowest = behaviour.given and change.up
    extremes = _extremes(reach, change, _window_s(behaviour, change), lowest=lowest)
    return {
        held(
            one.replicas,
            change.before,
            behaviour,
            lowest=extreme if lowest else one.replicas,
            highest=one.replicas if lowest else extreme,
        )
        for one in proposals
        if one.replicas is not None
        for extreme in extremes or {one.replicas}
    }


def _extremes(reach: Reach, change: Rescale, window_s: float, *, lowest: bool) -> set[int]:
    """The highest (or lowest) recommendations that the syncs of a window may have left; empty without a window.

    In every stretch of a sync period and a little more there was a sync, so the highest is no lower than the lowest of
    what that stretch allows, for each stretch.
    """
    begin_ns = max(reach.life.first_ns, change.at_ns - round(window_s * NS))
    moments = range(begin_ns + STEP_NS, change.at_ns - BEFORE_NS, STEP_NS) if window_s else range(0)
    possible = [reach.recommended(at_ns) for at_ns in moments]
    everything = frozenset[int]().union(*possible)
    width = round(reach.timings.hpa_sync_s * NS / STEP_NS) + 2
    stretches = [frozenset[int]().union(*possible[low : low + width]) for low in range(len(possible) - width + 1)]
    # The first seconds may lie before the window, by as much as the decision came before word of it.
    sure = [stretch for stretch in stretches[round(BEFORE_NS / STEP_NS) :] if stretch]
    if window_s and not reach.life.listed and begin_ns == reach.life.first_ns:
        found = desired_replicas(reach.history).value_at(begin_ns) or 0
        sure, everything = [*sure, frozenset({found})], everything | {found}  # its first recommendation
    if lowest:
        ceiling = min((max(stretch) for stretch in sure), default=max(everything, default=0))
        return {number for number in everything if number <= ceiling}
    floor = max((min(stretch) for stretch in sure), default=0)
    return {number for number in everything if number >= floor}
