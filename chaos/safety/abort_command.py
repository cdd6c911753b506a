"""A limit of the user's own while a run goes on: a command that is run every few seconds to see whether all is well.

Its exit code is its answer: anything but 0 stops the trial, which then heals; its last line is the reason.
"""

import subprocess
import threading
from collections.abc import Sequence
from typing import Self

__all__ = ["AbortCommand"]

REASON_MAX = 200


class AbortCommand:
    """A context manager that asks while it is entered. A command that does not answer in its time is taken for a no."""

    def __init__(self, command: Sequence[str], *, every_s: float) -> None:
        self.objection = ""
        self.started = False
        self._command, self._every_s = list(command), every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="abort-command", daemon=True)

    def __enter__(self) -> Self:
        self.started = True
        if self._command:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._command:
            self._thread.join(self._every_s + 1)

    def _ask_on(self) -> None:
        while not self.objection:
            self.objection = self._ask()
            if self._stop.wait(self._every_s):
                return

    def _ask(self) -> str:
        """Ask once. Return why the run is to stop, empty if it is not."""
        name = self._command[0]
        try:
            done = subprocess.run(
                self._command, capture_output=True, text=True, check=False, timeout=self._every_s, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return f"safety.abort: {name} did not answer within {self._every_s:g} s"
        except OSError as error:
            return f"safety.abort: {name} cannot be run: {error.strerror}"
        if done.returncode == 0:
            return ""
        output = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        return f"safety.abort: {name} says: {output[-1][:REASON_MAX]}"
