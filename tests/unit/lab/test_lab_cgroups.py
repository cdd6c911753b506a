"""Which control groups the lab finds on a host, and what it does in them, on a tree of plain files."""

from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.cgroups import Cgroups, Hierarchy, hierarchies

V1 = """\
25 24 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup systemd rw,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
30 25 0:24 /docker/x /mnt/other rw,relatime - cgroup cgroup rw,freezer
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_every_hierarchy_of_a_v1_host_is_found_once() -> None:
    """Controllers mounted together are one hierarchy; a part of a tree mounted elsewhere is none."""
    found = hierarchies(V1)
    assert [hierarchy.mount.name for hierarchy in found] == ["cpu,cpuacct", "freezer", "systemd", "unified"]
    assert [hierarchy.unified for hierarchy in found] == [False, False, False, True]
    assert {"cpu", "cpuacct"} <= found[0].options


def test_a_v2_host_has_one_hierarchy() -> None:
    """On v2 the whole tree is at one place."""
    (found,) = hierarchies(V2)
    assert (found.mount, found.unified) == (Path("/sys/fs/cgroup"), True)


def test_a_new_cpuset_may_be_entered(tmp_path: Path) -> None:
    """Processors and memory of a cpuset are those of the group above, at each level."""
    for key, value in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (tmp_path / key).write_text(value)
        for folder in (tmp_path / "gameday", tmp_path / "gameday/n1"):
            folder.mkdir(exist_ok=True)
            (folder / key).write_text("\n")
    Cgroups([Hierarchy(tmp_path, frozenset({"cpuset"}), unified=False)]).make("n1")
    assert (tmp_path / "gameday/cpuset.cpus").read_text() == "0-1"
    assert (tmp_path / "gameday/n1/cpuset.mems").read_text() == "0"


def test_on_v2_controllers_are_handed_down(tmp_path: Path) -> None:
    """On v2 each group above passes on the controllers that it has; the group itself may then hold processes."""
    (tmp_path / "gameday/n1").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "gameday"):
        (folder / "cgroup.controllers").write_text("cpu memory\n")
    Cgroups([Hierarchy(tmp_path, frozenset(), unified=True)]).make("n1")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (tmp_path / "gameday/cgroup.subtree_control").read_text() == "+cpu +memory"
    assert not (tmp_path / "gameday/n1/cgroup.subtree_control").exists()


def test_the_tree_of_a_cgroup_namespace_is_told(tmp_path: Path) -> None:
    """A refused write names the group, and what lets the lab divide it: the machine's own tree."""
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.subtree_control").mkdir()  # what cannot be written
    with pytest.raises(LabError, match=r"control group /\S+: ") as refused:
        Cgroups([Hierarchy(tmp_path, frozenset(), unified=True)]).make("n1")
    assert "--cgroupns=host" in refused.value.fix


def test_members_are_those_of_all_groups_below(tmp_path: Path) -> None:
    """A process anywhere below a group, in any hierarchy, is a member."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, pids in (
        (first / "gameday", "1\n"),
        (first / "gameday/n1/pods", "2\n3\n"),
        (second / "gameday/n1", "4\n"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(pids)
    groups = Cgroups([Hierarchy(folder, frozenset(), unified=False) for folder in (first, second)])
    assert groups.members() == {1, 2, 3, 4}
    assert groups.members("n1") == {2, 3, 4}
    assert groups.members("client") == frozenset()


def test_a_host_without_control_groups_is_refused() -> None:
    """Without control groups nothing would be known as the lab's."""
    with pytest.raises(LabError, match="no cgroup file system is mounted"):
        Cgroups([]).make("control")


def test_a_freeze_that_does_not_come_about_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that stays as it was is told, not taken for frozen."""
    monkeypatch.setattr("chaos.lab.host.cgroups.FREEZE_DEADLINE_S", 0.2)
    (tmp_path / "gameday/n1").mkdir(parents=True)
    (tmp_path / "gameday/n1/cgroup.freeze").touch()
    (tmp_path / "gameday/n1/cgroup.events").write_text("populated 1\nfrozen 0\n")
    groups = Cgroups([Hierarchy(tmp_path, frozenset(), unified=True)])
    with pytest.raises(LabError, match="could not be frozen"):
        groups.freeze("n1")
    assert (tmp_path / "gameday/n1/cgroup.freeze").read_text() == "1"
    assert not groups.is_frozen("n1")
    groups.thaw("n1")
    assert (tmp_path / "gameday/n1/cgroup.freeze").read_text() == "0"


def test_v1s_freezer_is_used_where_there_is_one(tmp_path: Path) -> None:
    """On a host with both, v2's freezer is left alone: it never sees frozen what v1's froze."""
    for folder, key in ((tmp_path / "v2", "cgroup.freeze"), (tmp_path / "v1", "freezer.state")):
        (folder / "gameday/n1").mkdir(parents=True)
        (folder / "gameday/n1" / key).touch()
    groups = Cgroups(
        [
            Hierarchy(tmp_path / "v2", frozenset(), unified=True),
            Hierarchy(tmp_path / "v1", frozenset({"freezer"}), unified=False),
        ]
    )
    groups.freeze("n1")
    assert groups.is_frozen("n1")
    assert (tmp_path / "v1/gameday/n1/freezer.state").read_text() == "FROZEN"
    assert (tmp_path / "v2/gameday/n1/cgroup.freeze").read_text() == ""


def test_a_group_that_is_not_there_cannot_be_frozen(tmp_path: Path) -> None:
    """Nothing is taken for frozen that does not exist."""
    with pytest.raises(LabError, match="could not be frozen"):
        Cgroups([Hierarchy(tmp_path, frozenset({"freezer"}), unified=False)]).freeze("n1")
