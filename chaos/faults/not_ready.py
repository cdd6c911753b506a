"""Take replicas out of the traffic without hurting them: their readiness fails, their liveness does not."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.faults.base import Fault, Injection, each
from chaos.faults.containers import Place, not_running, place_of, signal
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.semantics import Probe

__all__ = ["NotReady"]


@dataclass(frozen=True, slots=True)
class NotReady(Fault):
    """Have every target report that it is not ready, by a signal that its server takes for that, and back by another.

    The reference model takes USR1 and USR2 so. A server that does not know the signal ends by it: name the process and
    the signals of your own. It has landed when the watch shows each target not Ready, in the container that it had.
    Healing sends the other signal; where the container was restarted there is nothing left to heal.
    """

    name: ClassVar[str] = "not-ready"
    permissions: ClassVar[tuple[Right, ...]] = EXEC

    targets: Targets
    process: str = "model-server"
    off: str = "USR1"
    on: str = "USR2"
    container: str = ""

    @property
    @override
    def words(self) -> str:
        return f"make {self.targets.words} report that it is not ready"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return self.targets.refs

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Send the signal to every target."""
        return _Signalled(self, context)


class _Signalled(Injection):
    def __init__(self, fault: NotReady, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._places: list[Place] = []
        self.missed = each(fault.victims, self._signal)
        bounds = (_detection_s(self._pod(place), place) for place in self._places)
        self.landing_deadline_s += max(bounds, default=0.0)

    @override
    def landed(self) -> str:
        """The watch shows each of them not Ready, in the same container."""
        pods = [(place, self._pod(place)) for place in self._places]
        seen = [
            f"{pod.name} ({pod.uid[:8]}) is not Ready"
            for place, pod in pods
            if pod and not pod.ready_condition and _restarts(pod, place) == place.restarts
        ]
        return "; ".join(seen) if seen and len(seen) == len(self._fault.victims) else ""

    def _signal(self, ref: Ref) -> str:
        fault, context = self._fault, self.context
        if (place := place_of(context.recorder, ref, fault.container)) is None:
            return not_running(ref, fault.container)
        command = f"kill -{fault.on} $(pidof {fault.process})"
        manual = f"kubectl exec -n {ref.namespace} {ref.name} -c {place.container} -- sh -c '{command}'"
        detail = {"container": place.container, "container_id": place.container_id, "process": fault.process}
        entry = UndoEntry("signal-process", ref, manual, detail | {"signal": fault.on})
        if reason := context.record(entry):
            return f"{ref.name}: {reason}"
        sent = signal(context, place, fault.process, fault.off)
        if sent.reached == "none":
            context.discard(entry)
        else:
            self._places.append(place)
        return "" if sent.reached == "every" else sent.reason

    def _pod(self, place: Place) -> PodView | None:
        pods = map(PodView, self.context.recorder.objects("Pod"))
        return next((pod for pod in pods if pod.uid == place.pod.uid), None)


def _restarts(pod: PodView, place: Place) -> int:
    return next((one.restarts for one in pod.containers if one.name == place.container), -1)


def _detection_s(pod: PodView | None, place: Place) -> float:
    """How long the container's readiness probe may take to see it; 0 without one, and then nothing lands."""
    for container in (pod.spec.get("containers") or ()) if pod else ():
        if container["name"] == place.container and (probe := Probe.of(container, "readinessProbe")):
            return probe.hang_detection_s
    return 0.0
