"""Trouble with one process of a container: it hangs (is stopped), or it is killed."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.errors import ClusterRefused, TimedOut, UsageError
from chaos.faults.base import Field, Until
from chaos.faults.support.containers import Place, container_now, exit_words, not_running, place_of, same_container
from chaos.faults.support.parallel import each
from chaos.faults.support.process_signals import look, signal
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.safety import Inverse
from chaos.wait import until

__all__ = ["ProcessCrash", "ProcessHang"]

STOPPED_DEADLINE_S = 5.0
"""A process stops as soon as it gets the processor next; a starved one needs a moment."""

API_ALLOWANCE_S = 10.0
EXIT_SEEN_S = 11.0
"""The kubelet sees an exit within 1 s, and reports it at the latest with its next status, every 10 s."""

CRASHING = ("KILL", "TERM", "ABRT", "SEGV", "INT", "QUIT")
STOPPED, ENDED = "T", "Z"


@dataclass(frozen=True, slots=True)
class ProcessHang:
    """Stop every process of that name in the targets' containers (SIGSTOP), as if it hung.

    It has landed when the kernel shows each of them in the state T. Healing lets those that still live go on
    (SIGCONT); where the container was restarted, there is nothing left to heal. `container` empty is the pod's first.
    `deadline_s` is how long a scenario that holds until `restarted` waits at most.
    """

    targets: Targets
    process: str = "model-engine"
    container: str = ""
    deadline_s: float = 120.0
    _places: list[Place] = field(default_factory=list, init=False, repr=False, compare=False)
    _fields: list[Field] = field(default_factory=list, init=False, repr=False, compare=False)
    _proofs: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "process-hang"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"stop {self.process} in {self.targets.words}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods whose process hangs."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time: injecting looks for the proof itself."""
        return API_ALLOWANCE_S

    @property
    def restarted(self) -> Until:
        """Every container that hangs was restarted."""

        def seen() -> bool:
            places = [(field, place) for field in self._fields for place in self._places]
            return bool(places) and all(_restarted(field, place) for field, place in places)

        return Until(f"the containers in which {self.process} hangs are restarted", seen, self.deadline_s)

    def inject(self, field: Field) -> str:
        """Stop them, and see them stopped. Return why any of them could not be."""
        self._fields.append(field)
        return each(self.victims, lambda ref: self._hang(field, ref))

    def landed(self, field: Field) -> str:  # noqa: ARG002  # seen when it was injected: a look takes a call into the container
        """Prove it: the kernel shows the state T."""
        return "; ".join(sorted(self._proofs)) if len(self._proofs) == len(self.victims) else ""

    def heal(self, field: Field) -> str:
        """Let those that still live go on. Return which could not be reached, and how to do it by hand."""
        return each([place.pod for place in self._places], lambda ref: self._continue(field, ref))

    def _hang(self, field: Field, ref: Ref) -> str:
        if (place := place_of(field, ref, self.container)) is None:
            return not_running(ref, self.container)
        if reason := field.undo.promise(self._inverse(place), fault=field.fault):
            return f"{ref.name}: {reason}"
        # Before the action: whatever comes in between, the process may be stopped, and has to be let go.
        self._places.append(place)
        sent = signal(field, place, self.process, "STOP")
        if sent.reached == "none":
            self._places.remove(place)
            field.undo.kept(self._inverse(place))
        if sent.reached != "every":
            return sent.reason
        try:
            pids = until(
                lambda: self._stopped(field, place),
                deadline_s=STOPPED_DEADLINE_S,
                awaited=f"{self.process} in {ref.name} stopped",
            )
        except TimedOut as late:
            return late.what
        self._proofs.append(f"{self.process} (process {pids}) in {ref.name} ({ref.uid[:8]}) has state T")
        return ""

    def _stopped(self, field: Field, place: Place) -> str:
        """The ids of the processes of that name, if every one is stopped."""
        seen = look(field, place, self.process) or ()
        return ", ".join(one.pid for one in seen) if seen and all(one.state == STOPPED for one in seen) else ""

    def _continue(self, field: Field, ref: Ref) -> str:
        place = next(one for one in self._places if one.pod == ref)
        try:
            reason = self._let_go(field, place)
        except ClusterRefused as refused:
            reason = refused.what
        inverse = self._inverse(place)
        if not reason:
            field.undo.kept(inverse)
        return f"{reason}; by hand: {inverse.by_hand}" if reason else ""

    def _inverse(self, place: Place) -> Inverse:
        pod, command = place.pod, f"kill -CONT $(pidof {self.process})"
        by_hand = f"kubectl exec -n {pod.namespace} {pod.name} -c {place.container} -- sh -c '{command}'"
        detail = {"container": place.container, "container_id": place.container_id, "process": self.process}
        return Inverse("continue-process", pod, by_hand, detail)

    def _let_go(self, field: Field, place: Place) -> str:
        if not same_container(field, place):
            return ""
        seen = look(field, place, self.process)
        if seen is not None and not any(one.state == STOPPED for one in seen):
            return ""
        reason = signal(field, place, self.process, "CONT").reason
        # It may have ended while we called.
        return reason if reason and same_container(field, place) else ""


@dataclass(frozen=True, slots=True)
class ProcessCrash:
    """Send a deadly signal to every process of that name in the targets' containers.

    It has landed when the watch shows that the container ended (another one runs, or its restart is counted), or when
    the container lives and the process is gone from it. Nothing is left to heal: the kubelet restarts the container.
    """

    targets: Targets
    signal: str = "KILL"
    process: str = "model-engine"
    container: str = ""
    _places: list[Place] = field(default_factory=list, init=False, repr=False, compare=False)
    _gone: list[Ref] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.signal not in CRASHING:
            raise UsageError(f"ProcessCrash.signal: {self.signal!r} is not one of {', '.join(CRASHING)}")

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "process-crash"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"send SIG{self.signal} to {self.process} in {self.targets.words}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods whose process crashes."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The grace that a polite signal leaves, the kubelet's sight of the exit, and the API's own time."""
        return self.targets.grace_s + EXIT_SEEN_S + API_ALLOWANCE_S

    def inject(self, field: Field) -> str:
        """Signal them. Return why any could not be."""
        return each(self.victims, lambda ref: self._crash(field, ref))

    def landed(self, field: Field) -> str:
        """Prove it: the container ended, or the process is gone from it."""
        if not self._places:
            return ""
        words = [self._ended(field, place) for place in self._places]
        return "; ".join(words) if all(words) else ""

    def heal(self, field: Field) -> str:  # noqa: ARG002  # the role's shape
        """Nothing is left to undo: the kubelet restarts the container."""
        return ""

    def _crash(self, field: Field, ref: Ref) -> str:
        if (place := place_of(field, ref, self.container)) is None:
            return not_running(ref, self.container)
        sent = signal(field, place, self.process, self.signal)
        if sent.reached in ("none", "some"):
            return sent.reason
        self._places.append(place)
        seen = look(field, place, self.process)
        if seen is not None and all(one.state == ENDED for one in seen):
            self._gone.append(ref)
        return ""

    def _ended(self, field: Field, place: Place) -> str:
        who = f"{place.pod.name} ({place.pod.uid[:8]})"
        if (now := container_now(field, place)) is not None:
            ended = (now.raw.get("state") or {}).get("terminated") or (
                now.last_exit if now.id != place.container_id else {}
            )
            if now.restarts > place.restarts or ended:
                return f"container {place.container} of {who} ended: {exit_words(ended or now.last_exit)}"
        return f"{self.process} is gone from {who}" if place.pod in self._gone else ""


def _restarted(field: Field, place: Place) -> bool:
    now = container_now(field, place)
    return now is not None and now.restarts > place.restarts
