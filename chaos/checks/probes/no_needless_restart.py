"""Always: no container is restarted, except by a fault that should restart it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History
from chaos.history.coverage import gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.pod import PodView

__all__ = ["NoNeedlessRestart", "restart_doubts", "restarts_seen"]

RESTARTING = ("process-hang", "process-crash", "memory-hog")
"""The faults that a container should be restarted for, once each."""


@dataclass(frozen=True, slots=True)
class NoNeedlessRestart:
    """No container of the system was restarted, from the first sight of it on, but for its own hang or crash.

    Each fault of a kind in `restarting` excuses one restart of each of its victims; leave it empty where a fault ends
    before any restart is due. UNKNOWN where the watch of pods had a gap or did not reach to the end of the last phase,
    or where no pod was seen.
    """

    restarting: tuple[str, ...] = RESTARTING

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "no-needless-restart"

    def __call__(self, history: History) -> Finding:
        """Count the restarts of every replica."""
        lives = pod_lives(history)
        restarts = restarts_seen(history, {life.uid for life in lives})
        left = {life.uid: self._needless(history, life, restarts.get(life.uid, [])) for life in lives}
        needless = [(life, at_ns) for life in lives for at_ns in left[life.uid]]
        doubts = restart_doubts(history, lives)
        answer = Answer.FAIL if needless else Answer.UNKNOWN if doubts else Answer.PASS
        seen = sum(map(len, restarts.values()))
        told = [f"{life.name} {plural(len(left[life.uid]), 'time')}" for life in lives if left[life.uid]]
        return Finding(
            check=self.name,
            answer=answer,
            rule="No container is restarted but for a fault that should restart it.",
            limit="0 needless restarts",
            measured=f"{len(needless)} needless of {plural(seen, 'restart')}, {plural(len(lives), 'pod')}",
            reason=f"restarted without need: {', '.join(told)}" if told else "; ".join(doubts),
            settle="a trial whose pods are watched without a gap" if answer is Answer.UNKNOWN else "",
            detail={"restarts": seen, "needless": len(needless), "pods": len(lives)},
            evidence=tuple(Evidence(at_ns, f"{life.name} ({life.uid[:8]}) was restarted") for life, at_ns in needless),
        )

    def _needless(self, history: History, life: PodLife, restarts: list[int]) -> tuple[int, ...]:
        """The restarts of a pod that no fault excuses."""
        left = list(restarts)
        for fault in history.faults:
            if fault.name in self.restarting and any(ref.uid == life.uid for ref in fault.victims):
                excused = next((at_ns for at_ns in left if at_ns > fault.begin_ns), None)
                if excused is not None:
                    left.remove(excused)
        return tuple(left)


def restarts_seen(history: History, uids: set[str]) -> dict[str, list[int]]:
    """For each pod by UID when word came of each of its restarts; of two at once, twice the same moment."""
    counts: dict[str, int] = {}
    restarts: dict[str, list[int]] = {}
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        if pod.uid in uids:
            more = pod.restarts - counts.setdefault(pod.uid, pod.restarts)
            restarts.setdefault(pod.uid, []).extend([event.at_ns] * max(0, more))
            counts[pod.uid] = max(counts[pod.uid], pod.restarts)
    return restarts


def restart_doubts(history: History, lives: tuple[PodLife, ...]) -> tuple[str, ...]:
    """Why restarts may have gone unseen; empty if none can have."""
    return tuple(_doubts(history, lives))


def _doubts(history: History, lives: tuple[PodLife, ...]) -> Iterator[str]:
    if "Pod" not in history.covered_ns:
        yield "pods were not watched"
        return
    begin_ns, end_ns = history.covered_ns["Pod"]
    if gaps_in(history, "Pod", begin_ns, end_ns):
        yield "the watch of Pods had a gap"
    until_ns = max((phase.end_ns for phase in history.phases if phase.end_ns is not None), default=history.ended_ns)
    if end_ns < until_ns:
        yield "the watch of Pods ended before the last phase"
    if not lives:
        yield "no pod was seen"
