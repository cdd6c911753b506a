"""What the lab changes on its host is put back, also after the machine stopped without a word."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.lab import teardown
from chaos.lab.host import changes, paths
from chaos.lab.host.changes import change_host, restore_host
from chaos.lab.host.paths import LabPaths


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """A host of plain files, with a lab's state below a home that has nothing yet."""
    settings = {"fs/a": 128, "fs/b": 99999}
    for name, value in settings.items():
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text(str(value))
    monkeypatch.setattr(changes, "SYSCTLS", tmp_path / "sys")
    monkeypatch.setattr(changes, "RAISED", dict.fromkeys(settings, 8192))
    monkeypatch.setattr(changes, "MOUNT_POINTS", (tmp_path / "var/cni", tmp_path / "var/kubelet"))
    monkeypatch.setattr(changes, "NAMESPACES", tmp_path / "netns")
    monkeypatch.setattr(paths, "SOCKETS", tmp_path / "run")
    (tmp_path / "var/kubelet").mkdir(parents=True)
    return LabPaths(tmp_path / "home/.local/state/gameday/lab")


def test_after_a_power_loss_the_host_is_put_back(
    host: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lay in memory is gone: sockets and links. What is on disk says what was made, and counts as left."""
    change_host(host.host_record, state=host.state)
    host.state.mkdir()
    assert (tmp_path / "var/cni").is_dir()
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(teardown, "namespaces_left", lambda: ())
    monkeypatch.setattr(teardown, "Cgroups", lambda: SimpleNamespace(folders=lambda: ()))
    assert teardown.anything_left(host)
    host.state.rmdir()
    assert teardown.anything_left(host), "a teardown that was killed after the state was gone"
    (tmp_path / "sys/fs/a").write_text("128")  # as the machine has it when it starts
    restore_host(host.host_record)
    assert not (tmp_path / "var/cni").exists()
    assert not (tmp_path / "home").exists()
    assert (tmp_path / "var/kubelet").is_dir(), "it was there before us"
    assert (tmp_path / "sys/fs/a").read_text() == "128"
    assert not teardown.anything_left(host)


def test_settings_are_raised_and_put_back_but_not_over_somebody_elses(host: LabPaths, tmp_path: Path) -> None:
    """One that is higher already stays; one that somebody changed since is theirs."""
    change_host(host.host_record, state=host.state)
    assert ((tmp_path / "sys/fs/a").read_text(), (tmp_path / "sys/fs/b").read_text()) == ("8192", "99999")
    restore_host(host.host_record)
    assert (tmp_path / "sys/fs/a").read_text() == "128"
    change_host(host.host_record, state=host.state)
    (tmp_path / "sys/fs/a").write_text("4096")
    restore_host(host.host_record)
    assert (tmp_path / "sys/fs/a").read_text() == "4096"
