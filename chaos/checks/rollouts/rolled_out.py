"""Eventually: a rolling update replaces every pod in time, and stays within its own strategy all the while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.checks.budgets.shortfalls import Shortage
from chaos.checks.rollouts.common import Said, dip_evidence, dips_said, in_time, unseen, weighed, worst
from chaos.checks.rollouts.rollouts import Count, Rollout, counted_within, dips_below, rollout_of
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import seconds
from chaos.history import Fault, History

__all__ = ["RolledOut"]

FAULT = "rolling-update"


@dataclass(frozen=True, slots=True)
class _Course:
    """One rolling update as it went; `counts` from the state before it to its end."""

    fault: Fault
    said: list[Said]
    rollout: Rollout | None = None
    counts: tuple[Count, ...] = ()
    done: Count | None = None
    dips: tuple[Shortage, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Every rolling update was complete within the derived bound: all pods of the new template and Ready, no others.

    All the while no fewer pods were Ready than desired - maxUnavailable, and no more were there than desired +
    maxSurge. Pods that are being deleted count for neither, as Kubernetes documents for Deployments; nor do finished
    ones. If the desired number changed meanwhile, the most lenient one counts.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "rolled-out"

    def __call__(self, history: History) -> Finding:
        """Judge every rolling update of the trial."""
        courses = [_course(history, fault) for fault in history.faults if fault.name == FAULT]
        said = [one for course in courses for one in course.said]
        if not courses:
            said = [Said(Answer.UNKNOWN, "no rolling update was made", "a trial with a rolling update")]
        answer, reason, settle = worst(said)
        shown = max(courses, key=lambda one: max((s.answer for s in one.said), default=Answer.PASS), default=None)
        return Finding(
            check=self.name,
            answer=answer,
            rule="A rolling update replaces every pod in time, within maxUnavailable and maxSurge.",
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
    until_ns = history.ended_ns if rollout.next_ns is None else rollout.next_ns
    counts = tuple(counted_within(history, rollout.made, rollout.changed_ns, until_ns))
    done = next((one for one in counts if one.complete), None)
    end_ns = until_ns if done is None else done.at_ns
    if done is not None:
        counts = counts[: counts.index(done) + 1]
    dips = dips_below(history, rollout.floor, rollout.changed_ns, end_ns)
    said = [
        *unseen(history, fault, fault.begin_ns, _watched_ns(history, end_ns)),
        *dips_said(rollout, dips),
        *_excess(rollout, counts),
        *in_time(rollout.bound(history, rollout.made), rollout.changed_ns, done, _watched_ns(history, until_ns)),
    ]
    return _Course(fault, weighed(said), rollout, counts, done, dips)


def _watched_ns(history: History, at_ns: int) -> int:
    """A moment, or the last at which pods were watched if that was before."""
    return min(at_ns, history.covered_ns.get("Pod", (at_ns, at_ns))[1])


def _excess(rollout: Rollout, counts: tuple[Count, ...]) -> Iterator[Said]:
    most = max((one.active for one in counts), default=0)
    if most > rollout.ceiling:
        yield Said(Answer.FAIL, f"{most} pods were there at once, desired and maxSurge make {rollout.ceiling}")


def _limit(history: History, course: _Course | None) -> str:
    if course is None or course.rollout is None:
        return "complete within the derived bound"
    rollout = course.rollout
    bound = rollout.bound(history, rollout.made)
    return f"at least {rollout.floor} ready, at most {rollout.ceiling} pods, bound {bound.total_s:g} s"


def _measured(course: _Course | None) -> str:
    if course is None or course.rollout is None or not course.counts:
        return "no rollout seen"
    lowest, most = min(one.ready for one in course.counts), max(one.active for one in course.counts)
    took = "not complete"
    if course.done is not None:
        took = f"complete after {seconds(course.done.at_ns - course.rollout.changed_ns):.1f} s"
    return f"{took}, lowest {lowest} ready, at most {most} pods"


def _values(history: History, course: _Course) -> dict[str, Any]:
    rollout, done = course.rollout, course.done
    if rollout is None:
        return {"fault": course.fault.id, "changed_ns": None}
    return {
        "fault": course.fault.id,
        "changed_ns": rollout.changed_ns,
        "done_ns": None if done is None else done.at_ns,
        "seconds": None if done is None else seconds(done.at_ns - rollout.changed_ns),
        "bound_s": rollout.bound(history, rollout.made).total_s,
        "ready_min": min((one.ready for one in course.counts), default=None),
        "ready_floor": rollout.floor,
        "pods_max": max((one.active for one in course.counts), default=None),
        "pods_ceiling": rollout.ceiling,
        "dips": [dip.values for dip in course.dips],
    }


def _evidence(course: _Course) -> Iterator[Evidence]:
    if course.rollout is not None:
        yield Evidence(course.rollout.changed_ns, f"{course.fault.id}: the template was changed")
    for before, count in zip(course.counts, course.counts[1:], strict=False):
        if count.new > before.new:
            yield Evidence(count.at_ns, f"{count.new} of {count.desired} pods of the new template Ready")
    if course.done is not None:
        yield Evidence(course.done.at_ns, "the rollout was complete")
    yield from dip_evidence(course.dips)
