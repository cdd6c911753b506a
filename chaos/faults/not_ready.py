"""Take replicas out of the traffic without hurting them: their readiness fails, their liveness does not."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.faults.base import Field
from chaos.faults.support.containers import Place, not_running, place_of, same_container
from chaos.faults.support.parallel import each
from chaos.faults.support.process_signals import signal
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import Inverse
from chaos.semantics import Probe

__all__ = ["NotReady"]

API_ALLOWANCE_S = 10.0


@dataclass(frozen=True, slots=True)
class NotReady:
    """Have every target say that it is not ready, by a signal that its server takes for that, and back by another.

    The reference model takes USR1 and USR2 so. A server that does not know the signal ends by it: name the process and
    the signals of your own. It has landed when the watch shows each target not Ready, in the container that it had.
    Healing sends the other signal; where the container was restarted there is nothing left to heal.
    """

    targets: Targets
    process: str = "model-server"
    off: str = "USR1"
    on: str = "USR2"
    container: str = ""
    _places: list[Place] = field(default_factory=list, init=False, repr=False, compare=False)
    _bounds: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "not-ready"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"make {self.targets.words} say that it is not ready"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods that are to be not Ready."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """What the victims' readiness probes need to see a failure, and the API's own time."""
        return max(self._bounds, default=0.0) + API_ALLOWANCE_S

    def inject(self, field: Field) -> str:
        """Send the signal. Return why any of them could not be told."""
        return each(self.victims, lambda ref: self._tell(field, ref))

    def landed(self, field: Field) -> str:
        """Prove it: the watch shows each of them not Ready, in the same container."""
        if not self._places:
            return ""
        now = {pod.uid: pod for pod in map(PodView, field.recorder.objects("Pod"))}
        seen = [now.get(place.pod.uid) for place in self._places]
        told = [f"{pod.name} ({pod.uid[:8]}) is not Ready" for pod in seen if pod and not pod.ready_condition]
        kept = all(
            pod and _restarts(pod, place) == place.restarts for pod, place in zip(seen, self._places, strict=True)
        )
        return "; ".join(told) if kept and len(told) == len(self.victims) else ""

    def heal(self, field: Field) -> str:
        """Tell those that still run to be ready again. Return which could not be told, and how to do it by hand."""
        return each([place.pod for place in self._places], lambda ref: self._take_back(field, ref))

    def _tell(self, field: Field, ref: Ref) -> str:
        if (place := place_of(field, ref, self.container)) is None:
            return not_running(ref, self.container)
        self._bounds.extend(
            _detection_s(pod, place) for pod in map(PodView, field.recorder.objects("Pod")) if pod.uid == ref.uid
        )
        if reason := field.undo.promise(self._inverse(place), fault=field.fault):
            return f"{ref.name}: {reason}"
        # Before the action: whatever comes in between, it may have been told, and has to be told the contrary.
        self._places.append(place)
        sent = signal(field, place, self.process, self.off)
        if sent.reached == "none":
            self._places.remove(place)
        return "" if sent.reached == "every" else sent.reason

    def _take_back(self, field: Field, ref: Ref) -> str:
        place = next(one for one in self._places if one.pod == ref)
        inverse = self._inverse(place)
        reason = signal(field, place, self.process, self.on).reason if same_container(field, place) else ""
        # It may have ended while we called.
        if not reason or not same_container(field, place):
            field.undo.kept(inverse)
            return ""
        return f"{reason}; by hand: {inverse.by_hand}"

    def _inverse(self, place: Place) -> Inverse:
        pod, command = place.pod, f"kill -{self.on} $(pidof {self.process})"
        by_hand = f"kubectl exec -n {pod.namespace} {pod.name} -c {place.container} -- sh -c '{command}'"
        detail = {"container": place.container, "container_id": place.container_id, "process": self.process}
        return Inverse("tell-process", pod, by_hand, detail | {"signal": self.on})


def _restarts(pod: PodView, place: Place) -> int:
    return next((one.restarts for one in pod.containers if one.name == place.container), -1)


def _detection_s(pod: PodView, place: Place) -> float:
    """How long the container's readiness probe may take to see it; 0 without one, and then nothing lands."""
    for container in pod.spec.get("containers") or ():
        if container["name"] == place.container and (probe := Probe.of(container, "readinessProbe")):
            return probe.hang_detection_s
    return 0.0
