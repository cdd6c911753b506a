"""Always: no container is started again and again, and none waits in a back-off for the next try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding
from chaos.checks.formatting import plural
from chaos.checks.probes.no_needless_restart import NO_POD, restarts_watched
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.errors import UsageError
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.pod import PodView

__all__ = ["NoRestartLoop", "NoRestartLoopDetail"]

BACK_OFF = "CrashLoopBackOff"


@dataclass(frozen=True, slots=True)
class NoRestartLoopDetail:
    """The most restarts of any pod, how many pods had too many, and of how many pods."""

    restarts_most: int
    looping: int
    pods: int


@dataclass(frozen=True, slots=True)
class NoRestartLoop:
    """No pod of the system was restarted more than `restarts_max` times in the trial.

    One restart is a recovery; more of the same pod mean that starting anew does not help, or that what asks for it is
    wrong: a liveness probe that load alone can fail, or a start that takes longer than liveness waits. The kubelet's
    own word for it, CrashLoopBackOff, is shown as evidence; a single crash brings it too, so it decides nothing.
    UNKNOWN where the watch of pods had a gap, did not reach to the end of the last phase, or saw no pod.
    Source: Kubernetes, "Pod Lifecycle", how pods handle problems with containers.
    """

    name: ClassVar[str] = "no-restart-loop"
    Detail: ClassVar[type] = NoRestartLoopDetail

    restarts_max: int = 1

    def __post_init__(self) -> None:
        if self.restarts_max < 0:
            raise UsageError(f"NoRestartLoop.restarts_max: {self.restarts_max} is less than 0")

    def __call__(self, history: History) -> Finding:
        """Count the restarts of every pod."""
        lives = pod_lives(history)
        counts = [sum(map(len, life.restarts_ns.values())) for life in lives]
        most = max(counts, default=0)
        return finding(
            self.name,
            "No pod is restarted again and again.",
            [*(self._obligation(life) for life in lives), *restarts_watched(history)],
            Summary(
                f"{most} at most, {plural(len(lives), 'pod')}",
                f"{plural(self.restarts_max, 'restart')} a pod",
                detail=NoRestartLoopDetail(most, sum(count > self.restarts_max for count in counts), len(lives)),
                evidence=_back_offs(history, {life.uid for life in lives}),
            ),
            nothing=NO_POD,
        )

    def _obligation(self, life: PodLife) -> Obligation:
        moments = sorted(at_ns for each in life.restarts_ns.values() for at_ns in each)
        looping = len(moments) > self.restarts_max
        return Obligation(
            life.who,
            Answer.FAIL if looping else Answer.PASS,
            f"{life.name} was restarted {plural(len(moments), 'time')}" if looping else "",
            measured=plural(len(moments), "restart"),
            bound=f"at most {self.restarts_max}",
            evidence=tuple(Evidence(at_ns, f"{life.who} was restarted") for at_ns in moments) if looping else (),
        )


def _back_offs(history: History, uids: set[str]) -> tuple[Evidence, ...]:
    """The first time that each pod was seen to wait in a back-off, for each of its restarts."""
    seen: dict[tuple[str, int], Evidence] = {}
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        if pod.uid in uids and any(one.waiting == BACK_OFF for one in pod.containers):
            waits = Evidence(event.at_ns, f"{pod.name} ({pod.uid[:8]}) waits to be started again: {BACK_OFF}")
            seen.setdefault((pod.uid, pod.restarts), waits)
    return tuple(seen.values())
