"""Always: no container is restarted, except by a fault that should restart it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import GAPLESS, Summary, finding, judged, timings_of, unknown, watched
from chaos.checks.log_words import with_log_words
from chaos.checks.recovery.node_losses import NODE_NEWS_NS
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import NS
from chaos.errors import UsageError, plural
from chaos.history import Fault, History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, pod_states, struck_container
from chaos.history.facts.replica_counts import node_boots
from chaos.history.facts.reported_reasons import last_state
from chaos.objects.pod import BACK_OFF, PodView
from chaos.semantics import restart_bound, restarts_remembered

__all__ = ["NoNeedlessRestart", "NoNeedlessRestartDetail", "NoRestartLoop", "NoRestartLoopDetail"]

RESTARTING = ("process-hang", "process-crash", "memory-hog", "node-down")
"""The faults that a container should be restarted for, once each: on a node that comes back, each of its pods' own."""

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

    An init container that fails and is started anew counts like any other. Each fault of a kind in `restarting` excuses
    one restart of the container that it struck, in each of its victims, and of those that its kubelet restarts with it
    by a rule of that one; leave it empty where a fault ends before any restart is due. UNKNOWN where that restart came
    so long after the heal that it need not have been for the fault, where word of it came late, where it was for want
    of memory and not for a hang or a crash, where its owners changed the container in place or its node was started
    anew, where the watch of pods had a gap or did not reach to the end of the last phase, or where no pod was seen.
    """

    name: ClassVar[str] = "no-needless-restart"
    Detail: ClassVar[type] = NoNeedlessRestartDetail

    restarting: tuple[str, ...] = RESTARTING

    def __call__(self, history: History) -> Finding:
        lives = pod_lives(history)
        found = {life.uid: self._needless(history, life) for life in lives}
        restarts = sum(len(moments) for life in lives for moments in life.restarts_of_each.values())
        count = sum(len(needless) for needless, _ in found.values())
        return finding(
            self.name,
            "No container is restarted but for a fault that should restart it.",
            [*(_obligation(life, *found[life.uid]) for life in lives), *restarts_watched(history)],
            Summary(
                f"{count} needless of {plural(restarts, 'restart')}, {plural(len(lives), 'pod')}",
                "0 needless restarts",
                detail=NoNeedlessRestartDetail(restarts, count, len(lives)),
            ),
            nothing=NO_POD,
        )

    def _needless(self, history: History, life: PodLife) -> tuple[tuple[int, ...], Mapping[int, str]]:
        """When the containers of a pod were restarted and no fault excuses it, and when others were that are open."""
        left, doubts = {name: list(moments) for name, moments in life.restarts_of_each.items()}, dict[int, str]()
        for fault in history.faults:
            if fault.name not in self.restarting:
                continue
            struck = [struck_container(fault, life)] if any(ref.uid == life.uid for ref in fault.victims) else []
            all_of_it = struck and _restarts_all(history, life, fault)
            if all_of_it or any(ref.kind == "Node" and ref.name == life.node for ref in fault.victims):
                struck = [*left]
            for name in struck:
                own = left.get(name, [])
                excused = next((at_ns for at_ns in own if at_ns > fault.begin_ns), None)
                if excused is not None:
                    own.remove(excused)
                    doubts |= {excused: LATE} if excused > _due_ns(history, fault, life, name) else {}
                    doubts |= {excused: MEMORY} if _ran_out(history, life, name, excused, fault) else {}
                    doubts |= {excused: NEWS} if earliest_ns(history, "Pod", excused) <= fault.begin_ns else {}
        for name, at_ns, why in _brought_about(history, life):
            if at_ns in left.get(name, ()):
                left[name].remove(at_ns)
                doubts[at_ns] = why
        return tuple(sorted(at_ns for moments in left.values() for at_ns in moments)), doubts


LATE = "so long after the fault that it need not have been for it"
NEWS = "with word of it so late that it may have been before the fault"
CHANGED = "as its image or its resources were changed in place"
REBOOTED = "as its node was started anew"
MEMORY = "for want of memory, which is not what the fault does"
SETTLES = {
    LATE: "a trial in which it is restarted in time, or NoNeedlessRestart(restarting=()) where none is due",
    NEWS: GAPLESS,
    MEMORY: "a trial in which no container runs out of memory",
}
UNCHANGED = "a trial in which nobody changes a pod that runs, or starts its node anew"


def _ran_out(history: History, life: PodLife, container: str, at_ns: int, fault: Fault) -> bool:
    """Whether a container was restarted then as it ran out of memory, and not for the fault of its process."""
    pod = PodView(last_state(history, ("Pod",), life.uid, at_ns) or {})
    ended = (one.last_exit.get("reason") for one in pod.containers if one.name == container)
    return fault.name in ("process-hang", "process-crash") and "OOMKilled" in ended


def _restarts_all(history: History, life: PodLife, fault: Fault) -> bool:
    """Whether the end of the container that a fault struck had its kubelet restart all of the pod.

    A rule of that container may ask for it (`restartPolicyRules`, RestartAllContainers), and the pod's condition
    AllContainersRestarting tells that it does (KEP-5532).
    """
    runs, struck = PodView({"spec": life.spec}).runs, struck_container(fault, life)
    rules = [rule for one in runs if one.get("name") == struck for rule in one.get("restartPolicyRules") or ()]
    if not any(rule.get("action") == "RestartAllContainers" for rule in rules):
        return False
    since = (pod for at_ns, pod in pod_states(history, life.uid) if at_ns > fault.begin_ns)
    return any(pod.condition("AllContainersRestarting").get("status") == "True" for pod in since)


def _brought_about(history: History, life: PodLife) -> Iterator[tuple[str, int, str]]:
    """The restarts that take up a change of their container, or of the node's own start: container, moment, and why."""
    bound_ns = round(restart_bound(life.spec, timings_of(history)).total_s * NS)
    begun = [(name, at_ns, CHANGED) for name, moments in life.changed_ns.items() for at_ns in moments]
    boots = node_boots(history).get(life.node, ())
    begun += [(name, at_ns - NODE_NEWS_NS, REBOOTED) for at_ns in boots for name in life.restarts_of_each]
    for name, since_ns, why in begun:
        moments = life.restarts_of_each.get(name, ())
        if (first := next((one for one in moments if since_ns <= one <= since_ns + bound_ns), None)) is not None:
            yield name, first, why


def _due_ns(history: History, fault: Fault, life: PodLife, container: str) -> int:
    """Until when a restart may come of a fault: its bound after the heal, whatever the fault had still to set off."""
    timings = timings_of(history)
    count = restarts_remembered(life.all_restarts_ns, fault.begin_ns, timings, container=container)
    bound = restart_bound(life.spec, timings, container=container, restarts=count)
    return (history.ended_ns if fault.healed_ns is None else fault.healed_ns) + round(bound.total_s * NS)


def _obligation(life: PodLife, needless: tuple[int, ...], doubts: Mapping[int, str]) -> Obligation:
    reason = settle = ""
    if needless:
        reason = f"{life.name} was restarted {plural(len(needless), 'time')} without need"
    elif doubts:
        reason = f"{life.name} was restarted {', and '.join(dict.fromkeys(doubts.values()))}"
        settle = next((SETTLES[why] for why in doubts.values() if why in SETTLES), UNCHANGED)
    return judged(
        life.who,
        reason,
        settle,
        measured=plural(len(needless), "needless restart"),
        bound="none",
        evidence=tuple(Evidence(at_ns, f"{life.who} was restarted") for at_ns in (*needless, *doubts)),
    )


def restarts_watched(history: History) -> Iterator[Obligation]:
    """That pods were watched without a gap until the last phase ended, so that no restart can hide."""
    first_ns, last_ns = history.covered_ns.get("Pod", (history.began_ns, history.ended_ns))
    ends = [phase.end_ns for phase in history.phases if phase.end_ns is not None]
    yield from watched(history, ("Pod",), first_ns, max([last_ns, *ends]))
    if not pod_lives(history):
        yield NO_POD


@dataclass(frozen=True, slots=True)
class NoRestartLoopDetail:
    """The most restarts of any container, how many pods had too many, and of how many pods."""

    restarts_most: int
    looping: int
    pods: int


@dataclass(frozen=True, slots=True)
class NoRestartLoop:
    """No container of the system was restarted more than `restarts_max` times in the trial.

    One restart is a recovery; more of the same container mean that starting anew does not help, or that what asks for
    it is wrong: a liveness probe that load alone can fail, a start that takes longer than liveness waits, or an init
    container that fails again and again. The kubelet's own word for it, CrashLoopBackOff, is shown as evidence; a
    single crash brings it too, so it decides nothing.
    UNKNOWN where so many were only to take up changes in place or a node's start, and where the watch of pods had a
    gap, did not reach to the end of the last phase, or saw no pod.
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
        counts = [len(_most_restarted(life)) for life in lives]
        most = max(counts, default=0)
        return finding(
            self.name,
            "No pod is restarted again and again.",
            with_log_words(history, [*(self._obligation(history, life) for life in lives), *restarts_watched(history)]),
            Summary(
                f"{most} at most, {plural(len(lives), 'pod')}",
                f"{plural(self.restarts_max, 'restart')} a container",
                detail=NoRestartLoopDetail(most, sum(count > self.restarts_max for count in counts), len(lives)),
                evidence=_back_offs(history, {life.uid for life in lives}),
            ),
            nothing=NO_POD,
        )

    def _obligation(self, history: History, life: PodLife) -> Obligation:
        asked = {(name, at_ns): why for name, at_ns, why in _brought_about(history, life)}
        moments = _most_restarted(life)
        looping = len(moments) > self.restarts_max
        each = life.restarts_of_each.items()
        own = max((sum((name, at_ns) not in asked for at_ns in found) for name, found in each), default=0)
        excused = looping and own <= self.restarts_max
        why = f", also {', and '.join(dict.fromkeys(asked.values()))}" if excused else ""
        return judged(
            life.who,
            f"{life.name} was restarted {plural(len(moments), 'time')}{why}" if looping else "",
            UNCHANGED if excused else "",
            measured=plural(len(moments), "restart"),
            bound=f"at most {self.restarts_max}",
            evidence=tuple(Evidence(at_ns, f"{life.who} was restarted") for at_ns in moments) if looping else (),
        )


def _most_restarted(life: PodLife) -> tuple[int, ...]:
    """The restarts of the container of a pod that had the most: the kubelet counts, and waits, for each by itself."""
    return max(life.restarts_of_each.values(), key=len, default=())


def _back_offs(history: History, uids: set[str]) -> tuple[Evidence, ...]:
    """The first time that each pod was seen to wait in a back-off, for each of its restarts."""
    seen: dict[tuple[str, int], Evidence] = {}
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        if pod.uid in uids and any(one.waiting == BACK_OFF for one in (*pod.containers, *pod.preparing)):
            waits = Evidence(event.at_ns, f"{pod.name} ({pod.uid[:8]}) waits to be started again: {BACK_OFF}")
            count = sum(one.restarts for one in (*pod.containers, *pod.preparing))
            seen.setdefault((pod.uid, count), waits)
    return tuple(seen.values())
