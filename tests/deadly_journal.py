"""A journal that ends its own process by SIGKILL at a given line, as a run may be ended at any moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from chaos.clock import Clock
from chaos.cluster import Journal

__all__ = ["DeadlyJournal"]


class DeadlyJournal(Journal):
    """Kills its own process right after it wrote line number `at`."""

    def __init__(self, path: Path, clock: Clock, at: int) -> None:
        super().__init__(path, clock)
        self._left = at

    def _append(self, rest: bytes) -> None:
        super()._append(rest)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
