"""What is done in containers for a while, and ends by itself some time after our last sign of life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from typing_extensions import override

from chaos.clock import boot_s
from chaos.faults.base import API_ALLOWANCE_S, Fault, Injection
from chaos.faults.containers import Place, container_now, put_off, signal
from chaos.faults.context import FaultContext
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import UndoKind
from chaos.safety.undo_rules import by_hand, refusal
from chaos.wait import Ticker

__all__ = ["BY_ITSELF", "IF_RUN_DIES", "OWN_END_S", "Guarded"]

OWN_END_S = 600.0
"""How long after our last sign of life a watchdog in the container takes back what was done in it."""

BY_ITSELF = f"it ends by itself {OWN_END_S:g} s after our last sign of life"

IF_RUN_DIES = f"{BY_ITSELF}; what the lab's node froze or dropped, with the lab's next command"


class Guarded(Injection):
    """What was done in containers and is taken back by another action: ours, or that of the watchdog in each container.

    While we live the watchdogs are put off again and again.
    """

    def __init__(self, fault: Fault, context: FaultContext) -> None:
        super().__init__(fault, context)
        self.places: list[Place] = []
        self._renewals: dict[Ref, Callable[[], bool]] = {}
        self._put_off: dict[Ref, float] = {}
        self.ticker = Ticker(self._put_off_all, period_s=OWN_END_S / 4, name=context.fault)

    @override
    def stop(self) -> str:
        """Put the watchdogs off no more. Return which of them may have acted before we did."""
        self.ticker.stop(wait_s=API_ALLOWANCE_S)
        late = sorted(ref.name for ref, put_off in self._put_off.items() if boot_s() - put_off > OWN_END_S)
        self._put_off.clear()
        return f"{', '.join(late)}: the fault may have ended by itself, as its end could not be put off" if late else ""

    def send(self, place: Place, process: str, name: str, *, back: str, kind: UndoKind) -> str:
        """Record how a signal is taken back, and send it. Return why it did not reach every process that is meant.

        To a process that a later run would not know by its name none is sent: this run may be killed.
        """
        entry = self.entry(kind, place, process=process, signal=back)
        if reason := refusal(entry, self.context.namespace) or self.context.record(entry):
            return f"{place.pod.name}: {reason}"
        began = boot_s()
        sent = signal(self.context, place, process, name, back=back, after_s=OWN_END_S)
        if sent.reached == "none":
            self.context.discard(entry)
        else:

            def renewed() -> bool:
                return signal(self.context, place, process, "0", back=back, after_s=OWN_END_S).reached == "every"

            self.hold(place, began, renewed)
        return "" if sent.reached == "every" else sent.reason

    def guard(self, place: Place, back: tuple[str, ...], entry: UndoEntry) -> str:
        """Record what takes a command back, and leave a watchdog that runs it. Return why that could not be."""
        if reason := self.context.record(entry):
            return f"{place.pod.name}: {reason}"
        began = boot_s()
        if reason := put_off(self.context, place, OWN_END_S, back):
            self.context.discard(entry)
            return f"{place.pod.name}: {reason}"
        self.hold(place, began, lambda: not put_off(self.context, place, OWN_END_S, back))
        return ""

    def hold(self, place: Place, began: float, renewed: Callable[[], bool] | None = None) -> None:
        """Know where something was done, and when its end was last put off, if it is put off at all."""
        self.places.append(place)
        if renewed is not None:
            self._renewals[place.pod] = renewed
            self._put_off[place.pod] = began
            self.ticker.start()

    def entry(self, kind: UndoKind, place: Place, **detail: str) -> UndoEntry:
        """An undo entry of what ends by itself in a container."""
        where = {"container": place.container, "container_id": place.container_id}
        through = {"through": place.through} if place.through else {}
        entry = UndoEntry(kind, place.pod, "", where | detail | {"own_end_s": OWN_END_S} | through)
        return replace(entry, manual=by_hand(entry))

    def _put_off_all(self) -> None:
        for place in tuple(self.places):
            if (renewed := self._renewals.get(place.pod)) is None:
                continue
            if (now := container_now(self.context.recorder, place)) is None or now.id != place.container_id:
                self._put_off.pop(place.pod, None)  # what was done ended with the container
                continue
            began = boot_s()
            # One that came too late is not made up for: what was put off is another one then.
            if renewed() and boot_s() - self._put_off.get(place.pod, -OWN_END_S) < OWN_END_S:
                self._put_off[place.pod] = began
