"""Run a program to its end, follow what it says, and tell people what it said if it failed."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import LabError

__all__ = ["WITH_US", "run"]

LINES_SHOWN = 5
# A prefix (util-linux) with which the kernel ends the program when the process that started it dies, however it dies.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


def run(
    argv: Sequence[str | Path],
    *,
    deadline_s: float,
    fix: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run `argv` and return its standard output; `on_line` gets each line of its standard error as it comes.

    `env` replaces the environment. Raises LabError, with the command and its last words, if the program is not there,
    ends with another status than 0, or takes longer than `deadline_s`; `fix` is what the user should do then. The
    program and its children are ended when this function is left early; the program also when this process is killed.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0]) is None:
        raise LabError(f"there is no program {words[0]}", fix)
    said: deque[str] = deque(maxlen=LINES_SHOWN)
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen(
            [*WITH_US, *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            errors="replace",
            start_new_session=True,
        )
        with _ended_at_last(process, deadline_s) as late:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line.rstrip())
                if on_line is not None:
                    on_line(line.rstrip())
            status = process.wait()
        if late.is_set():
            raise LabError(f"{shlex.join(words)} did not end within {deadline_s:g} s{_quoted(said)}", fix)
        if status != 0:
            raise LabError(f"{shlex.join(words)} ended with status {status}{_quoted(said)}", fix)
        out.seek(0)
        return out.read()


@contextmanager
def _ended_at_last(process: subprocess.Popen[str], deadline_s: float) -> Iterator[threading.Event]:
    """End the process's whole group at the deadline (and set the event), or when the block is left by an exception."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        _kill_group(process)

    timer = threading.Timer(deadline_s, expire)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except BaseException:
        _kill_group(process)
        raise
    finally:
        timer.cancel()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _kill_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:  # not reaped yet, so its number is still its own
        os.killpg(process.pid, signal.SIGKILL)


def _quoted(said: deque[str]) -> str:
    words = [line for line in said if line]
    return ": " + " | ".join(words) if words else ""
