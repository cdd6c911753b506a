"""Journals that end at a given line: one with its process, by SIGKILL, one as the disk takes no more."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.errors import HarnessBroken

__all__ = ["DeadlyJournal", "FullJournal", "killed_at_each_line"]

LINES_MAX = 30


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


class FullJournal(Journal):
    """Takes nothing from line number `at` on: the disk is full, or was remounted read-only."""

    def __init__(self, path: Path, clock: Clock, at: int, *, errno: int) -> None:
        super().__init__(path, clock)
        self._left, self._errno = at, errno

    def _append(self, rest: bytes) -> None:
        self._left -= 1
        if self._left < 0:
            raise HarnessBroken(f"actions.jsonl cannot be written: {os.strerror(self._errno)}")
        super()._append(rest)


def killed_at_each_line(trouble: Callable[..., None], *args: object, within_s: float) -> Iterator[bool]:
    """Make that trouble in a process that dies at line 1, 2, … of its journal; say of each whether it died.

    `trouble` gets the line before `args`. The last one came to its end; fails if none does, or one ends otherwise.
    """
    for line in range(1, LINES_MAX):
        process = multiprocessing.get_context("spawn").Process(target=trouble, args=(line, *args))
        process.start()
        process.join(within_s)
        assert process.exitcode in (0, -signal.SIGKILL)
        died = process.exitcode != 0
        yield died
        if not died:
            return
    pytest.fail("the trouble never came to its end")
