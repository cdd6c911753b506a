"""A question that is asked every few seconds while a run goes on: whether there is a reason to stop."""

from abc import ABC, abstractmethod
from typing import Self

from chaos.wait import Ticker

__all__ = ["StopCondition"]


class StopCondition(ABC):
    """A context manager that asks in a thread of its own while it is entered. The first objection stays.

    `asks` is False where there is nothing to ask. `answer_first`: entering takes until the first answer is there.
    """

    def __init__(self, name: str, *, every_s: float, asks: bool = True, answer_first: bool = False) -> None:
        self.started = False
        self._name, self._every_s, self._asks, self._objection = name, every_s, asks, ""
        self._answer_first = answer_first
        self._ticker = Ticker(self._look, period_s=every_s, name=name, at_once=not answer_first)

    @property
    def objection(self) -> str:
        """Why the run is to stop; empty while it may go on."""
        return self._objection

    @abstractmethod
    def ask(self) -> str:
        """Ask once. Return why the run is to stop, empty if it is not."""

    def __enter__(self) -> Self:
        if self._asks:
            if self._answer_first:
                self._look()
            self._ticker.start()
        self.started = True
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop(wait_s=self._every_s + 1)

    def _look(self) -> None:
        if self._objection:
            return
        try:
            self._objection = self.ask()
        except Exception as error:  # noqa: BLE001  # a thread that died would be taken for one that has no objection
            self._objection = f"nobody can tell whether {self._name} objects: {type(error).__name__}: {error}"
