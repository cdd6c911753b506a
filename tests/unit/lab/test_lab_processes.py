"""Programs: run to their end, or started, awaited and told apart."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.command import run
from chaos.lab.host.processes import (
    Process,
    await_components,
    entering,
    last_lines,
    processes_recorded,
    record_process,
    start_process,
)
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


@dataclass(frozen=True)
class _Program:
    name: str
    log: Path
    lives: bool = True

    def alive(self) -> bool:
        return self.lives


def _program(folder: Path, name: str, *said: str, lives: bool = True) -> _Program:
    log = folder / f"{name}.log"
    log.write_text("".join(f"{line}\n" for line in said))
    return _Program(name, log, lives)


def test_what_is_awaited_is_returned(tmp_path: Path) -> None:
    """The first truthy answer ends the waiting."""
    answers = iter(["", "", "well"])
    found = await_components(lambda: next(answers), components=[_program(tmp_path, "etcd")], awaited="x", deadline_s=5)
    assert found == "well"


def test_a_dead_component_ends_the_waiting_at_once(tmp_path: Path) -> None:
    """The one that ended is named and quoted; those that live are not."""
    components = [_program(tmp_path, "etcd", "fine"), _program(tmp_path, "kubelet", "no luck", lives=False)]
    with pytest.raises(LabError, match="kubelet ended while the nodes was awaited") as failed:
        await_components(lambda: None, components=components, awaited="the nodes", deadline_s=60)
    assert "no luck" in failed.value.what
    assert "fine" not in failed.value.what


def test_a_timeout_quotes_the_suspects(tmp_path: Path) -> None:
    """After the deadline the suspects' last lines are told, and what was seen last."""
    components = [_program(tmp_path, "etcd", "fine"), _program(tmp_path, "kubelet", "still trying")]
    with pytest.raises(LabError, match=r"nodes: not within 0.1 s; last seen: n1 not Ready") as failed:
        await_components(
            lambda: None,
            components=components,
            suspects=components[1:],
            awaited="nodes",
            deadline_s=0.1,
            last_seen=lambda: "n1 not Ready",
        )
    assert "still trying" in failed.value.what
    assert "fine" not in failed.value.what


def test_only_the_end_of_a_log_is_quoted(tmp_path: Path) -> None:
    """A long log is not poured out, and a missing one is no blocker."""
    long = _program(tmp_path, "etcd", *[f"line {number}" for number in range(1000)])
    quoted = last_lines([long, _Program("gone", tmp_path / "no.log")])
    assert "line 999" in quoted
    assert "line 990" not in quoted
    assert "gone" not in quoted


def test_a_started_program_is_known_by_pid_and_time(tmp_path: Path) -> None:
    """A program that runs is alive; the same pid with another time of start is not it."""
    process = start_process("sleeper", ["sleep", "60"], groups=[tmp_path], logs=tmp_path)
    try:
        assert process.alive()
        assert not Process("sleeper", process.pid, process.started_ticks + 1, str(process.log)).alive()
        assert (tmp_path / "cgroup.procs").read_text() == "0\n"
        (tmp_path / "noted").mkdir()
        record_process(process, tmp_path / "noted")
        assert processes_recorded(tmp_path / "noted") == (process,)
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes() == b"sleep\x0060\x00"
    finally:
        _kill(process.pid)
    until(lambda: not process.alive(), deadline_s=5, awaited="its end")


def test_a_program_that_ends_at_once_is_not_alive(tmp_path: Path) -> None:
    """A program that fails immediately is a component that ended, with its last words in its log."""
    process = start_process("failing", ["sh", "-c", "echo no luck; exit 3"], groups=[], logs=tmp_path)
    until(lambda: not process.alive(), deadline_s=5, awaited="its end")
    with pytest.raises(LabError, match=r"failing ended while x was awaited\n(.*\n)*.*no luck"):
        await_components(lambda: None, components=[process], awaited="x", deadline_s=5)


def test_a_started_program_gets_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and secrets of the caller do not reach the cluster's programs."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    start_process("env", ["sh", "-c", "env; sleep 0.2"], groups=[], logs=tmp_path)
    until(lambda: "PATH=" in (tmp_path / "env.log").read_text(), deadline_s=5, awaited="its output")
    assert "HTTPS_PROXY" not in (tmp_path / "env.log").read_text()


def test_a_group_that_cannot_be_entered_is_an_error(tmp_path: Path) -> None:
    """A program never runs outside the lab's groups: where nobody would know it as the lab's."""
    with pytest.raises(LabError, match=r"sleeper cannot be started: .*cgroup.procs"):
        start_process("sleeper", ["sleep", "60"], groups=[tmp_path / "none"], logs=tmp_path)


def test_entering_words_are_passed_untouched() -> None:
    """Arguments with spaces and quotes arrive as they are, after groups and namespaces."""
    argv = entering([Path("/g")], ["--net=/n"], ["a b", "'c'"])
    assert argv[-7:] == ["/g", "--", "nsenter", "--net=/n", "--", "a b", "'c'"]


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
