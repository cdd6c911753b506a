"""Always: the disruption budget really held, at every moment, against every eviction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from chaos.checks.budgets.dips import Dip, dips_of
from chaos.checks.budgets.evictions import Evictions, evictions_of
from chaos.checks.budgets.granted import COUNTABLE, Problem, Stale, blurred, judge_evictions
from chaos.checks.budgets.model import Record, Replay
from chaos.checks.budgets.refused import judge_refusals, judge_unready
from chaos.checks.budgets.replay import replay
from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import blind_spots, judged_until_ns
from chaos.history import History
from chaos.objects.kinds import PodDisruptionBudgetView

__all__ = ["BudgetHeld"]

SHOWN = 50
"""How many dips a finding lists; it says how many there were."""

KINDS = ("Pod", "PodDisruptionBudget")
ASK = "a trial in which a pod that a disruption budget binds is evicted"
GAPLESS = "a trial whose watch has no gap"


@dataclass(frozen=True, slots=True)
class _Account:
    """All that was found in a trial."""

    replay: Replay
    evictions: Evictions
    courses: tuple[_Course, ...]
    dips: tuple[Dip, ...]
    problems: tuple[Problem, ...]
    stale: tuple[Stale, ...]


@dataclass(frozen=True, slots=True)
class _Course:
    """One budget that binds the system, and how many it needed, and had, in the time that is judged.

    `unknown` is why nobody can say for a while how many it needed.
    """

    view: PodDisruptionBudgetView
    record: Record
    needs: tuple[int, ...]
    had: tuple[int, ...]
    unknown: str

    @property
    def need(self) -> str:
        """How many it needed, in words."""
        least, most = min(self.needs, default=0), max(self.needs, default=0)
        return str(most) if least == most else f"{least} to {most}"


@dataclass(frozen=True, slots=True)
class BudgetHeld:
    """No eviction, ours or anybody's, took more pods than the disruption budget lets go (invariants I1 to I3 and I5).

    Judged from the watch log in resourceVersion order, so a dip between two events is found however short. Each
    accepted eviction must have been charged to an up-to-date budget with room, and leave as many healthy as it needs;
    each refusal must have been due; each dip has a cause. A dip that an eviction caused is a FAIL. One that a deletion,
    a crash, a rollout or a node caused binds no budget: it is told, and left to the SLO. So is an eviction granted on
    a count a moment old, as Kubernetes documents, unless `ready_min` is broken by it.

    `ready_min` is the scenario's own claim, e.g. 3: no eviction leaves fewer of the system's pods Ready, whatever the
    cluster's disruption budget says, or if it has none.
    """

    ready_min: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.ready_min is not None and self.ready_min < 1:
            raise ValueError(f"BudgetHeld.ready_min: {self.ready_min} is not at least 1")

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "budget-held"

    def __call__(self, history: History) -> Finding:
        """Judge every eviction and every dip of the trial."""
        account = self._account(history)
        # Where the order of events is in doubt, so is whatever speaks against the claim.
        failures = [one for one in account.problems if one.answer is Answer.FAIL and not account.replay.doubt]
        doubts = [one for one in account.problems if one not in failures]
        answer = Answer.FAIL if failures else Answer.UNKNOWN if doubts else Answer.PASS
        told = failures or doubts
        reasons = list(dict.fromkeys(one.text for one in told)) or list(_left_to_the_slo(account))
        return Finding(
            check=self.name,
            answer=answer,
            rule=self._rule(),
            limit=self._limit(account),
            measured=_measured(account),
            reason="; ".join(reasons[:SHOWN]),
            settle="; ".join(dict.fromkeys(one.settle for one in doubts)) if answer is Answer.UNKNOWN else "",
            detail=self._values(account),
            evidence=tuple(sorted(_evidence(account), key=lambda one: one.at_ns)),
        )

    def _account(self, history: History) -> _Account:
        played = replay(history)
        evictions = evictions_of(history, played)
        since_ns = _since_ns(history, evictions)
        courses = tuple(_courses(played, since_ns))
        dips = [
            dip
            for one in courses
            for dip in dips_of(history, played, one.record, since_ns, of=f"disruption budget {one.view.name}")
        ]
        if self.ready_min is not None:
            what = "the claim"
            dips += dips_of(history, played, played.system, since_ns, of=what, at_least=self.ready_min)
        judged = list(judge_evictions(history, played, evictions))
        problems = [one for one in judged if isinstance(one, Problem)]
        problems += judge_refusals(history, played, evictions)
        problems += judge_unready(history, played, evictions)
        problems += self._claim(history, evictions, courses, since_ns)
        problems += _doubts(history, played, evictions, dips, since_ns)
        stale = tuple(one for one in judged if isinstance(one, Stale))
        return _Account(played, evictions, courses, tuple(dips), tuple(problems), stale)

    def _claim(
        self, history: History, evictions: Evictions, courses: tuple[_Course, ...], since_ns: int
    ) -> Iterator[Problem]:
        """The claim in numbers, against every eviction of one of the system's ready pods."""
        if self.ready_min is None:
            return
        for one in evictions.accepted:
            if one.uid in replay(history).replicas and one.left < self.ready_min:
                text = f"the eviction of {one.name} ({one.whose}) left {one.left} ready, the claim is {self.ready_min}"
                yield Problem(Answer.UNKNOWN if blurred(history, one) else Answer.FAIL, one.at_ns, text)
        for course in courses:
            if course.unknown:
                text = f"how many disruption budget {course.view.name} needs is not known for a while: {course.unknown}"
                yield Problem(Answer.UNKNOWN, since_ns, text, COUNTABLE)
            elif (least := min(course.needs, default=0)) < self.ready_min:
                text = f"disruption budget {course.view.name} needs only {least}, less than the claim {self.ready_min}"
                yield Problem(Answer.UNKNOWN, since_ns, text, "a disruption budget that needs what is claimed")

    def _rule(self) -> str:
        claim = "" if self.ready_min is None else f", nor fewer than {self.ready_min} of the system Ready"
        return f"No eviction leaves fewer pods healthy than the disruption budget needs{claim}."

    def _limit(self, account: _Account) -> str:
        needs = [f"{one.view.name} ({one.view.bound}) needs {one.need}" for one in account.courses]
        claim = [] if self.ready_min is None else [f"at least {self.ready_min} ready"]
        return ", ".join([*claim, *needs]) or "a disruption budget"

    def _values(self, account: _Account) -> dict[str, object]:
        return {
            "evictions_accepted": len(account.evictions.accepted),
            "evictions_of_others": sum(one.by is None for one in account.evictions.accepted),
            "evictions_refused": len(account.evictions.refused),
            "evictions_unready": len(account.evictions.unready),
            "evictions_stale": len(account.stale),
            "lowest_after_eviction": min((one.left for one in account.evictions.accepted), default=None),
            "ready_min": self.ready_min,
            "budgets": [
                {
                    "name": one.view.name,
                    "bound": one.view.bound,
                    "desired_min": min(one.needs, default=None),
                    "desired_max": max(one.needs, default=None),
                    "healthy_min": min(one.had, default=None),
                }
                for one in account.courses
            ],
            "dips_count": len(account.dips),
            "dips": [asdict(dip) for dip in account.dips[:SHOWN]],
        }


def _courses(played: Replay, since_ns: int) -> Iterator[_Course]:
    for record in played.budgets.values():
        if record.ours and record.view is not None:
            place = sum(one.at_ns <= since_ns for one in record.standings)
            judged = record.standings[max(0, place - 1) :]
            needs = tuple(one.desired for one in judged if not one.unknown)
            had, unknown = (
                tuple(one.healthy for one in judged),
                next((one.unknown for one in judged if one.unknown), ""),
            )
            yield _Course(record.view, record, needs, had, unknown)


def _since_ns(history: History, evictions: Evictions) -> int:
    """From when on it is judged: the first fault, or somebody's eviction before it."""
    begins = [fault.begin_ns for fault in history.faults]
    if evictions.first_ns is not None:
        begins.append(evictions.first_ns)
    begins = begins or [phase.begin_ns for phase in history.phases]
    return min(begins, default=history.began_ns)


def _doubts(
    history: History, played: Replay, evictions: Evictions, dips: Iterable[Dip], since_ns: int
) -> Iterator[Problem]:
    """What keeps a claim that nothing speaks against from being proved."""
    unknown = Answer.UNKNOWN
    if played.doubt:
        yield Problem(unknown, since_ns, played.doubt, "a cluster whose resourceVersions count all kinds together")
    if history.facts.dry_run:
        yield Problem(unknown, since_ns, "a dry run (--gameday-dry-run) evicts nothing", "run the trial for real")
    for text in blind_spots(history, KINDS, since_ns, judged_until_ns(history)):
        yield Problem(unknown, since_ns, text, GAPLESS)
    for text in evictions.open:
        yield Problem(unknown, since_ns, text, "a trial in which every eviction is answered, or watched for a minute")
    for dip in dips:
        if dip.unseen:
            yield Problem(unknown, dip.begin_ns, f"a dip lies in a gap of the watch: {dip.words}", GAPLESS)
    yield from _unasked(history, played, evictions, since_ns)


def _unasked(history: History, played: Replay, evictions: Evictions, since_ns: int) -> Iterator[Problem]:
    """Why no budget was put to the test."""
    if not any(record.ours for record in played.budgets.values()) and "PodDisruptionBudget" in history.covered_ns:
        settle = "a disruption budget that selects the system's pods"
        yield Problem(Answer.UNKNOWN, since_ns, _missing(history), settle)
    if evictions.ambiguous:
        names = ", ".join(sorted({action.target.name for action in evictions.ambiguous}))
        text = f"two disruption budgets bind {names}, so every eviction is refused"
        yield Problem(Answer.UNKNOWN, since_ns, text, "one disruption budget for each pod")
    elif not evictions.refused and not any(one.binding for one in evictions.accepted):
        text = "the disruption budget was never asked: no eviction of a Ready pod met it"
        yield Problem(Answer.UNKNOWN, since_ns, text, ASK)


def _missing(history: History) -> str:
    declared = (history.facts.raw.get("spec") or {}).get("disruption_budget")
    told = ", though the system's spec declares one" if declared else ""
    return f"no disruption budget binds the system's pods{told}"


def _left_to_the_slo(account: _Account) -> Iterator[str]:
    """What the budget does not bind and is told all the same."""
    if account.dips:
        yield f"not by eviction, so left to the SLO: {'; '.join(dip.words for dip in account.dips[:SHOWN])}"
    for one in account.stale:
        yield f"granted on an old count, as Kubernetes documents: {one.text}"


def _measured(account: _Account) -> str:
    evictions = account.evictions
    others = sum(one.by is None for one in evictions.accepted)
    told = f"{plural(len(evictions.accepted), 'eviction')} accepted" + (f" ({others} by others)" if others else "")
    told += f", {len(evictions.refused)} refused"
    lowest = [one.grant.healthy if one.grant else one.left for one in evictions.accepted]
    if lowest:
        told += f", lowest {min(lowest)} healthy after one"
    if account.dips:
        deepest = max(account.dips, key=lambda dip: dip.desired - dip.lowest)
        told += f"; {plural(len(account.dips), 'dip')}, deepest {deepest.lowest} of {deepest.desired} needed"
    return told


def _evidence(account: _Account) -> Iterator[Evidence]:
    for one in account.evictions.accepted:
        left = f"{one.grant.healthy} healthy of {one.grant.desired} needed" if one.grant else f"{one.left} ready"
        yield Evidence(one.at_ns, f"{one.name} evicted ({one.whose}), {left} left")
    for action in account.evictions.refused:
        yield Evidence(action.begin_ns, f"eviction of {action.target.name} refused by its disruption budget")
    for problem in account.problems:
        if problem.answer is Answer.FAIL:
            yield Evidence(problem.at_ns, problem.text)
    for stale in account.stale:
        yield Evidence(stale.at_ns, stale.text)
    for dip in account.dips[:SHOWN]:
        yield from dip.evidence
