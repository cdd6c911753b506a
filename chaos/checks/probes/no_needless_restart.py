"""Always: no container is restarted, except by a fault that should restart it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, unknown, watched
from chaos.checks.formatting import plural
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import UsageError
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, struck_container
from chaos.objects.pod import PodView

__all__ = ["NoNeedlessRestart", "NoNeedlessRestartDetail", "NoRestartLoop", "NoRestartLoopDetail"]

RESTARTING = ("process-hang", "process-crash", "memory-hog")
"""The faults that a container should be restarted for, once each."""

NO_POD = unknown("the pods", "no pod was seen", "a trial whose pods are watched without a gap")


@dataclass(frozen=True, slots=True)
class NoNeedlessRestartDetail:
    """How many restarts there were, how many of them without need, and of how many pods."""

    restarts: int
    needless: int
    pods: int


@dataclass(frozen=True, slots=True)
class NoNeedlessRestart:
    """No container of the system was restarted, from the first sight of it on, but for its own hang or crash.

    Each fault of a kind in `restarting` excuses one restart of the container that it struck, in each of its victims;
    leave it empty where a fault ends before any restart is due. UNKNOWN where the watch of pods had a gap or did not
    reach to the end of the last phase, or where no pod was seen.
    """

    name: ClassVar[str] = "no-needless-restart"
    Detail: ClassVar[type] = NoNeedlessRestartDetail

    restarting: tuple[str, ...] = RESTARTING

    def __call__(self, history: History) -> Finding:
        lives = pod_lives(history)
        needless = {life.uid: self._needless(history, life) for life in lives}
        restarts = sum(len(moments) for life in lives for moments in life.restarts_ns.values())
        count = sum(map(len, needless.values()))
        return finding(
            self.name,
            "No container is restarted but for a fault that should restart it.",
            [*(_obligation(life, needless[life.uid]) for life in lives), *restarts_watched(history)],
            Summary(
                f"{count} needless of {plural(restarts, 'restart')}, {plural(len(lives), 'pod')}",
                "0 needless restarts",
                detail=NoNeedlessRestartDetail(restarts, count, len(lives)),
            ),
            nothing=NO_POD,
        )

    def _needless(self, history: History, life: PodLife) -> tuple[int, ...]:
        """When the containers of a pod were restarted and no fault excuses it."""
        left = {name: list(moments) for name, moments in life.restarts_ns.items()}
        for fault in history.faults:
            if fault.name in self.restarting and any(ref.uid == life.uid for ref in fault.victims):
                own = left.get(struck_container(fault, life), [])
                excused = next((at_ns for at_ns in own if at_ns > fault.begin_ns), None)
                if excused is not None:
                    own.remove(excused)
        return tuple(sorted(at_ns for moments in left.values() for at_ns in moments))


def _obligation(life: PodLife, needless: tuple[int, ...]) -> Obligation:
    times = plural(len(needless), "time")
    return judged(
        life.who,
        f"{life.name} was restarted {times} without need" if needless else "",
        measured=plural(len(needless), "needless restart"),
        bound="none",
        evidence=tuple(Evidence(at_ns, f"{life.who} was restarted") for at_ns in needless),
    )


def restarts_watched(history: History) -> Iterator[Obligation]:
    """That pods were watched without a gap until the last phase ended, so that no restart can hide."""
    first_ns, last_ns = history.covered_ns.get("Pod", (history.began_ns, history.ended_ns))
    ends = [phase.end_ns for phase in history.phases if phase.end_ns is not None]
    yield from watched(history, ("Pod",), first_ns, max([last_ns, *ends]))
    if not pod_lives(history):
        yield NO_POD


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
        return judged(
            life.who,
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
