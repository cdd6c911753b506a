"""Faults of one process of a container: it hangs (is stopped), or it crashes (is killed)."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import TimedOut, UsageError
from chaos.faults.base import API_ALLOWANCE_S, Awaited, Fault, Injection, Until, each
from chaos.faults.containers import (
    Place,
    container_now,
    ended_words,
    last_end,
    look,
    not_running,
    place_of,
    signal,
)
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.wait import until

__all__ = ["ProcessCrash", "ProcessHang"]

STOPPED_DEADLINE_S = 5.0
"""A process stops as soon as it gets the processor next; a starved one needs a moment."""

EXIT_SEEN_S = 11.0
"""The kubelet sees an exit within 1 s, and reports it at the latest with its next status, every 10 s."""

CRASHING = ("KILL", "TERM", "ABRT", "SEGV", "INT", "QUIT")
STOPPED, ENDED = "T", "Z"


@dataclass(frozen=True, slots=True)
class ProcessHang(Fault):
    """Stop every process of that name in the targets' containers (SIGSTOP), as if it hung.

    It has landed when the kernel shows each of them in the state T. Healing lets those that still live go on
    (SIGCONT); where the container was restarted, there is nothing left to heal. `container` empty is the pod's first.
    `deadline_s` is how long a scenario that holds until `restarted` waits at most.
    """

    name: ClassVar[str] = "process-hang"
    permissions: ClassVar[tuple[Right, ...]] = EXEC

    targets: Targets
    process: str = "model-engine"
    container: str = ""
    deadline_s: float = 120.0

    @property
    @override
    def words(self) -> str:
        return f"stop {self.process} in {self.targets.words}"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return self.targets.refs

    @property
    def restarted(self) -> Awaited:
        """Every container that hangs was restarted."""
        return Awaited(self, "restarted")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Stop them, and see them stopped: to look takes a call into the container, so it is proved only now."""
        return _Hang(self, context)


class _Hang(Injection):
    def __init__(self, fault: ProcessHang, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._places: list[Place] = []
        self._proofs: list[str] = []
        self.missed = each(fault.victims, self._stop)

    @property
    def restarted(self) -> Until:
        """See `ProcessHang.restarted`."""

        def seen() -> bool:
            now = [(container_now(self.context.recorder, place), place) for place in self._places]
            return bool(now) and all(one and one.restarts > place.restarts for one, place in now)

        words = f"the containers in which {self._fault.process} hangs are restarted"
        return Until(words, seen, self._fault.deadline_s)

    @override
    def landed(self) -> str:
        """The kernel showed the state T of each."""
        return "; ".join(sorted(self._proofs)) if len(self._proofs) == len(self._fault.victims) else ""

    def _stop(self, ref: Ref) -> str:
        context, process = self.context, self._fault.process
        if (place := place_of(context.recorder, ref, self._fault.container)) is None:
            return not_running(ref, self._fault.container)
        command = f"kill -CONT $(pidof {process})"
        manual = f"kubectl exec -n {ref.namespace} {ref.name} -c {place.container} -- sh -c '{command}'"
        detail = {"container": place.container, "container_id": place.container_id, "process": process}
        entry = UndoEntry("continue-process", ref, manual, detail)
        if reason := context.record(entry):
            return f"{ref.name}: {reason}"
        sent = signal(context, place, process, "STOP")
        if sent.reached == "none":
            context.discard(entry)
            return sent.reason
        self._places.append(place)
        if sent.reached != "every":
            return sent.reason
        try:
            pids = until(
                lambda: self._stopped(place),
                deadline_s=STOPPED_DEADLINE_S,
                awaited=f"{process} in {ref.name} stopped",
            )
        except TimedOut as late:
            return late.what
        self._proofs.append(f"{process} (process {pids}) in {ref.name} ({ref.uid[:8]}) has state T")
        return ""

    def _stopped(self, place: Place) -> str:
        """The ids of the processes of that name, if every one is stopped."""
        seen = look(self.context, place, self._fault.process) or ()
        return ", ".join(one.pid for one in seen) if seen and all(one.state == STOPPED for one in seen) else ""


@dataclass(frozen=True, slots=True)
class ProcessCrash(Fault):
    """Send a deadly signal to every process of that name in the targets' containers.

    It has landed when the watch shows that the container ended (another one runs, or its restart is counted), or when
    the container lives and the process is gone from it. Nothing is left to heal: the kubelet restarts the container.
    """

    name: ClassVar[str] = "process-crash"
    permissions: ClassVar[tuple[Right, ...]] = EXEC

    targets: Targets
    signal: str = "KILL"
    process: str = "model-engine"
    container: str = ""

    def __post_init__(self) -> None:
        if self.signal not in CRASHING:
            raise UsageError(f"ProcessCrash.signal: {self.signal!r} is not one of {', '.join(CRASHING)}")

    @property
    @override
    def words(self) -> str:
        return f"send SIG{self.signal} to {self.process} in {self.targets.words}"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return self.targets.refs

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The grace that a polite signal leaves, the kubelet's sight of the exit, and the API's own time."""
        return self.targets.grace_s + EXIT_SEEN_S + API_ALLOWANCE_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Signal them; landed when each container ended, or the process is gone from it."""
        places: list[Place] = []
        gone: list[Ref] = []

        def crash(ref: Ref) -> str:
            if (place := place_of(context.recorder, ref, self.container)) is None:
                return not_running(ref, self.container)
            sent = signal(context, place, self.process, self.signal)
            if sent.reached in ("none", "some"):
                return sent.reason
            places.append(place)
            seen = look(context, place, self.process)
            if seen is not None and all(one.state == ENDED for one in seen):
                gone.append(ref)
            return ""

        def ended(place: Place) -> str:
            now = container_now(context.recorder, place)
            if now is not None and ((end := last_end(now, place)) or now.restarts > place.restarts):
                return ended_words(place, end or now.last_exit)
            return f"{self.process} is gone from {place.pod.name} ({place.pod.uid[:8]})" if place.pod in gone else ""

        def proof() -> str:
            proofs = [ended(place) for place in places]
            return "; ".join(proofs) if proofs and all(proofs) else ""

        return Injection(self, context, proof, missed=each(self.victims, crash))
