"""Always: the disruption budget really held, at every moment, against every eviction."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from chaos.checks.base import GAPLESS, Summary, finding, judged, judged_until_ns, undecided, unknown, watched
from chaos.checks.budgets.dips import Dip, dips_of
from chaos.checks.budgets.evictions import Evictions, evictions_of
from chaos.checks.budgets.judged_evictions import (
    ALONE,
    COUNTABLE,
    KINDS,
    accepted_owed,
    blurred,
    refused_owed,
    stale_ms,
    unready_owed,
)
from chaos.checks.budgets.records import HealthCount, Record, Replay
from chaos.checks.budgets.replay import replay
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History

__all__ = ["BudgetDetail", "BudgetHeld", "BudgetHeldDetail"]

SHOWN = 50
"""How many dips a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class BudgetDetail:
    """One budget that binds the system: how many it needed, and had, in the time that is judged."""

    name: str
    bound: str
    desired_min: int | None
    desired_max: int | None
    healthy_min: int | None

    @property
    def words(self) -> str:
        least, most = self.desired_min or 0, self.desired_max or 0
        return f"{self.name} ({self.bound}) needs {most if least == most else f'{least} to {most}'}"


@dataclass(frozen=True, slots=True)
class BudgetHeldDetail:
    """All evictions, budgets and dips of a trial in numbers.

    Attributes:
        ready_min: the scenario's claim.
        evictions_accepted: of Ready pods; `evictions_of_others` are those of them that somebody else asked for.
        evictions_stale: granted on a count that did not know yet of a pod lost just before.
        lowest_after_eviction: the fewest of the system's pods that were ready after one.
        dips: the first of `dips_count`.
    """

    ready_min: int | None = None
    evictions_accepted: int = 0
    evictions_of_others: int = 0
    evictions_refused: int = 0
    evictions_stale: int = 0
    lowest_after_eviction: int | None = None
    budgets: tuple[BudgetDetail, ...] = ()
    dips_count: int = 0
    dips: tuple[Dip, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetHeld:
    """No eviction, ours or anybody's, took more pods than the disruption budget lets go.

    Judged from the watch log in resourceVersion order, so a dip between two events is found however short. Each
    accepted eviction must have been charged to an up-to-date budget with room, and leave as many healthy as it needs;
    each refusal must have been due; each dip has a cause. A dip that an eviction caused is a FAIL. One that a deletion,
    a crash, a rollout or a node caused binds no budget: it is reported, and left to the SLO. So is an eviction granted
    on a count a moment old, as Kubernetes documents, unless `ready_min` is broken by it. Budgets that need no pod are
    UNKNOWN: nothing can break them.

    `ready_min` is the scenario's own claim, e.g. 3: no eviction leaves fewer of the system's pods Ready, whatever the
    cluster's disruption budget says, or if it has none.
    """

    name: ClassVar[str] = "budget-held"
    Detail: ClassVar[type] = BudgetHeldDetail

    ready_min: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.ready_min is not None and self.ready_min < 1:
            raise ValueError(f"BudgetHeld.ready_min: {self.ready_min} is not at least 1")

    def __call__(self, history: History) -> Finding:
        played = replay(history)
        evictions = evictions_of(history, played)
        since_ns = _since_ns(history, evictions)
        ours = [record for record in played.budgets.values() if record.ours and record.view is not None]
        dips = [
            dip
            for record in ours
            if not record.beyond_watch
            for dip in dips_of(history, played, record, since_ns, of=f"disruption budget {record.name}")
        ]
        if self.ready_min is not None:
            dips += dips_of(history, played, played.system, since_ns, of="the claim", at_least=self.ready_min)
        owed = [
            *accepted_owed(history, played, evictions),
            *refused_owed(history, played, evictions),
            *unready_owed(history, played, evictions),
            *evictions.open,
            *self._claim(history, played, evictions),
        ]
        # Where the order of events is in doubt, so is whatever speaks against the claim.
        doubts = [*played.ordered(), *_unproved(history, played, evictions, since_ns)]
        doubts += _needless(ours, since_ns) if self.ready_min is None else ()
        owed = [*doubts, *(undecided(owed) if played.doubt else owed)]
        owed += [self._budget(record, since_ns) for record in ours]
        owed += [_dip(dip, shown=number < SHOWN) for number, dip in enumerate(dips)]
        detail = self._detail(history, played, evictions, [_counted(record, since_ns) for record in ours], dips)
        claim = "" if self.ready_min is None else f", nor fewer than {self.ready_min} of the system Ready"
        limit = [] if self.ready_min is None else [f"at least {self.ready_min} ready"]
        limit += [budget.words for budget in detail.budgets]
        return finding(
            self.name,
            f"No eviction leaves fewer pods healthy than the disruption budget needs{claim}.",
            owed,
            Summary(_measured(evictions, dips), ", ".join(limit) or "a disruption budget", detail=detail),
            nothing=unknown("evictions", "no eviction was seen", "a trial in which a pod is evicted"),
        )

    def _claim(self, history: History, played: Replay, evictions: Evictions) -> Iterator[Obligation]:
        """The claim in numbers, against every eviction of one of the system's ready pods."""
        if self.ready_min is None:
            return
        for one in evictions.accepted:
            if one.uid not in played.replicas or one.released:
                continue
            subject, measured, bound = f"{one.name}: the claim", f"{one.left} ready", f"at least {self.ready_min}"
            if one.left >= self.ready_min:
                yield Obligation(subject, measured=measured, bound=bound)
                continue
            reason = f"the eviction of {one.name} ({one.whose}) left {one.left} ready, the claim is {self.ready_min}"
            settle, evidence = GAPLESS if blurred(history, one) else "", (Evidence(one.at_ns, reason),)
            yield judged(subject, reason, settle, measured=measured, bound=bound, evidence=evidence)

    def _budget(self, record: Record, since_ns: int) -> Obligation:
        """A budget as a whole: its pods were all watched, and it needs as many as are claimed."""
        budget = _counted(record, since_ns)
        uncounted = next((one.unknown for one in _judged(record, since_ns) if one.unknown), "")
        reason = settle = ""
        if record.beyond_watch:
            reason, settle = record.beyond_words, ALONE
        elif self.ready_min is not None and uncounted:
            reason = f"how many disruption budget {record.name} needs is not known for a while: {uncounted}"
            settle = COUNTABLE
        elif self.ready_min is not None and (least := budget.desired_min or 0) < self.ready_min:
            reason = f"disruption budget {record.name} needs only {least}, less than the claim {self.ready_min}"
            settle = "a disruption budget that needs what is claimed"
        healthy = f"{budget.healthy_min} healthy at least"
        return judged(record.name, reason, settle, measured=healthy, bound=budget.words)

    def _detail(
        self, history: History, played: Replay, evictions: Evictions, budgets: list[BudgetDetail], dips: list[Dip]
    ) -> BudgetHeldDetail:
        grants = [one.grant for one in evictions.accepted if one.grant is not None]
        return BudgetHeldDetail(
            ready_min=self.ready_min,
            evictions_accepted=len(evictions.accepted),
            evictions_of_others=sum(one.by is None for one in evictions.accepted),
            evictions_refused=len(evictions.refused),
            evictions_stale=sum(stale_ms(history, played, grant) is not None for grant in grants),
            lowest_after_eviction=min((one.left for one in evictions.accepted), default=None),
            budgets=tuple(budgets),
            dips_count=len(dips),
            dips=tuple(dips[:SHOWN]),
        )


def _judged(record: Record, since_ns: int) -> tuple[HealthCount, ...]:
    """A budget's counts in the time that is judged, first as it was when that began."""
    place = sum(one.at_ns <= since_ns for one in record.counts)
    return record.counts[max(0, place - 1) :]


def _counted(record: Record, since_ns: int) -> BudgetDetail:
    counts = _judged(record, since_ns)
    needs = [one.desired for one in counts if not one.unknown]
    return BudgetDetail(
        name=record.name,
        bound="" if record.view is None else record.view.bound,
        desired_min=min(needs, default=None),
        desired_max=max(needs, default=None),
        healthy_min=min((one.healthy for one in counts), default=None),
    )


def _since_ns(history: History, evictions: Evictions) -> int:
    """From when on it is judged: the first fault, or somebody's eviction before it."""
    begins = [fault.begin_ns for fault in history.faults]
    if evictions.first_ns is not None:
        begins.append(evictions.first_ns)
    begins = begins or [phase.begin_ns for phase in history.phases]
    return min(begins, default=history.began_ns)


def _dip(dip: Dip, *, shown: bool) -> Obligation:
    """A dip was seen whole; what an eviction did is judged with the eviction, all else no budget binds."""
    bound, measured = f"at least {dip.desired} healthy", f"{dip.lowest} healthy"
    evidence = dip.evidence if shown else ()
    if dip.unseen:
        reason = f"a dip lies in a gap of the watch: {dip.words}"
        return judged(dip.of, reason, GAPLESS, measured=measured, bound=bound, evidence=evidence)
    reason = f"not by eviction, so left to the SLO: {dip.words}" if shown else ""
    return Obligation(dip.of, reason=reason, measured=measured, bound=bound, evidence=evidence)


def _unproved(history: History, played: Replay, evictions: Evictions, since_ns: int) -> Iterator[Obligation]:
    """What keeps a claim that nothing speaks against from being proved: the record, or no budget put to the test."""
    if history.facts.dry_run:
        yield unknown("the trial", "a dry run (--gameday-dry-run) evicts nothing", "run the trial for real")
    yield from watched(history, KINDS, since_ns, judged_until_ns(history))
    if not any(record.ours for record in played.budgets.values()) and "PodDisruptionBudget" in history.covered_ns:
        declared = (history.facts.raw.get("spec") or {}).get("disruption_budget")
        though = ", though the system's spec declares one" if declared else ""
        idle = sorted(record.name for record in played.budgets.values() if record.view is not None)
        though += f"; the selector of {', '.join(idle)} matches none of them" if idle else ""
        settle = "a disruption budget that selects the system's pods"
        yield unknown("the budget", f"no disruption budget binds the system's pods{though}", settle)
    if evictions.ambiguous:
        names = ", ".join(sorted({action.target.name for action in evictions.ambiguous}))
        reason = f"two disruption budgets bind {names}, so every eviction is refused"
        yield unknown("the budget", reason, "one disruption budget for each pod")
    elif not evictions.refused and not any(one.binding for one in evictions.accepted):
        reason = "the disruption budget was never asked: no eviction of a Ready pod met it"
        yield unknown("the budget", reason, "a trial in which a pod that a disruption budget binds is evicted")


def _needless(ours: list[Record], since_ns: int) -> Iterator[Obligation]:
    """Why budgets that need no pod prove nothing: no eviction can break them (maxUnavailable 100%, minAvailable 0)."""
    counts = [_counted(record, since_ns) for record in ours]
    if counts and all(one.desired_max == 0 for one in counts):
        names = " and ".join(f"{one.name} ({one.bound})" for one in counts)
        settle = "a disruption budget that needs some, or a claim in numbers: BudgetHeld(ready_min=…)"
        yield unknown("the budget", f"disruption budget {names} needs no pod, so that no eviction breaks it", settle)


def _measured(evictions: Evictions, dips: list[Dip]) -> str:
    others = sum(one.by is None for one in evictions.accepted)
    words = f"{plural(len(evictions.accepted), 'eviction')} accepted" + (f" ({others} by others)" if others else "")
    words += f", {len(evictions.refused)} refused"
    lowest = [one.grant.healthy if one.grant else one.left for one in evictions.accepted]
    if lowest:
        words += f", lowest {min(lowest)} healthy after one"
    if dips:
        deepest = max(dips, key=lambda dip: dip.desired - dip.lowest)
        words += f"; {plural(len(dips), 'dip')}, deepest {deepest.lowest} of {deepest.desired} needed"
    return words
