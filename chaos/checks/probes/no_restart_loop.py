"""Always: no container is started again and again, and none waits in a back-off for the next try."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.probes.no_needless_restart import restart_doubts, restarts_seen
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.errors import UsageError
from chaos.history import History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.objects.pod import PodView

__all__ = ["NoRestartLoop"]

BACK_OFF = "CrashLoopBackOff"


@dataclass(frozen=True, slots=True)
class NoRestartLoop:
    """No pod of the system was restarted more than `restarts_max` times in the trial.

    One restart is a recovery; more of the same pod mean that starting anew does not help, or that what asks for it is
    wrong: a liveness probe that load alone can fail, or a start that takes longer than liveness waits. The kubelet's
    own word for it, CrashLoopBackOff, is told as evidence; a single crash brings it too, so it decides nothing. UNKNOWN
    where the watch of pods had a gap, did not reach to the end of the last phase, or saw no pod.
    Source: Kubernetes, "Pod Lifecycle", how pods handle problems with containers.
    """

    restarts_max: int = 1

    def __post_init__(self) -> None:
        if self.restarts_max < 0:
            raise UsageError(f"NoRestartLoop.restarts_max: {self.restarts_max} is less than 0")

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "no-restart-loop"

    def __call__(self, history: History) -> Finding:
        """Count the restarts of every pod."""
        lives = pod_lives(history)
        names = {life.uid: life.name for life in lives}
        restarts = {uid: seen for uid, seen in restarts_seen(history, set(names)).items() if seen}
        looping = {uid: seen for uid, seen in restarts.items() if len(seen) > self.restarts_max}
        doubts = restart_doubts(history, lives)
        answer = Answer.FAIL if looping else Answer.UNKNOWN if doubts else Answer.PASS
        most = max(map(len, restarts.values()), default=0)
        told = ", ".join(f"{names[uid]} {plural(len(seen), 'time')}" for uid, seen in looping.items())
        return Finding(
            check=self.name,
            answer=answer,
            rule="No pod is restarted again and again.",
            limit=f"{plural(self.restarts_max, 'restart')} a pod",
            measured=f"{most} at most, {plural(len(lives), 'pod')}",
            reason=f"restarted: {told}" if told else "; ".join(doubts),
            settle="a trial whose pods are watched without a gap" if answer is Answer.UNKNOWN else "",
            detail={"restarts_most": most, "looping": len(looping), "pods": len(lives)},
            evidence=(
                *(
                    Evidence(at_ns, f"{names[uid]} ({uid[:8]}) was restarted")
                    for uid in looping
                    for at_ns in looping[uid]
                ),
                *_back_offs(history, set(names)),
            ),
        )


def _back_offs(history: History, uids: set[str]) -> tuple[Evidence, ...]:
    """The first time that each pod was seen to wait in a back-off, for each of its restarts."""
    seen: Counter[tuple[str, int]] = Counter()
    told = []
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        if pod.uid in uids and any(one.waiting == BACK_OFF for one in pod.containers):
            seen[pod.uid, pod.restarts] += 1
            if seen[pod.uid, pod.restarts] == 1:
                told.append(Evidence(event.at_ns, f"{pod.name} ({pod.uid[:8]}) waits to be started again: {BACK_OFF}"))
    return tuple(told)
