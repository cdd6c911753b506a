"""A question that is asked every few seconds while a run goes on: whether there is a reason to stop."""

import threading
from abc import ABC, abstractmethod
from typing import Self

__all__ = ["Lookout"]


class Lookout(ABC):
    """A context manager that asks in a thread of its own while it is entered. The first objection stays.

    `asks` is False where there is nothing to ask.
    """

    def __init__(self, name: str, *, every_s: float, asks: bool = True) -> None:
        self.started = False
        self._every_s, self._asks = every_s, asks
        self._objection = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name=name, daemon=True)

    @property
    def objection(self) -> str:
        """Why the run is to stop; empty while it may go on."""
        return self._objection

    @abstractmethod
    def ask(self) -> str:
        """Ask once. Return why the run is to stop, empty if it is not."""

    def __enter__(self) -> Self:
        self.started = True
        if self._asks:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._asks:
            self._thread.join(self._every_s + 1)

    def _ask_on(self) -> None:
        while not self._objection:
            self._objection = self.ask()
            if self._stop.wait(self._every_s):
                return
