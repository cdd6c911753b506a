"""The faults that are active in a trial: each is healed when the scenario leaves its block, or before if it must be.

A scenario that waits by itself does not look whether the trial must stop. So a thread looks too while a fault is
active, and heals what the scenario does not come to heal.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from chaos.faults import Fault, Injection
from chaos.faults.undo import heal
from chaos.trial.context import TrialContext

__all__ = ["ActiveFaults"]

LOOK_S = 1.0

AWAY_S = 3.0
"""How long a scenario may take to leave its blocks once there is a reason to stop; a wait of the trial ends at once."""


@dataclass(eq=False, slots=True)
class _Active:
    """One fault. Where injecting raised there is no injection, but what it did until then is in the context."""

    fault: Fault
    context: TrialContext
    injection: Injection | None = None
    healed: bool = False


class ActiveFaults:
    """All of one trial. `stop` ends the trial, with the reason."""

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._active: list[_Active] = []
        self._stopped = False
        self._lock = threading.RLock()

    def faults(self) -> list[Fault]:
        """All of them, from the outermost in."""
        return [one.fault for one in tuple(self._active)]

    def injection_of(self, fault: Fault) -> Injection | None:
        """The injection of a fault that is active."""
        return next((one.injection for one in reversed(self._active) if one.fault is fault), None)

    @contextmanager
    def injected(self, fault: Fault, context: TrialContext) -> Iterator[Injection]:
        """Inject a fault, and heal it when the block ends, however it ends, or when the trial must stop before."""
        one, over = _Active(fault, context), threading.Event()
        try:
            one.injection = fault.inject(context)
            self._active.append(one)
            threading.Thread(target=self._look, args=(context, over), name="heal", daemon=True).start()
            yield one.injection
        finally:
            over.set()
            try:
                self._heal(one)
            except KeyboardInterrupt:
                # Who ends the session wants it healed: the first interrupt ends no heal, the next one does.
                self._heal(one)
                raise

    def _look(self, context: TrialContext, over: threading.Event) -> None:
        """Heal all if there is a reason to stop and the scenario does not leave the block."""
        while not over.wait(LOOK_S):
            if (reason := _stop_reason(context)) and not over.wait(AWAY_S):
                with self._lock, suppress(Exception):  # what cannot be written or said is no reason not to heal
                    if not self._stopped:
                        self._stopped = True
                        self._stop(reason)
                for one in reversed(tuple(self._active)):
                    with suppress(Exception):  # journalled, and tried again when the scenario leaves the block
                        self._heal(one)
                return

    def _heal(self, one: _Active) -> None:
        """Heal one, and journal whether that went well. What could not be undone stops the trial."""
        with self._lock:
            if one.healed:
                return
            if one in self._active:
                self._active.remove(one)
            journal, name = one.context.journal, one.context.fault
            try:
                left = one.injection.heal() if one.injection else heal(one.context)
            except BaseException as error:
                detail = {"reason": f"{type(error).__name__}: {error}"}
                journal.event("fault-healed", fault=name, outcome="info", detail=detail)
                raise
            one.healed = not left
            outcome, detail = ("fail", {"reason": left}) if left else ("ok", {})
            journal.event("fault-healed", fault=name, outcome=outcome, detail=detail)
        if left:
            self._stop(f"not healed: {left}")


def _stop_reason(context: TrialContext) -> str:
    """Why the trial must stop; where that cannot be told, too."""
    try:
        return context.stop_reason()
    except Exception as error:  # noqa: BLE001  # a thread has nobody to raise to
        return f"nobody can tell whether the trial may go on: {type(error).__name__}: {error}"
