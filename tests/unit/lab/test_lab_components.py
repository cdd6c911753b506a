"""Waiting for programs, and telling which one is to blame."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.control_plane.wait import await_components, last_lines
from chaos.lab.host.processes import Process, entering, processes_recorded, record_process, start_process
from chaos.wait import until


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
    found = await_components(
        lambda: next(answers), components=[_program(tmp_path, "etcd")], awaited="x", deadline_s=5, poll_s=0.01
    )
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
