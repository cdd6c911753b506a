"""The generator's side of its control channel: commands in, answers out, one JSON object a line.

Commands: `{"begin": {"stream", "shape", "begin_ns"}}`, `{"end": {"stream", "end_ns"}}`, `{"finish": {"drain_s"}}`.
Answers: `ready`, `begun`, `ended`, `finished`, and `broken` when the generator cannot go on.
"""

import contextlib
import json
import os
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.os  # type: ignore[import-untyped]

__all__ = ["Control"]

READ_BYTES = 64 * 1024


class Control:
    """Reads commands from standard input; answers where standard output was when the process began.

    Whatever else writes to standard output ends up in the process's log (its standard error).
    """

    def __init__(self) -> None:
        self._commands, self._answers = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        gevent.os.make_nonblocking(self._commands)
        self._rest = b""

    def receive(self, within_s: float) -> dict[str, Any] | None:
        """The next command; None when the parent is gone. Raises `TimeoutError` after `within_s` seconds."""
        with gevent.Timeout(max(0.0, within_s), TimeoutError("no command in time")):
            while b"\n" not in self._rest:
                data = gevent.os.nb_read(self._commands, READ_BYTES)
                if not data:
                    return None
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        command: dict[str, Any] = json.loads(line)
        return command

    def answer(self, kind: str, **facts: object) -> None:
        """Say something to the parent, if it is still there."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._answers, json.dumps({kind: facts}).encode() + b"\n")
