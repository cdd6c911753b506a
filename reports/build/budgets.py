"""Disruption budgets as their controller counted, and the evictions that were asked for beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chaos.checks.budgets.evictions import EVICT, refused_by_budget, rehearsed
from chaos.checks.budgets.model import EVICTED
from chaos.history import Action, History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from reports.build.coverage import missing_of
from reports.build.step_series import States, line, states_of
from reports.model.cluster import BudgetCourse, EvictionMark
from reports.model.parts import Missing, Moment, StepLine

__all__ = ["budget_courses"]

KIND = "PodDisruptionBudget"
UNCOUNTED = "its controller has not counted by this wish yet"


def budget_courses(history: History) -> tuple[BudgetCourse, ...]:
    """One course a disruption budget, those with evictions first; then evictions that none bound."""
    missing = missing_of(history, KIND)
    pods = _pods(history)
    marks = sorted(_marks(history, pods), key=lambda pair: pair[1].at_ns)
    budgets = states_of(history, KIND, PodDisruptionBudgetView)
    unbound = dict.fromkeys(range(len(marks)))
    courses = []
    for uid, states in budgets.items():
        mine = [k for k, (pod_uid, mark) in enumerate(marks) if _binds(states, pods.get(pod_uid), mark.at_ns)]
        for k in mine:
            unbound.pop(k, None)
        courses.append(_course(history, uid, states, [marks[k][1] for k in mine], missing))
    courses.sort(key=lambda course: -len(course.evictions))
    if unbound:
        nothing = StepLine((), history.ended_ns, history.ended_ns, ())
        courses.append(BudgetCourse("", "", (), nothing, nothing, nothing, tuple(marks[k][1] for k in unbound)))
    return tuple(courses)


def _course(
    history: History,
    uid: str,
    states: States[PodDisruptionBudgetView],
    marks: Sequence[EvictionMark],
    missing: tuple[Missing, ...],
) -> BudgetCourse:
    def of(name: str) -> StepLine:
        def read(view: PodDisruptionBudgetView) -> int | None:
            return getattr(view, name) if view.up_to_date else None

        return line(history, states, read, missing=missing, unknown=UNCOUNTED)

    wishes: list[Moment] = []
    for at_ns, view in states:
        text = "deleted" if view is None else view.bound
        if not wishes or wishes[-1].text != text:
            wishes.append(Moment(at_ns, text))
    name = next(view.name for _, view in states if view is not None)
    return BudgetCourse(uid, name, tuple(wishes), of("allowed"), of("healthy"), of("desired"), tuple(marks))


def _pods(history: History) -> Mapping[str, list[tuple[int, PodView]]]:
    """The states of every pod that an eviction was asked for, or that was evicted, by UID."""
    asked = {action.target.uid for action in history.actions if action.name == EVICT}
    found: dict[str, list[tuple[int, PodView]]] = {}
    for event in history.watch:
        if event.kind == "Pod":
            pod = PodView(event.object)
            if pod.uid in asked or pod.disruption == EVICTED:
                found.setdefault(pod.uid, []).append((event.at_ns, pod))
    return found


def _marks(history: History, pods: Mapping[str, list[tuple[int, PodView]]]) -> Iterator[tuple[str, EvictionMark]]:
    """Every eviction with its pod's UID: ours by the journal, others by the mark that they leave on a replica."""
    ours = {action.target.uid for action in history.actions if action.name == EVICT and action.outcome != "fail"}
    for action in history.actions:
        if action.name == EVICT and not rehearsed(action):
            at_ns = action.begin_ns if action.end_ns is None else action.end_ns
            answer, words = _answer(action)
            yield action.target.uid, EvictionMark(at_ns, action.target.name, answer, words, action.fault or "")
    replicas = {life.uid for life in pod_lives(history)}
    for uid, course in pods.items():
        seen = next(((at_ns, pod) for at_ns, pod in course if pod.disruption == EVICTED), None)
        if seen and uid in replicas and uid not in ours and seen[0] >= history.began_ns:
            yield uid, EvictionMark(seen[0], seen[1].name, "accepted", "asked for by somebody else", "")


def _answer(action: Action) -> tuple[str, str]:
    reason = str(action.detail.get("reason", ""))
    if action.outcome == "ok":
        return "accepted", ""
    if action.outcome == "info":
        return "not known", reason or "no answer came"
    return ("refused" if refused_by_budget(action) else "failed"), reason


def _binds(states: States[PodDisruptionBudgetView], course: Sequence[tuple[int, PodView]] | None, at_ns: int) -> bool:
    """Whether the budget, as it was then, binds the pod; one that the watch never saw is bound by nothing known."""
    budget = [view for when_ns, view in states if when_ns <= at_ns][-1:]
    pods = [pod for when_ns, pod in course or () if when_ns <= at_ns][-1:] or [pod for _, pod in (course or ())[:1]]
    return bool(pods) and bool(budget) and budget[0] is not None and budget[0].selects(pods[0])
