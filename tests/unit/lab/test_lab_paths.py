"""Where root keeps what it runs and trusts: nobody else may put anything in its place. Runs as any user."""

import os
import stat
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab import Lab
from chaos.lab import lab as labs
from chaos.lab.bring_up import Artefacts
from chaos.lab.control_plane.build import Release
from chaos.lab.host import paths
from chaos.lab.host.paths import refuse_shared
from chaos.progress import Progress, Silent

STRANGER = 12345
Owned = dict[Path, tuple[int, int, int]]
"""Paths with another user, group or write permission than root's alone."""

SPOILT = [
    pytest.param((STRANGER, STRANGER, 0), "belongs to user 12345", id="a stranger's"),
    pytest.param((0, 0, 0o002), "others may write to", id="writable for all"),
    pytest.param((0, STRANGER, 0o020), "others may write to", id="writable for a group"),
]


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Owned:
    """All that there is seems to be root's, but for what a test puts here."""
    made: Owned = {}
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        fields = list(real(path))
        user, group, more = made.get(path, (0, 0, 0))
        fields[stat.ST_UID], fields[stat.ST_GID] = user, group
        fields[stat.ST_MODE] = fields[stat.ST_MODE] & ~(stat.S_IWGRP | stat.S_IWOTH) | more
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "lstat", lstat)
    return made


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """That of root, with its state in a folder of the test's; it would be looked at, and nothing is built for it."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(paths, "SOCKETS", tmp_path / "sockets")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "state/gameday/lab").mkdir(parents=True)

    def looked(_: object) -> None:
        raise LabError("it was looked at")

    def built(_: Progress, __: Release) -> Artefacts:
        pytest.fail("it was built")

    monkeypatch.setattr(labs, "look", looked)
    return Lab(artefacts=built)


@pytest.mark.parametrize(("whose", "words"), SPOILT)
@pytest.mark.parametrize("which", [".", "state", "state/gameday", "state/gameday/lab"])
def test_no_lab_is_started_where_others_can_replace_its_state(
    lab: Lab, owned: Owned, which: str, whose: tuple[int, int, int], *, words: str, tmp_path: Path
) -> None:
    """Its keys and its programs' folders lie there; the error names the folder, and what to set."""
    with pytest.raises(LabError, match="it was looked at"):
        lab.up(nodes=1, progress=Silent())
    owned[tmp_path / which] = whose
    with pytest.raises(LabError, match=words) as refused:
        lab.up(nodes=1, progress=Silent())
    assert str(tmp_path / which) in refused.value.what
    assert "set XDG_STATE_HOME" in refused.value.fix


def test_a_state_behind_a_link_lies_where_it_leads(lab: Lab, owned: Owned, tmp_path: Path) -> None:
    """A link of root's own is followed; what it leads to is held to the same."""
    (tmp_path / "disk/gameday").mkdir(parents=True)
    (tmp_path / "state/gameday/lab").rmdir()
    (tmp_path / "state/gameday").rmdir()
    (tmp_path / "state/gameday").symlink_to(tmp_path / "disk/gameday")
    with pytest.raises(LabError, match="it was looked at"):
        lab.up(nodes=1, progress=Silent())
    owned[tmp_path / "disk"] = (STRANGER, STRANGER, 0)
    with pytest.raises(LabError, match="disk belongs to user 12345"):
        lab.up(nodes=1, progress=Silent())


@pytest.mark.parametrize(("whose", "words"), SPOILT)
def test_a_cache_is_held_to_the_same(owned: Owned, whose: tuple[int, int, int], words: str, tmp_path: Path) -> None:
    """What is not there yet is held to what is above it; in a sticky folder, as /tmp is, nobody replaces another's."""
    refuse_shared(tmp_path / "cache/gameday", "")
    owned[tmp_path] = whose
    with pytest.raises(LabError, match=words):
        refuse_shared(tmp_path / "cache/gameday", "")
    owned[tmp_path] = (0, 0, stat.S_IWOTH | stat.S_ISVTX)
    refuse_shared(tmp_path / "cache/gameday", "")
