"""How the lab finds a container's processes and groups: on this host's own processes, and on trees of plain files."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.lab.host.cgroups import Cgroups, Hierarchy
from chaos.lab.nodes import containers
from chaos.lab.nodes.containers import LabContainers, process_of, thaw_all
from chaos.safety.owner import started_tick

ID = "a" * 64


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this host."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_is_read_as_the_kernel_shows_it(sleeper: subprocess.Popen[bytes]) -> None:
    """Its number in its own namespace, start, state and size; one that is gone is none."""
    view = process_of(Path("/proc", str(sleeper.pid)))
    assert view is not None
    assert view.start == started_tick(sleeper.pid)
    assert view.parent == os.getpid()
    assert view.state in {"S", "R", "D"}
    assert view.size_kib > 0
    assert process_of(Path("/proc/4194304")) is None


def tree(folder: Path, monkeypatch: pytest.MonkeyPatch, *, unified: bool) -> Path:
    """A control group of a container on node n1, as files; the lab's node is there."""
    group = folder / "gameday/n1/pods/kubepods/burstable/pod1" / ID
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    if unified:
        (group / "cgroup.freeze").write_text("0")
        (group / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    else:
        for name, text in (("freezer.state", "THAWED"), ("freezer.self_freezing", "0")):
            (group / name).write_text(text)
    mounted = [Hierarchy(folder, frozenset() if unified else frozenset({"freezer"}), unified=unified)]
    monkeypatch.setattr(containers, "Cgroups", lambda: Cgroups(mounted))
    monkeypatch.setattr(containers, "machine_of", lambda node: node)
    monkeypatch.setattr(containers, "namespaces_left", lambda: ("gameday-control", "gameday-n1"))
    return group


def test_a_container_is_frozen_and_thawed_by_its_own_group_on_v1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by its id; what is not there can be thawed, not frozen."""
    group, nodes = tree(tmp_path, monkeypatch, unified=False), LabContainers()
    assert not nodes.frozen("n1", f"containerd://{ID}")
    assert nodes.freeze("n1", f"containerd://{ID}") == ""
    assert (group / "freezer.state").read_text() == "FROZEN"
    assert nodes.frozen("n1", f"containerd://{ID}")
    assert nodes.thaw("n1", f"containerd://{ID}") == ""
    assert not nodes.frozen("n1", f"containerd://{ID}")
    for other in ("containerd://bbb", "", "containerd://"):
        assert "runs no container" in nodes.freeze("n1", other)
        assert nodes.thaw("n1", other) == ""
        assert not nodes.frozen("n1", other)
        assert nodes.processes("n1", other) == ()


def test_on_v2_the_kernel_says_when_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it does not say so in time, that is told and nothing else."""
    group, nodes = tree(tmp_path, monkeypatch, unified=True), LabContainers()
    monkeypatch.setattr("chaos.lab.host.cgroups.FREEZE_DEADLINE_S", 0.1)
    assert "could not be frozen" in nodes.freeze("n1", ID)
    assert (group / "cgroup.freeze").read_text() == "1"
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert nodes.freeze("n1", ID) == ""
    assert nodes.frozen("n1", ID)


def test_what_dead_runs_froze_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was frozen by itself: what stands still with its node goes on with that."""
    group = tree(tmp_path, monkeypatch, unified=False)
    (group / "freezer.state").write_text("FROZEN")
    assert thaw_all() == ()
    (group / "freezer.self_freezing").write_text("1")
    assert thaw_all() == (ID,)
    assert (group / "freezer.state").read_text() == "THAWED"


def test_a_process_is_killed_only_while_it_is_the_one_that_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]
) -> None:
    """By number and start; one that has its number now is let be, and of what is gone nothing is said."""
    group, nodes = tree(tmp_path, monkeypatch, unified=False), LabContainers()
    (group / "cgroup.procs").write_text(f"{sleeper.pid}\n")
    (view,) = nodes.processes("n1", ID)
    earlier = type(view)(view.pid, view.start - 1, view.parent, view.state, view.size_kib, view.name)
    assert nodes.kill("n1", ID, [earlier], "KILL") == ""
    assert sleeper.poll() is None
    assert nodes.kill("n1", ID, [view], "KILL") == ""
    assert sleeper.wait(5) == -9
