"""Progress of long work, as a person at a terminal or a CI log wants it.

On a terminal one line is redrawn in place; elsewhere a line is printed when a step begins, at most every ten seconds
while it goes on, and when it ends. Nothing is printed for steps that end within the first two seconds except their end.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

__all__ = ["Progress", "Silent", "Step", "Terminal"]


class Step(Protocol):
    """One piece of work under way."""

    def advance(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Say that `done` of `total` units are finished; `detail` names the unit in hand."""


class Progress(Protocol):
    """Where steps are announced."""

    def step(self, name: str, *, estimate_s: float | None = None) -> AbstractContextManager[Step]:
        """Open a step called `name`; `estimate_s` is how long it usually takes on two cores."""


class Silent:
    """Says nothing."""

    @contextmanager
    def step(self, name: str, *, estimate_s: float | None = None) -> Iterator[Step]:  # noqa: ARG002  # the role's shape
        """Open a step that nobody sees."""
        yield _Quiet()


class _Quiet:
    def advance(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Say nothing."""


class Terminal:
    """Writes to a stream, redrawing in place where that is a terminal."""

    def __init__(self, out: TextIO | None = None, *, every_s: float = 10.0) -> None:
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._every_s = 0.2 if self._live else every_s

    @contextmanager
    def step(self, name: str, *, estimate_s: float | None = None) -> Iterator[Step]:
        """Open a step, and draw it until it ends."""
        line = _Line(name, estimate_s, self._out, live=self._live, every_s=self._every_s)
        line.draw(force=self._live or (estimate_s or 0) > 2)
        try:
            yield line
        except BaseException:
            line.end("failed")
            raise
        line.end("done")


class _Line:
    def __init__(self, name: str, estimate_s: float | None, out: TextIO, *, live: bool, every_s: float) -> None:
        self._name, self._estimate_s, self._out, self._live, self._every_s = name, estimate_s, out, live, every_s
        self._began = time.monotonic()
        self._drawn = self._began
        self._done, self._detail = 0, ""
        self._total: int | None = None

    def advance(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Note how far the step is, and draw it if it is time to."""
        self._done, self._total, self._detail = done, total, detail
        self.draw()

    def draw(self, *, force: bool = False) -> None:
        """Draw the line, unless it was drawn a moment ago."""
        now = time.monotonic()
        if not force and now - self._drawn < self._every_s:
            return
        self._drawn = now
        words = [f"{now - self._began:5.0f} s", self._name]
        if self._total:
            words.append(f"{self._done} of {self._total}")
        if left := self._left_s(now - self._began):
            words.append(f"about {left:.0f} s left")
        if self._detail and self._live:
            words.append(self._detail)
        self._write("  ".join(words), final=False)

    def _left_s(self, elapsed_s: float) -> float | None:
        if self._total and self._done >= self._total * 0.05 and self._done < self._total:
            return elapsed_s * (self._total - self._done) / self._done
        if self._estimate_s and self._estimate_s > elapsed_s + 1:
            return self._estimate_s - elapsed_s
        return None

    def end(self, word: str) -> None:
        """Draw the last state of the line."""
        self._write(f"{time.monotonic() - self._began:5.1f} s  {self._name}  {word}", final=True)

    def _write(self, text: str, *, final: bool) -> None:
        if self._live:
            self._out.write(f"\r\x1b[2K{text[:118]}" + ("\n" if final else ""))
        else:
            self._out.write(text + "\n")
        self._out.flush()
