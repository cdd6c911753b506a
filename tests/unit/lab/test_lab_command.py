"""Programs that the lab runs to their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.command import run
from chaos.wait import until


def test_output_is_returned_and_messages_are_followed() -> None:
    """Standard output is the result; each line of standard error is handed on as it comes."""
    lines: list[str] = []
    said = run(["sh", "-c", "echo one >&2; echo result; echo two >&2"], deadline_s=10, on_line=lines.append)
    assert said == "result\n"
    assert lines == ["one", "two"]


def test_failure_says_which_command_what_it_said_and_what_to_do() -> None:
    """The error holds the command as one would type it, its status and last words, and the mending."""
    with pytest.raises(LabError) as caught:
        run(["sh", "-c", "echo no such thing >&2; exit 3"], deadline_s=10, fix="make the thing")
    assert caught.value.what == "sh -c 'echo no such thing >&2; exit 3' ended with status 3: no such thing"
    assert caught.value.fix == "make the thing"


def test_a_missing_program_is_an_error_for_people() -> None:
    """The error names the program."""
    with pytest.raises(LabError, match="there is no program no-such-program"):
        run(["no-such-program"], deadline_s=10)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    """At the deadline the whole group ends, and the error names the deadline."""
    lines: list[str] = []
    with pytest.raises(LabError, match=r"did not end within 0\.5 s"):
        run(["sh", "-c", "sleep 60 & echo $! >&2; wait"], deadline_s=0.5, on_line=lines.append)
    until(lambda: gone(int(lines[0])), deadline_s=5, awaited="the child's end")


def test_an_interrupted_program_is_ended() -> None:
    """Whatever is raised while following the program ends it first, and is passed on."""
    pids: list[int] = []

    def interrupted(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "echo $$ >&2; exec sleep 60"], deadline_s=50, on_line=interrupted)
    assert gone(pids[0])


def test_a_program_does_not_outlive_a_killed_starter() -> None:
    """After kill -9 of the process that ran it, the kernel ends the program."""
    program = (
        "from chaos.lab.host.command import run\n"
        "run(['sh', '-c', 'echo $$ >&2; exec sleep 60'], deadline_s=50, on_line=lambda pid: print(pid, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert not gone(pid)
        os.kill(starter.pid, signal.SIGKILL)
    until(lambda: gone(pid), deadline_s=5, awaited="the program's end")
