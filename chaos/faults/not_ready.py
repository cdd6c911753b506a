"""A replica that runs and is not Ready: it says so itself, or its kubelet gets no answer to the question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import DRY_RUN, Command, DryRunExecutor, execute
from chaos.errors import UsageError
from chaos.faults.base import API_ALLOWANCE_S, Injection, TargetedFault, each
from chaos.faults.containers import Place, Survey, container_now, not_running, place_of
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.faults.support.own_end import IF_RUN_DIES, Guarded
from chaos.faults.support.probe_requests import Requests, requests_of
from chaos.faults.support.reach import pod_of, reach, surveyed
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.objects.process import chosen
from chaos.safety import UndoEntry
from chaos.safety.undo_rules import BACK_SIGNALS
from chaos.semantics import Probe

__all__ = ["REFERENCE", "NotReady"]

REFERENCE = "model-server"
"""The process of the reference server, which takes USR1 and USR2 so. Others end by a signal that they do not know."""


@dataclass(frozen=True, slots=True)
class NotReady(TargetedFault):
    """Have every target not Ready, while it serves whoever still comes, and Ready again when healed.

    By the first of these that there is: the signals `off` and `on` to the `process` that is named, which has to know
    them; the commands `not_ready` and `ready` of gameday.toml, run in the container; the reference server's own
    signals, if it is that; its node, which drops what its kubelet asks for readiness. Else it is refused, in words.

    It has landed when the watch shows each target not Ready, in the container that it had. Where the container was
    restarted there is nothing left to heal. If our run dies, the signal or the command is sent in the container after
    `OWN_END_S`; what the lab's node drops, it lets pass with the lab's next command.
    """

    name: ClassVar[str] = "not-ready"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = IF_RUN_DIES

    process: str = ""
    off: str = "USR1"
    on: str = "USR2"
    container: str = ""

    def __post_init__(self) -> None:
        if self.on not in BACK_SIGNALS:
            raise UsageError(f"NotReady.on: {self.on!r} is not one of {', '.join(BACK_SIGNALS)}")
        if not self.process and (self.off, self.on) != ("USR1", "USR2"):
            raise UsageError("NotReady.off and on: which process knows these signals is not said", "give process, too")

    @property
    @override
    def words(self) -> str:
        return f"make {self.targets.words} not Ready"

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Do it to every target."""
        return _Unready(self, context)


class _Unready(Guarded):
    def __init__(self, fault: NotReady, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self.missed = each(fault.victims, self._withdraw, otherwise=self.ticker.stop)
        bounds = (_detection_s(pod_of(context, place.pod), place) for place in self.places)
        self.landing_deadline_s += max(bounds, default=0.0)

    @override
    def landed(self) -> str:
        """The watch shows each of them not Ready, in the same container."""
        recorder = self.context.recorder
        found = [(one, pod_of(self.context, one.pod), container_now(recorder, one)) for one in self.places]
        seen = [
            f"{pod.name} ({pod.uid[:8]}) is not Ready"
            for place, pod, now in found
            if pod and not pod.ready_condition and now and now.restarts == place.restarts
        ]
        return "; ".join(seen) if seen and len(seen) == len(self._fault.victims) else ""

    def _withdraw(self, ref: Ref) -> str:
        fault, own = self._fault, self.context.infrastructure.own
        place, pod = place_of(self.context.recorder, ref, fault.container), pod_of(self.context, ref)
        if place is None or pod is None:
            return not_running(ref, fault.container)
        if not Probe.of(_container(pod, place), "readinessProbe"):
            return f"{ref.name}: container {place.container} has no readiness probe, so nothing makes it not Ready"
        if fault.process:
            return self._signal(ref)
        if own.not_ready:
            return self._command(place, own.not_ready, own.ready)
        return self._by_itself_or_node(pod, place)

    def _signal(self, ref: Ref) -> str:
        fault = self._fault
        reached = reach(self.context, ref, fault.container, guarded=True)
        if isinstance(reached, str):
            return reached
        if reached.seen.means == "node" or not chosen(reached.seen.processes, fault.process):
            return f"{ref.name}: no process called {fault.process} that could be sent {fault.off} from inside"
        return self.send(reached.place, fault.process, fault.off, back=fault.on, kind="signal-process")

    def _by_itself_or_node(self, pod: PodView, place: Place) -> str:
        """The reference server says so itself; of any other, nobody asks the container for more than its processes."""
        asked = self._asked(pod, place)
        if isinstance(self.context.executor, DryRunExecutor):
            otherwise = asked if isinstance(asked, str) else f"its node would drop {asked.words}"
            return f"{DRY_RUN}: {pod.name}: by the reference server's own signals, if it is that; else {otherwise}"
        seen = surveyed(self.context, pod, place)
        if isinstance(seen, Survey) and chosen(seen.processes, REFERENCE):
            return self.send(place, REFERENCE, self._fault.off, back=self._fault.on, kind="signal-process")
        if isinstance(asked, Requests):
            return self._drop(pod, place, asked)
        return f"{pod.name}: {asked}" + (f" ({seen})" if isinstance(seen, str) else "")

    def _command(self, place: Place, off: tuple[str, ...], on: tuple[str, ...]) -> str:
        if isinstance(self.context.executor, DryRunExecutor):
            return f"{DRY_RUN}: {place.pod.name}: by {off[0]} in container {place.container}, and back by {on[0]}"
        entry = self.entry("run-ready", place)
        if reason := self.guard(place, on, entry):
            return reason
        command = Command(place.pod, place.container, off, fault=self.context.fault, timeout_s=API_ALLOWANCE_S)
        ran = execute(self.context.cluster, self.context.executor, self.context.journal, command)
        return (
            "" if ran.outcome != "fail" else f"{place.pod.name}: {off[0]} in container {place.container}: {ran.reason}"
        )

    def _asked(self, pod: PodView, place: Place) -> Requests | str:
        """What the node may drop, or why nothing is done at all, and what would allow it."""
        allowing = "name the server's own commands, not_ready and ready under [system] of gameday.toml"
        if self.context.infrastructure.probes is None:
            return f"nothing here drops what its kubelet asks, and no signal is known that the server takes: {allowing}"
        asked = requests_of(pod, place.container)
        return f"{asked}: {allowing}" if isinstance(asked, str) else asked

    def _drop(self, pod: PodView, place: Place, asked: Requests) -> str:
        node = self.context.infrastructure.probes
        assert node is not None
        where = {"node": pod.node, "address": str(pod.status.get("podIP", "")), "port": asked.port}
        entry = UndoEntry("pass-probes", place.pod, "gameday undo", where)
        if reason := self.context.record(entry):
            return f"{pod.name}: {reason}"

        def drop() -> str:
            return node.drop(pod.node, str(where["address"]), asked.port, asked.head)

        if reason := self.context.act("drop-probes", place.pod, drop, by=node.words, requests=asked.words):
            return f"{pod.name}: {reason}"
        self.hold(place, 0.0)
        return ""


def _container(pod: PodView, place: Place) -> dict[str, object]:
    return next((dict(one) for one in pod.runs if one.get("name") == place.container), {})


def _detection_s(pod: PodView | None, place: Place) -> float:
    """How long the container's readiness probe may take to see it; 0 without one, and then nothing lands."""
    probe = Probe.of(_container(pod, place), "readinessProbe") if pod else None
    return probe.hang_detection_s if probe else 0.0
