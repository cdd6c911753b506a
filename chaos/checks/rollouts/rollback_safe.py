"""Always: a bad rollout halts while the old replicas serve, and once it is undone the former release is back whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaos.checks.budgets.shortfalls import Shortage
from chaos.checks.rollouts.common import Said, dip_evidence, dips_said, in_time, unseen, weighed, worst
from chaos.checks.rollouts.rollouts import Count, Rollout, counted_within, dips_below, rollout_of
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import judged_until_ns
from chaos.clock import seconds
from chaos.history import Fault, History

__all__ = ["RollbackSafe"]

FAULT = "bad-rollout"


@dataclass(frozen=True, slots=True)
class _Course:
    """One bad rollout as it went: `bad` are counts of its own template, `back` is when the former was whole again."""

    fault: Fault
    said: list[Said]
    rollout: Rollout | None = None
    bad: tuple[Count, ...] = ()
    back: Count | None = None
    dips: tuple[Shortage, ...] = ()


@dataclass(frozen=True, slots=True)
class RollbackSafe:
    """Every bad rollout halted: no fewer pods were Ready than desired - maxUnavailable, up to the end of its undoing.

    After the heal the Deployment has its former pod template again, and all pods are of it and Ready, within the
    derived bound. A release that became Ready was not bad, and a strategy that lets every pod go promises nothing:
    both are UNKNOWN.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "rollback-safe"

    def __call__(self, history: History) -> Finding:
        """Judge every bad rollout of the trial."""
        courses = [_course(history, fault) for fault in history.faults if fault.name == FAULT]
        said = [one for course in courses for one in course.said]
        if not courses:
            said = [Said(Answer.UNKNOWN, "no bad rollout was made", "a trial with a bad rollout")]
        answer, reason, settle = worst(said)
        shown = max(courses, key=lambda one: max((s.answer for s in one.said), default=Answer.PASS), default=None)
        return Finding(
            check=self.name,
            answer=answer,
            rule="A bad rollout halts while old replicas serve, and its undoing brings the former release back whole.",
            limit=_limit(history, shown),
            measured=_measured(shown),
            reason=reason,
            settle=settle,
            detail={"rollouts": [_values(history, course) for course in courses]},
            evidence=tuple(sorted((e for course in courses for e in _evidence(course)), key=lambda one: one.at_ns)),
        )


def _course(history: History, fault: Fault) -> _Course:
    rollout = rollout_of(history, fault)
    if rollout is None:
        said = [Said(Answer.UNKNOWN, f"{fault.id}: the watch shows no change of the template", "a watched rollout")]
        return _Course(fault, [*said, *unseen(history, fault, fault.begin_ns, fault.begin_ns)])
    until_ns = judged_until_ns(history)
    undone_ns = until_ns if rollout.next_ns is None else rollout.next_ns
    bad = tuple(counted_within(history, rollout.made, rollout.changed_ns, undone_ns))
    back = None
    if rollout.next_ns is not None and rollout.last == rollout.former:
        after = counted_within(history, rollout.former, undone_ns, history.ended_ns + 1)
        back = next((one for one in after if one.complete), None)
    end_ns = until_ns if back is None else back.at_ns
    dips = dips_below(history, rollout.floor, rollout.changed_ns, end_ns)
    said = [
        *unseen(history, fault, fault.begin_ns, end_ns),
        *_halted(rollout, bad),
        *dips_said(rollout, dips),
        *_restored(history, rollout, back, until_ns),
    ]
    return _Course(fault, weighed(said), rollout, bad, back, dips)


def _halted(rollout: Rollout, bad: tuple[Count, ...]) -> Iterator[Said]:
    if not any(one.active > one.others for one in bad):
        yield Said(Answer.UNKNOWN, "no pod of the bad release was seen", "a trial that holds until one is there")
    if any(one.complete for one in bad):
        yield Said(
            Answer.UNKNOWN, "the release became Ready as a whole, so it was not bad", "a release that cannot work"
        )
    if rollout.floor < 1:
        text = f"maxUnavailable lets all of {min(rollout.desired)} pods go, so that none need serve"
        yield Said(Answer.UNKNOWN, text, "a strategy that keeps pods")


def _restored(history: History, rollout: Rollout, back: Count | None, until_ns: int) -> Iterator[Said]:
    if rollout.fault.healed_ns is None:
        yield Said(Answer.UNKNOWN, "the bad rollout was never healed", "a trial that comes to its end")
    elif rollout.last != rollout.former:
        yield Said(Answer.FAIL, "the Deployment's pod template is not the former one, though it was healed")
    elif rollout.next_ns is not None:
        for one in in_time(rollout.bound(history, rollout.former), rollout.next_ns, back, until_ns):
            yield Said(one.answer, f"the former release: {one.text}", one.settle)


def _limit(history: History, course: _Course | None) -> str:
    if course is None or course.rollout is None:
        return "old replicas serve, and the former release is back"
    rollout = course.rollout
    bound = rollout.bound(history, rollout.former)
    return f"at least {rollout.floor} ready, former release back within {bound.total_s:g} s"


def _measured(course: _Course | None) -> str:
    if course is None or course.rollout is None or not course.bad:
        return "no bad rollout seen"
    rollout = course.rollout
    back = "not back whole"
    if course.back is not None and rollout.next_ns is not None:
        back = f"back whole after {seconds(course.back.at_ns - rollout.next_ns):.1f} s"
    stood_s = seconds((rollout.next_ns or course.bad[-1].at_ns) - rollout.changed_ns)
    return f"lowest {min(one.ready for one in course.bad)} ready while it stood for {stood_s:.1f} s, {back}"


def _values(history: History, course: _Course) -> dict[str, Any]:
    rollout, back = course.rollout, course.back
    if rollout is None:
        return {"fault": course.fault.id, "changed_ns": None}
    after_s = None if back is None or rollout.next_ns is None else seconds(back.at_ns - rollout.next_ns)
    return {
        "fault": course.fault.id,
        "changed_ns": rollout.changed_ns,
        "undone_ns": rollout.next_ns,
        "back_ns": None if back is None else back.at_ns,
        "back_after_s": after_s,
        "bound_s": rollout.bound(history, rollout.former).total_s,
        "ready_min": min((one.ready for one in course.bad), default=None),
        "ready_floor": rollout.floor,
        "template_restored": rollout.last == rollout.former,
        "dips": [dip.values for dip in course.dips],
    }


def _evidence(course: _Course) -> Iterator[Evidence]:
    rollout = course.rollout
    if rollout is not None:
        yield Evidence(rollout.changed_ns, f"{course.fault.id}: the template was changed")
        if rollout.next_ns is not None:
            again = "back to the former one" if rollout.last == rollout.former else "to another one"
            yield Evidence(rollout.next_ns, f"the template was changed {again}")
    if course.back is not None:
        yield Evidence(course.back.at_ns, "all pods were of the former template and Ready")
    yield from dip_evidence(course.dips)
