"""A generator's process on this host: how it is started, given commands, and asked for answers."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from chaos.errors import HarnessBroken

__all__ = ["CLOSE_WITHIN_S", "WHY_MAX", "Channel", "Pipes", "facts_of", "last_lines", "start"]

TAIL_BYTES = 4096

WHY_MAX = 1000
"""So much of a generator's own words is for people."""

CLOSE_WITHIN_S = 5.0
"""Seconds for an orderly end once its input is closed; after that the process is ended."""


class Channel(Protocol):
    """Commands to and answers from one generator, wherever it runs. See `loadgen.generator.control`."""

    def send(self, command: Mapping[str, Any]) -> None:
        """Give a command. Raises `HarnessBroken` if the generator is gone."""

    def answer(self, kind: str, within_s: float) -> dict[str, Any]:
        """Take the answer to the oldest command that has none yet. Raises `HarnessBroken` if it is another, or none."""

    def check(self) -> None:
        """Raise `HarnessBroken` if the generator ended without a command to finish."""

    def close(self) -> None:
        """End the generator if it still runs. Never raises because of how it ended."""


def start(
    folder: Path,
    wrap: Callable[[list[str]], list[str]] = list,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start a generator that logs to `folder`/generator.log and takes commands through its standard streams.

    `wrap` may put a command before its own (to enter a network namespace), `environ` is added to the environment.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    log_file = os.open(folder / "generator.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(log_file, "ab") as log:
        return subprocess.Popen(
            # -P: modules of the folder where we happen to be are none of ours.
            wrap([sys.executable, "-P", "-m", "loadgen.generator.locustfile"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**own, **environ},
            start_new_session=True,  # Ctrl-C at the terminal is for the parent, which decides
        )


class Pipes:
    """A generator's process on this host, driven through its standard streams."""

    def __init__(self, run_folder: Path, wrap: Callable[[list[str]], list[str]]) -> None:
        """Start the process. `wrap` may put a command before its own (to enter a network namespace)."""
        self._log = run_folder / "generator.log"
        self._process = start(run_folder, wrap)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._rest = b""

    @property
    def pid(self) -> int:
        """The process that was started (the wrapper's, if that stays in between)."""
        return self._process.pid

    def send(self, command: Mapping[str, Any]) -> None:
        """See `Channel.send`."""
        self.check()
        try:
            self._stdin.write(json.dumps(command).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            self._died()

    def answer(self, kind: str, within_s: float) -> dict[str, Any]:
        """See `Channel.answer`."""
        until_s = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, until_s - time.monotonic())):
                    raise HarnessBroken(f"no {kind!r} from the load generator within {within_s:g} s{self._log_tail()}")
                data = os.read(self._stdout.fileno(), 65536)
                if not data:
                    self._died()
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return facts_of(json.loads(line), kind, self._log)

    def check(self) -> None:
        """See `Channel.check`."""
        if self._process.poll() is not None:
            raise HarnessBroken(
                f"the load generator ended with code {self._process.returncode} during the trial{self._log_tail()}",
                f"read {self._log}",
            )

    def close(self) -> None:
        """See `Channel.close`; waits for its end."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_WITHIN_S)
                break
        self._stdout.close()

    def _died(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_WITHIN_S)
        self.check()
        raise HarnessBroken(f"the load generator closed its channel but still runs{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = last_lines(self._log).decode(errors="replace").strip().splitlines()[-3:]
        return "".join(f"\n  generator.log: {line}" for line in lines)


def facts_of(answer: Mapping[str, Any], kind: str, log: Path) -> dict[str, Any]:
    """The facts of an answer of that kind. Raises `HarnessBroken` with the generator's reason for any other answer."""
    facts = answer.get(kind)
    if not isinstance(facts, dict):
        broken = answer.get("broken")
        why = broken.get("why") if isinstance(broken, dict) else f"it answered {answer!r} instead of {kind}"
        raise HarnessBroken(f"the load generator: {str(why)[:WHY_MAX]}", f"read {log}")
    return facts


def last_lines(path: Path) -> bytes:
    """The last whole lines of a file, at most `TAIL_BYTES` of them; empty if there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read()
    except FileNotFoundError:
        return b""
    return data if size <= TAIL_BYTES else data.partition(b"\n")[2]
