"""Faults of the processes of a container: they hang (are stopped), or crash (are killed)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import TimedOut, UsageError
from chaos.faults.base import API_ALLOWANCE_S, NOTHING_LEFT, Awaited, Injection, TargetedFault, Until, each
from chaos.faults.containers import EXIT_SEEN_S, Place, container_now, ended_words, last_end, look, signal
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.faults.support.own_end import BY_ITSELF, IF_RUN_DIES, Guarded
from chaos.faults.support.reach import Reached, reach
from chaos.faults.support.ways import Way, asked_for, crash_way, hang_way
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.objects.process import chosen
from chaos.safety import UndoEntry
from chaos.semantics import restart_bound
from chaos.wait import until

__all__ = ["ProcessCrash", "ProcessHang"]

STOPPED_DEADLINE_S = 5.0
"""A process stops as soon as it gets the processor next; a starved one needs a moment."""

LEAST_S = 120.0
"""A restart is awaited at least so long: it need not be a probe's."""

CRASHING = ("KILL", "TERM", "ABRT", "SEGV", "INT", "QUIT")
STOPPED, ENDED = "T", "Z"


@dataclass(frozen=True, slots=True)
class ProcessHang(TargetedFault):
    """Stop processes of the targets' containers, as if they hung.

    Which: `process` names them, or is `*` for every one; empty, the one of gameday.toml, else the one that holds the
    most memory. They get SIGSTOP through exec, and it has landed when the kernel shows each of them in the state T; or
    the node freezes the container, where it can and that is what fits, and it has landed when the kernel says so.
    Healing lets those that still live go on; where the container was restarted, there is nothing left to heal. If our
    run dies, what got a signal goes on by itself after `OWN_END_S`; what the lab froze, with the lab's next command.
    `container` empty is the pod's first. `deadline_s`: how long `restarted` is awaited, by default as long as the
    probes and the grace of the pods permit.
    """

    name: ClassVar[str] = "process-hang"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    silent: ClassVar[bool] = True
    if_run_dies: ClassVar[str] = IF_RUN_DIES

    process: str = ""
    container: str = ""
    deadline_s: float | None = None

    @property
    @override
    def words(self) -> str:
        return f"stop {_named(self.process)} in {self.targets.words}"

    @property
    def restarted(self) -> Awaited:
        """Every container that hangs was restarted."""
        return Awaited(self, "restarted")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Stop them, and see them stopped: to look takes a call into the container, so it is proved only now."""
        return _Hang(self, context)


def _named(process: str) -> str:
    return {"": "the largest process, or the one of gameday.toml,", "*": "every process"}.get(process, process)


class _Hang(Guarded):
    def __init__(self, fault: ProcessHang, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._proofs: list[str] = []
        self.missed = each(fault.victims, self._stop, otherwise=self.ticker.stop)

    @property
    def restarted(self) -> Until:
        """See `ProcessHang.restarted`."""

        def seen() -> bool:
            now = [(container_now(self.context.recorder, place), place) for place in self.places]
            return bool(now) and all(one and one.restarts > place.restarts for one, place in now)

        return Until("the containers that hang are restarted", seen, self._fault.deadline_s or self._patience_s())

    def _patience_s(self) -> float:
        """How long the kubelet may take to restart them all."""
        specs = {pod.uid: pod.spec for pod in map(PodView, self.context.recorder.objects("Pod"))}
        bounds = (
            restart_bound(
                specs.get(one.pod.uid, {}), self.context.timings, container=one.container, restarts=one.restarts
            )
            for one in self.places
        )
        return max([LEAST_S, *(bound.total_s for bound in bounds)])

    @override
    def landed(self) -> str:
        """The kernel showed each of them stopped."""
        return "; ".join(sorted(self._proofs)) if len(self._proofs) == len(self._fault.victims) else ""

    def _stop(self, ref: Ref) -> str:
        reached = reach(self.context, ref, self._fault.container, guarded=True)
        if isinstance(reached, str):
            return reached
        below = self.context.infrastructure
        way = hang_way(reached.seen, asked_for(self._fault.process, below), below)
        if way.means == "none":
            return f"{ref.name}: {way.words}"
        return self._freeze(reached) if way.means == "node" else self._signal(reached.place, way)

    def _signal(self, place: Place, way: Way) -> str:
        if reason := self.send(place, way.process, "STOP", back="CONT", kind="continue-process"):
            return reason
        awaited = f"{way.name} in {place.pod.name} stopped"
        try:
            pids = until(lambda: self._stopped(place, way), deadline_s=STOPPED_DEADLINE_S, awaited=awaited)
        except TimedOut as late:
            return late.what
        stays = f", through the ephemeral container {place.through}, which stays in the pod" if place.through else ""
        where = f"{place.pod.name} ({place.pod.uid[:8]})"
        self._proofs.append(f"{way.name} (process {pids}) in {where} has state T{stays}; {BY_ITSELF}")
        return ""

    def _stopped(self, place: Place, way: Way) -> str:
        """The ids of these processes, if every one that lives is stopped."""
        seen = [one for one in look(self.context, place, way.process) or () if one.state != ENDED]
        return ", ".join(one.pid for one in seen) if seen and all(one.state == STOPPED for one in seen) else ""

    def _freeze(self, reached: Reached) -> str:
        place, node, nodes = reached.place, reached.seen.pod.node, self.context.infrastructure.containers
        if nodes is None:
            return f"{place.pod.name}: its node cannot freeze a container"
        where = {"node": node, "container": place.container, "container_id": place.container_id}
        entry = UndoEntry("thaw-container", place.pod, "gameday undo", where)
        if reason := self.context.record(entry):
            return f"{place.pod.name}: {reason}"
        freeze = self.context.act(
            "freeze", place.pod, lambda: nodes.freeze(node, place.container_id), by=nodes.words, **where
        )
        if freeze:
            return f"{place.pod.name}: {freeze}"
        self.hold(place, 0.0)
        if not nodes.frozen(node, place.container_id):
            return f"{place.pod.name}: the kernel does not say that container {place.container} stands still"
        count = len(reached.seen.processes)
        self._proofs.append(
            f"container {place.container} of {place.pod.name} ({place.pod.uid[:8]}) is frozen by {nodes.words}, with "
            f"the {count} processes that were seen in it"
        )
        return ""


@dataclass(frozen=True, slots=True)
class ProcessCrash(TargetedFault):
    """Send a deadly signal to processes of the targets' containers; which ones, as for `ProcessHang`.

    Process 1 takes it only from its node, where that can send it. It has landed when the watch shows that the container
    ended (another one runs, or its restart is counted), or when the container lives and the process is gone from it.
    Nothing is left to heal: the kubelet restarts the container.
    """

    name: ClassVar[str] = "process-crash"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = NOTHING_LEFT

    signal: str = "KILL"
    process: str = ""
    container: str = ""

    def __post_init__(self) -> None:
        if self.signal not in CRASHING:
            raise UsageError(f"ProcessCrash.signal: {self.signal!r} is not one of {', '.join(CRASHING)}")

    @property
    @override
    def words(self) -> str:
        return f"send SIG{self.signal} to {_named(self.process)} in {self.targets.words}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The grace that a polite signal leaves, the kubelet's sight of the exit, and the API's own time."""
        return self.targets.grace_s + EXIT_SEEN_S + API_ALLOWANCE_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Signal them; landed when each container ended, or the process is gone from it."""
        return _Crash(self, context)


class _Crash(Injection):
    def __init__(self, fault: ProcessCrash, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._places: list[tuple[Place, Way]] = []
        self._gone: list[Ref] = []
        self.missed = each(fault.victims, self._crash)

    @override
    def landed(self) -> str:
        """Each container ended, or the process is gone from it."""
        proofs = [self._ended(*one) for one in self._places]
        return "; ".join(proofs) if proofs and all(proofs) else ""

    def _crash(self, ref: Ref) -> str:
        reached = reach(self.context, ref, self._fault.container, guarded=False)
        if isinstance(reached, str):
            return reached
        below = self.context.infrastructure
        way = crash_way(reached.seen, asked_for(self._fault.process, below), self._fault.signal, below)
        if way.means == "none":
            return f"{ref.name}: {way.words}"
        if way.means == "node":
            return self._by_node(reached, way)
        sent = signal(self.context, reached.place, way.process, self._fault.signal)
        if sent.reached in ("none", "some"):
            return sent.reason
        self._places.append((reached.place, way))
        seen = look(self.context, reached.place, way.process)
        if seen is not None and all(one.state == ENDED for one in seen):
            self._gone.append(ref)
        return ""

    def _by_node(self, reached: Reached, way: Way) -> str:
        place, node, nodes = reached.place, reached.seen.pod.node, self.context.infrastructure.containers
        if nodes is None:
            return f"{place.pod.name}: its node cannot kill a process"
        hit = chosen(reached.seen.processes, way.process)

        def kill() -> str:
            return nodes.kill(node, place.container_id, hit, self._fault.signal)

        named = ", ".join(f"{one.name} ({one.pid})" for one in hit)
        reason = self.context.act("kill-process", place.pod, kill, by=nodes.words, processes=named)
        if reason:
            return f"{place.pod.name}: {reason}"
        self._places.append((place, way))
        now = nodes.processes(node, place.container_id)
        if now and all(one.state == ENDED for one in chosen(now, way.process)):  # else the container ended with it
            self._gone.append(place.pod)
        return ""

    def _ended(self, place: Place, way: Way) -> str:
        now = container_now(self.context.recorder, place)
        if now is not None and ((end := last_end(now, place)) or now.restarts > place.restarts):
            return ended_words(place, end or now.last_exit)
        return f"{way.name} is gone from {place.pod.name} ({place.pod.uid[:8]})" if place.pod in self._gone else ""
