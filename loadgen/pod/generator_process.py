"""The generator's process in a load pod: started with the first command, and asked again as often as need be."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.driver.channel import CLOSE_WITHIN_S, start

__all__ = ["GeneratorProcess"]


class GeneratorProcess:
    """One generator. Commands and answers are numbered from 0: the k-th answer is to the k-th command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = 0
        self._answers: list[Any] = []
        self._over = False
        self._news = threading.Condition()

    @property
    def ended(self) -> int | None:
        """The exit code of the generator, once all of its answers are here; None until then."""
        return self._process.returncode if self._process is not None and self._over else None

    def tell(self, number: int, command: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        """Give the generator a command, unless it has it already; the first command starts it.

        `environ` is added to its environment then. Raises `ValueError` for a number out of turn, `OSError` if it has
        ended.
        """
        with self._news:
            if number < self._commands:
                return
            if number > self._commands:
                raise ValueError(f"command {number} before command {self._commands}")
            process = self._process = self._process or self._started(environ)
            assert process.stdin is not None
            self._commands += 1
            process.stdin.write(json.dumps(command).encode() + b"\n")
            process.stdin.flush()

    def answer(self, number: int, wait_s: float) -> Any:
        """Its answer to a command; None if there is none within `wait_s` seconds."""
        with self._news:
            self._news.wait_for(lambda: len(self._answers) > number or self._over, wait_s)
            return self._answers[number] if len(self._answers) > number else None

    def orphan(self) -> None:
        """Close the generator's input: it records what is left, and ends."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.close()

    def close(self) -> None:
        """End it."""
        self.orphan()
        if self._process is None:
            return
        try:
            self._process.wait(CLOSE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _started(self, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        process = start(self._folder, environ=environ)
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self._answers.append(json.loads(line))
                self._news.notify_all()
        process.wait()
        with self._news:
            self._over = True
            self._news.notify_all()
