"""Faults of one process of a container: it hangs (is stopped), crashes (is killed), or reports that it is not ready."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from typing_extensions import override

from chaos.clock import boot_s
from chaos.errors import TimedOut, UsageError
from chaos.faults.base import API_ALLOWANCE_S, NOTHING_LEFT, Awaited, Injection, TargetedFault, Until, each
from chaos.faults.containers import (
    EXIT_SEEN_S,
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
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import UndoKind
from chaos.safety.undo_rules import BACK_SIGNALS, by_hand
from chaos.semantics import Probe
from chaos.wait import Ticker, until

__all__ = ["NotReady", "ProcessCrash", "ProcessHang"]

STOPPED_DEADLINE_S = 5.0
"""A process stops as soon as it gets the processor next; a starved one needs a moment."""

CRASHING = ("KILL", "TERM", "ABRT", "SEGV", "INT", "QUIT")
STOPPED, ENDED = "T", "Z"

OWN_END_S = 600.0
"""How long after our last sign of life a watchdog in the container takes back what we sent a process of it."""

BY_ITSELF = f"it ends by itself {OWN_END_S:g} s after our last sign of life"


class _Signalled(Injection):
    """Processes that were sent a signal which another one takes back: ours, or that of the watchdog in the container.

    While we live the watchdog is put off again and again.
    """

    def __init__(self, fault: ProcessHang | NotReady, context: FaultContext, back: str) -> None:
        super().__init__(fault, context)
        self._victims, self._process, self._container = fault.victims, fault.process, fault.container
        self._back = back
        self._places: list[Place] = []
        self._put_off: dict[Ref, float] = {}
        self._ticker = Ticker(self._put_off_all, period_s=OWN_END_S / 4, name=context.fault)

    @override
    def stop(self) -> str:
        """Put the watchdogs off no more. Return which of them may have acted before we did."""
        self._ticker.stop(wait_s=API_ALLOWANCE_S)
        late = sorted(ref.name for ref, put_off in self._put_off.items() if boot_s() - put_off > OWN_END_S)
        self._put_off.clear()
        return f"{', '.join(late)}: the fault may have ended by itself, as its end could not be put off" if late else ""

    def _send(self, ref: Ref, name: str, *, kind: UndoKind) -> str:
        """Record how to take it back, and send it. Return why it did not reach every process of the name."""
        if (place := place_of(self.context.recorder, ref, self._container)) is None:
            return not_running(ref, self._container)
        back = self._back
        detail = {"container": place.container, "container_id": place.container_id, "process": self._process}
        entry = UndoEntry(kind, ref, "", detail | {"signal": back, "own_end_s": OWN_END_S})
        if reason := self.context.record(replace(entry, manual=by_hand(entry))):
            return f"{ref.name}: {reason}"
        began = boot_s()
        sent = signal(self.context, place, self._process, name, back=back, after_s=OWN_END_S)
        if sent.reached == "none":
            self.context.discard(entry)
        else:
            self._places.append(place)
            self._put_off[ref] = began
            self._ticker.start()
        return "" if sent.reached == "every" else sent.reason

    def _put_off_all(self) -> None:
        for place in tuple(self._places):
            if (now := container_now(self.context.recorder, place)) is None or now.id != place.container_id:
                self._put_off.pop(place.pod, None)  # what was sent ended with the container
                continue
            began = boot_s()
            sent = signal(self.context, place, self._process, "0", back=self._back, after_s=OWN_END_S)
            # One that came too late is not made up for: what was put off is another one then.
            if sent.reached == "every" and boot_s() - self._put_off.get(place.pod, -OWN_END_S) < OWN_END_S:
                self._put_off[place.pod] = began


@dataclass(frozen=True, slots=True)
class ProcessHang(TargetedFault):
    """Stop every process of that name in the targets' containers (SIGSTOP), as if it hung.

    It has landed when the kernel shows each of them in the state T. Healing lets those that still live go on
    (SIGCONT); where the container was restarted, there is nothing left to heal.
    `container` empty is the pod's first. `deadline_s`: how long `restarted` is awaited.
    """

    name: ClassVar[str] = "process-hang"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    silent: ClassVar[bool] = True
    if_run_dies: ClassVar[str] = BY_ITSELF

    process: str = "model-engine"
    container: str = ""
    deadline_s: float = 120.0

    @property
    @override
    def words(self) -> str:
        return f"stop {self.process} in {self.targets.words}"

    @property
    def restarted(self) -> Awaited:
        """Every container that hangs was restarted."""
        return Awaited(self, "restarted")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Stop them, and see them stopped: to look takes a call into the container, so it is proved only now."""
        return _Hang(self, context)


class _Hang(_Signalled):
    def __init__(self, fault: ProcessHang, context: FaultContext) -> None:
        super().__init__(fault, context, "CONT")
        self._deadline_s = fault.deadline_s
        self._proofs: list[str] = []
        self.missed = each(fault.victims, self._stop, otherwise=self._ticker.stop)

    @property
    def restarted(self) -> Until:
        """See `ProcessHang.restarted`."""

        def seen() -> bool:
            now = [(container_now(self.context.recorder, place), place) for place in self._places]
            return bool(now) and all(one and one.restarts > place.restarts for one, place in now)

        return Until(f"the containers in which {self._process} hangs are restarted", seen, self._deadline_s)

    @override
    def landed(self) -> str:
        """The kernel showed the state T of each."""
        return "; ".join(sorted(self._proofs)) if len(self._proofs) == len(self._victims) else ""

    def _stop(self, ref: Ref) -> str:
        if reason := self._send(ref, "STOP", kind="continue-process"):
            return reason
        place = next(one for one in self._places if one.pod == ref)
        awaited = f"{self._process} in {ref.name} stopped"
        try:
            pids = until(lambda: self._stopped(place), deadline_s=STOPPED_DEADLINE_S, awaited=awaited)
        except TimedOut as late:
            return late.what
        self._proofs.append(f"{self._process} (process {pids}) in {ref.name} ({ref.uid[:8]}) has state T; {BY_ITSELF}")
        return ""

    def _stopped(self, place: Place) -> str:
        """The ids of the processes of that name, if every one is stopped."""
        seen = look(self.context, place, self._process) or ()
        return ", ".join(one.pid for one in seen) if seen and all(one.state == STOPPED for one in seen) else ""


@dataclass(frozen=True, slots=True)
class ProcessCrash(TargetedFault):
    """Send a deadly signal to every process of that name in the targets' containers.

    It has landed when the watch shows that the container ended (another one runs, or its restart is counted), or when
    the container lives and the process is gone from it. Nothing is left to heal: the kubelet restarts the container.
    """

    name: ClassVar[str] = "process-crash"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = NOTHING_LEFT

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


@dataclass(frozen=True, slots=True)
class NotReady(TargetedFault):
    """Have every target report that it is not ready, by a signal that its server takes for that, and back by another.

    The reference model takes USR1 and USR2 so. A server that does not know the signal ends by it: name the process and
    the signals of your own. It has landed when the watch shows each target not Ready, in the container that it had.
    Healing sends the other signal; where the container was restarted there is nothing left to heal.
    """

    name: ClassVar[str] = "not-ready"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = BY_ITSELF

    process: str = "model-server"
    off: str = "USR1"
    on: str = "USR2"
    container: str = ""

    def __post_init__(self) -> None:
        if self.on not in BACK_SIGNALS:
            raise UsageError(f"NotReady.on: {self.on!r} is not one of {', '.join(BACK_SIGNALS)}")

    @property
    @override
    def words(self) -> str:
        return f"make {self.targets.words} report that it is not ready"

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Send the signal to every target."""
        return _Unready(self, context)


class _Unready(_Signalled):
    def __init__(self, fault: NotReady, context: FaultContext) -> None:
        super().__init__(fault, context, fault.on)
        send = partial(self._send, name=fault.off, kind="signal-process")
        self.missed = each(fault.victims, send, otherwise=self._ticker.stop)
        bounds = (_detection_s(self._pod(place), place) for place in self._places)
        self.landing_deadline_s += max(bounds, default=0.0)

    @override
    def landed(self) -> str:
        """The watch shows each of them not Ready, in the same container."""
        found = [(place, self._pod(place), container_now(self.context.recorder, place)) for place in self._places]
        seen = [
            f"{pod.name} ({pod.uid[:8]}) is not Ready"
            for place, pod, now in found
            if pod and not pod.ready_condition and now and now.restarts == place.restarts
        ]
        return "; ".join(seen) if seen and len(seen) == len(self._victims) else ""

    def _pod(self, place: Place) -> PodView | None:
        pods = map(PodView, self.context.recorder.objects("Pod"))
        return next((pod for pod in pods if pod.uid == place.pod.uid), None)


def _detection_s(pod: PodView | None, place: Place) -> float:
    """How long the container's readiness probe may take to see it; 0 without one, and then nothing lands."""
    for container in (pod.spec.get("containers") or ()) if pod else ():
        if container["name"] == place.container and (probe := Probe.of(container, "readinessProbe")):
            return probe.hang_detection_s
    return 0.0
