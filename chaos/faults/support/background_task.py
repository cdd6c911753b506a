"""Work of a fault that goes on while the scenario does: a thread that can be stopped, and that never dies unheard."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.cluster import Recorder
from chaos.errors import HarnessBroken
from chaos.faults.context import FaultContext

__all__ = ["Ending", "Result", "Work"]

LOOK_S = 1.0
"""How often a wait for the watch looks whether it is to end."""

Result = Literal["finished", "blocked", "stopped", "failed"]
"""How work ends: as asked; held up as the system's own rules demand; stopped by us; or otherwise undone."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a fault's work ended, in words; `detail` is plain data for the checks."""

    result: Result
    words: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Work:
    """One job in a thread of its own. It checks `stopping` between its steps, and waits with `pause`.

    `words` name it for people, e.g. `the drain`.
    """

    def __init__(self, words: str) -> None:
        self._words = words
        self._context: FaultContext | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, context: FaultContext, job: Callable[[], Ending]) -> None:
        """Begin. How the job ends is journalled as the fault's result; if it raises, as failed, with the error."""

        def run() -> None:
            try:
                ending = job()
            except Exception as error:  # noqa: BLE001  # a thread has nobody to raise to: it goes into the journal
                ending = Ending("failed", f"{type(error).__name__}: {error}")
            with suppress(HarnessBroken):  # nothing can be written any more: the trial's own next line says so
                context.result(ending.result, ending.words, ending.detail)

        self._context = context
        self._thread = threading.Thread(target=run, name=context.fault, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the job was begun and has ended."""
        return self._thread is not None and not self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether the job is to end as soon as it can: its fault is healed, or nothing more may be done."""
        return self._stop.is_set() or (self._context is not None and bool(self._context.stop_reason()))

    def wait_for(self, recorder: Recorder, seen: Callable[[], object], until_s: float) -> bool:
        """Wait until the watch shows it; False if it does not until then (monotonic), or the job is to end before."""
        while (left_s := until_s - time.monotonic()) > 0 and not self.stopping:
            if recorder.wait_for(seen, min(LOOK_S, left_s)):
                return True
        return False

    def pause(self, seconds: float) -> None:
        """Wait so long, or until the job is to end."""
        self._stop.wait(seconds)

    def stop(self, deadline_s: float) -> str:
        """Have the job end and wait for that. Return an empty string, or that it did not end in time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(deadline_s)
        running = self._thread is not None and self._thread.is_alive()
        return f"{self._words} did not stop within {deadline_s:g} s" if running else ""
