"""What must hold of each refused eviction, and of those accepted past a budget: they were due by what it said then.

This is invariant I3 of kubernetes.md A.3. The answer carries no resourceVersion, so every state of the budget that may
have been in force while the request ran is asked: only if none of them gives this answer is it wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from chaos.checks.budgets.evictions import Evictions
from chaos.checks.budgets.granted import Problem
from chaos.checks.budgets.model import Replay
from chaos.checks.verdict import Answer
from chaos.history import Action, History
from chaos.history.coverage import covered
from chaos.history.facts.revisions import DELIVERY_NS
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, decide_eviction

__all__ = ["judge_refusals", "judge_unready"]

BUDGET = "PodDisruptionBudget"
Course = list[tuple[int, PodView]]


def judge_refusals(history: History, replay: Replay, evictions: Evictions) -> Iterator[Problem]:
    """Each refusal was due."""
    courses = _courses(history, {action.target.uid for action in evictions.refused})
    for action in evictions.refused:
        yield from _refusal(history, replay, action, courses.get(action.target.uid, []))


def judge_unready(history: History, replay: Replay, evictions: Evictions) -> Iterator[Problem]:
    """A pod that was not Ready went uncharged only where its budget's policy lets it (KEP-3017)."""
    for one in evictions.unready:
        before = one.sign.before if one.sign is not None else None
        if before is None or one.lossy or len(one.binding) != 1:
            continue
        record = replay.budgets[one.binding[0]]
        states = record.in_force(one.asked_ns, one.at_ns + DELIVERY_NS)
        seen = covered(history, BUDGET, one.asked_ns, one.at_ns) and not _late(history, one.asked_ns, one.at_ns)
        if not seen or record.aimed_ns >= one.asked_ns or not states:
            continue
        decisions = [decide_eviction(before, _read(view)) for view in states]
        if not any(decision.admitted for decision in decisions):
            yield Problem(Answer.FAIL, one.at_ns, f"{one.name}, not Ready, was evicted though {decisions[0].words}")


def _refusal(history: History, replay: Replay, action: Action, course: Course) -> Iterator[Problem]:
    name, since_ns = action.target.name, action.begin_ns
    until_ns = (since_ns if action.end_ns is None else action.end_ns) + DELIVERY_NS
    pods = [*[pod for at_ns, pod in course if at_ns <= since_ns][-1:]]
    changed = [pod for at_ns, pod in course if since_ns < at_ns <= until_ns]
    if not pods:
        yield Problem(Answer.UNKNOWN, since_ns, f"the watch log knows no pod with the UID of {name}")
        return
    states = [
        view
        for record in replay.budgets.values()
        for view in record.in_force(since_ns, until_ns)
        if view is not None and any(view.selects(pod) for pod in (*pods, *changed))
    ]
    decisions = [decide_eviction(pod, [BudgetState.of(view.raw)]) for pod in (*pods, *changed) for view in states]
    if any(decision.answer == "refused" for decision in decisions):
        return
    if not states or not covered(history, BUDGET, since_ns, until_ns - DELIVERY_NS):
        yield Problem(Answer.UNKNOWN, since_ns, f"the watch shows no disruption budget that refused {name}")
    elif (changed and not pods[0].ready) or _late(history, since_ns, until_ns):
        # A pod that is not Ready is deleted only as it was read; if it changed meanwhile, that is a 429 too.
        return
    else:
        text = f"{name} was refused though {decisions[0].words}"
        yield Problem(Answer.FAIL, since_ns, text)


def _courses(history: History, uids: set[str]) -> Mapping[str, Course]:
    """The states of these pods with the times of receipt."""
    courses: dict[str, Course] = {}
    for event in history.watch:
        if event.kind == "Pod":
            pod = PodView(event.object)
            if pod.uid in uids:
                courses.setdefault(pod.uid, []).append((event.at_ns, pod))
    return courses


def _read(view: PodDisruptionBudgetView | None) -> Iterable[BudgetState]:
    return () if view is None else (BudgetState.of(view.raw),)


def _late(history: History, since_ns: int, until_ns: int) -> bool:
    """Whether news of budgets may have come late just then."""
    return any(span.kind == BUDGET and span.since_ns <= until_ns and span.until_ns >= since_ns for span in history.late)
