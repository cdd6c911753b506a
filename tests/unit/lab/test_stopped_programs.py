"""Programs of the lab that are stopped, go on and end, on a process of our own in their place."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.errors import LabError
from chaos.lab import metrics_path
from chaos.lab.host.processes import Process, processes_recorded, record_process
from chaos.lab.metrics_path import LabMetricsPath, continue_all
from chaos.wait import until


def started_ticks(pid: int) -> int:
    """When the kernel says that a process started."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A lab whose metrics-server is a program that waits."""
    folder = tmp_path / "processes"
    folder.mkdir()
    monkeypatch.setattr(metrics_path.LabPaths, "usual", lambda: SimpleNamespace(processes=folder))
    with subprocess.Popen(["sleep", "60"]) as child:
        process = Process("metrics-server", child.pid, started_ticks(child.pid), str(tmp_path / "log"))
        yield record_process(process, folder)
        child.kill()


def test_a_program_is_stopped_and_goes_on(served: Process) -> None:
    """Both may be done again; in between it lives, so that a lab reads as whole."""
    path = LabMetricsPath()
    assert (path.objection("metrics-server"), path.stands_still("metrics-server")) == ("", False)
    for _ in range(2):
        assert path.stop("metrics-server") == ""
        until(lambda: path.stands_still("metrics-server"), deadline_s=5, awaited="it stands still")
    assert served.alive()
    for _ in range(2):
        assert path.go_on("metrics-server") == ""
        until(lambda: not path.stands_still("metrics-server"), deadline_s=5, awaited="it goes on")


def test_the_next_command_lets_go_on_what_a_dead_run_stopped(served: Process) -> None:
    """Only what stands still is named."""
    assert continue_all() == ()
    served.signal(signal.SIGSTOP)
    until(served.stands_still, deadline_s=5, awaited="it stands still")
    assert continue_all() == ("metrics-server",)
    until(lambda: not served.stands_still(), deadline_s=5, awaited="it goes on")


def test_a_program_ends_also_while_it_stands_still(served: Process) -> None:
    """What is asked to end and cannot hear it is ended by force."""
    assert served.argv() == ["60"]
    served.signal(signal.SIGSTOP)
    served.end(0.2)
    until(lambda: not served.alive(), deadline_s=5, awaited="it ended")
    served.end(0.2)
    assert not served.stands_still()
    with pytest.raises(LabError, match="metrics-server does not run any more"):
        served.signal(signal.SIGCONT)
    with pytest.raises(LabError, match="metrics-server does not run any more"):
        served.argv()


def test_a_process_that_has_the_number_by_now_gets_nothing(served: Process, tmp_path: Path) -> None:
    """It is known by when it started, too."""
    other = Process("metrics-server", served.pid, served.started_ticks + 1, served.log_path)
    record_process(other, tmp_path / "processes")
    path = LabMetricsPath()
    assert "does not run any more" in path.stop("metrics-server")
    assert path.go_on("metrics-server") == ""
    assert not served.stands_still()


@pytest.mark.parametrize(
    ("program", "words"),
    [("prometheus", "gameday lab add prometheus"), ("keda-adapter", "gameday lab add keda")],
)
def test_what_is_not_there_is_told_with_the_command_that_brings_it(served: Process, program: str, words: str) -> None:
    """Nothing is stopped in its place."""
    path = LabMetricsPath()
    assert path.objection(program).endswith(words)
    assert "the lab has no" in path.stop(program)
    assert (path.stands_still(program), path.go_on(program)) == (False, "")
    assert [one.name for one in processes_recorded(Path(served.log_path).parent / "processes")] == ["metrics-server"]


def test_without_a_controller_nothing_is_restarted(served: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no lab, or it has lost it."""
    assert served.alive()
    path = LabMetricsPath()
    assert path.autoscaler() == ""
    monkeypatch.setattr(metrics_path, "read_facts", lambda _: None)
    usual = metrics_path.LabPaths.usual()
    monkeypatch.setattr(
        metrics_path.LabPaths, "usual", lambda: SimpleNamespace(processes=usual.processes, facts=Path("none"))
    )
    assert path.restart_autoscaler() == "there is no lab on this host"
