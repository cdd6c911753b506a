"""A limit of the user's own while a run goes on: a command that is run every few seconds to see whether all is well.

Its exit code is its answer: anything but 0 stops the trial, which then heals; its last line is the reason.
"""

import subprocess
from collections.abc import Sequence

from typing_extensions import override

from chaos.history.writing.redaction import redacted_output
from chaos.safety.stop_condition import StopCondition

__all__ = ["AbortCommand"]

REASON_MAX = 200


class AbortCommand(StopCondition):
    """Runs the command while it is entered, and first of all, so that no fault comes before its first answer.

    One that does not answer in its time is taken for a no.
    """

    def __init__(self, command: Sequence[str], *, every_s: float) -> None:
        super().__init__("abort-command", every_s=every_s, asks=bool(command), answer_first=True)
        self._command = list(command)

    @override
    def ask(self) -> str:
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
        return f"safety.abort: {name} says: {redacted_output(output[-1], self._command)[:REASON_MAX]}"
