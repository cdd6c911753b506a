"""What is built once is kept whole, or not at all."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.cache import cache_root, cached, digest, is_cached, mounts_below
from chaos.lab.host.paths import own_home
from chaos.wait import until


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def writes(text: str) -> Callable[[Path], None]:
    """A build that makes one file."""

    def build(folder: Path) -> None:
        (folder / "file").write_text(text)

    return build


def forbidden(folder: Path) -> None:
    """A build that must not be needed."""
    raise AssertionError("built again")


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process with the same cache."""
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def entries(folder: Path) -> set[str]:
    """Everything there, but the lock."""
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_an_entry_is_built_once() -> None:
    """The second asker gets what the first one built."""
    assert not is_cached("thing", "k1")
    first = cached("thing", "k1", writes("one"))
    assert is_cached("thing", "k1")
    assert cached("thing", "k1", forbidden) == first
    assert (first / "file").read_text() == "one"


def test_a_failed_build_leaves_nothing(root: Path) -> None:
    """What the build raises is passed on, its folder is gone, and the next build starts afresh."""

    def fails(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cached("thing", "k1", fails)
    assert entries(root / "thing") == set()
    assert entries(cached("thing", "k1", writes("whole"))) == {"file"}


def test_a_killed_build_is_not_trusted_and_is_swept(root: Path) -> None:
    """After kill -9 in the middle of a build the next asker builds, and the half-built folder goes."""
    builder = python(
        "import time\nfrom chaos.lab.host.cache import cached\n"
        "def build(folder):\n  (folder / 'file').write_text('half')\n  print('half', flush=True)\n  time.sleep(60)\n"
        "cached('thing', 'k1', build)"
    )
    with builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "half\n"
        assert len(entries(root / "thing")) == 1
        builder.send_signal(signal.SIGKILL)
    assert not is_cached("thing", "k1")
    entry = cached("thing", "k1", writes("whole"))
    assert (entry / "file").read_text() == "whole"
    assert entries(root / "thing") == {"k1"}


def test_two_processes_build_once(tmp_path: Path) -> None:
    """Whoever comes while the entry is being built waits for it."""
    program = (
        "import sys, time, os\nfrom pathlib import Path\nfrom chaos.lab.host.cache import cached\n"
        "def build(folder):\n  Path(sys.argv[1], str(os.getpid())).touch()\n  time.sleep(0.5)\n"
        "  (folder / 'file').write_text(str(os.getpid()))\n"
        "print((cached('thing', 'k1', build) / 'file').read_text())"
    )
    builds = tmp_path / "builds"
    builds.mkdir()
    with python(program, str(builds)) as one, python(program, str(builds)) as other:
        said = {one.communicate()[0], other.communicate()[0]}
    assert len(said) == 1
    assert [path.name for path in builds.iterdir()] == [said.pop().strip()]


IDLE = "from chaos.lab.host.cache import cached\nimport sys\ncached('thing', sys.argv[1], lambda f: None)\n"
HOLDS = IDLE + "print('held', flush=True)\nsys.stdin.read()"


def test_the_two_most_recently_used_entries_stay(root: Path) -> None:
    """An old entry that no living process uses is removed when another is built."""
    for key in ("k1", "k2", "k3"):
        with python(IDLE, key):
            pass
        os.utime(root / "thing" / key, ns=(0, int(key[1]) * 10**9))
    assert entries(root / "thing") == {"k2", "k3"}
    with python(IDLE, "k2"):  # now k3 is the one used longest ago
        pass
    with python(IDLE, "k4"):
        pass
    assert entries(root / "thing") == {"k2", "k4"}


def test_an_entry_in_use_stays(root: Path) -> None:
    """However old, an entry is not removed while a process that asked for it lives; afterwards it is."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, "k1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for key in ("k2", "k3", "k4"):
            with python(IDLE, key):
                pass
        assert entries(root / "thing") == {"k1", "k3", "k4"}
        holder.communicate()
    os.utime(root / "thing" / "k1", ns=(0, 0))
    with python(IDLE, "k5"):
        pass
    assert entries(root / "thing") == {"k4", "k5"}


def test_a_lock_that_stays_taken_names_its_holder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for another build ends, with the number of the process that holds it."""
    monkeypatch.setattr("chaos.lab.host.cache.LOCK_DEADLINE_S", 0.3)
    builder = python(
        "import time\nfrom chaos.lab.host.cache import cached\n"
        "def build(folder):\n  print('building', flush=True)\n  time.sleep(60)\ncached('thing', 'k1', build)"
    )
    with builder:
        assert builder.stdout is not None
        builder.stdout.readline()
        with pytest.raises(LabError, match=f"process {builder.pid}"):
            cached("thing", "k1", forbidden)
        builder.kill()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab",), ("a", "b")),
        (("a", "b"), ("b", "a")),
        (("a",), (b"a",)),
        ((), ("",)),
    ],
)
def test_different_parts_give_different_digests(one: tuple[str | bytes, ...], other: tuple[str | bytes, ...]) -> None:
    """Where one part ends, what kind it is, and the order all count."""
    assert digest(*one) != digest(*other)


def test_a_folders_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    """A copy has the same digest; a change of content, name, link target or executable bit gives another."""
    folder = tmp_path / "one"

    def make(path: Path) -> None:
        (path / "sub").mkdir(parents=True)
        (path / "sub/file").write_text("text")
        (path / "link").symlink_to("sub/file")

    make(folder)
    make(tmp_path / "two")
    first = digest(folder)
    assert first == digest(tmp_path / "two")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_text("compiled")
    assert digest(folder) == first
    changes: list[Callable[[], object]] = [
        lambda: (folder / "sub/file").write_text("other"),
        lambda: (folder / "sub/file").rename(folder / "sub/other"),
        (folder / "link").unlink,
        lambda: os.symlink("sub", folder / "link"),  # noqa: PTH211  # Path.symlink_to, as a lambda, has no value
        lambda: (folder / "sub/other").chmod(0o755),
        (folder / "empty").mkdir,
    ]
    seen = {first}
    for change in changes:
        change()
        assert digest(folder) not in seen
        seen.add(digest(folder))


def test_the_root_is_private_and_ours(root: Path) -> None:
    """The cache is made for its user alone, and one that others may write to is refused."""
    assert cache_root() == root
    assert root.stat().st_mode & 0o777 == 0o700
    root.chmod(0o777)
    with pytest.raises(LabError, match="others may write"):
        cache_root()


def test_the_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME, else the home folder, when the cache has no variable of its own."""
    monkeypatch.delenv("GAMEDAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg/gameday"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home/.cache/gameday"


def test_a_root_that_cannot_be_made_is_an_error_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the folder and what to set."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(LabError, match=r"cannot be used(.|\n)*GAMEDAY_CACHE"):
        cache_root()


def test_mounts_below_finds_them_innermost_first() -> None:
    """The file systems of /proc and below are seen, and the root, which holds them all, comes last."""
    points = mounts_below(Path("/"))
    assert points[-1] == Path("/")
    assert Path("/proc") in points


def test_using_an_entry_makes_it_recent() -> None:
    """The time of last use is on the entry itself."""
    entry = cached("thing", "k1", writes("one"))
    os.utime(entry, ns=(0, 0))
    began_ns = time.time_ns()
    cached("thing", "k1", forbidden)
    until(lambda: entry.stat().st_mtime_ns >= began_ns - 10**8, deadline_s=1, awaited="the entry's time of use")


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to others")


def stranger(path: Path) -> None:
    """Another user has it."""
    os.chown(path, 12345, 12345)


def writable(path: Path) -> None:
    """Everybody may write to it."""
    path.chmod(0o777)


def group_writable(path: Path) -> None:
    """A group may."""
    os.chown(path, 0, 12345)
    path.chmod(0o775)


@AS_ROOT
@pytest.mark.parametrize("spoil", [stranger, writable, group_writable])
@pytest.mark.parametrize("which", ["home", "home/.cache", "home/.cache/gameday"])
def test_root_trusts_no_folder_that_others_can_replace(
    spoil: Callable[[Path], None], which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the cache nor one above it, whoever called sudo; the error names the folder and the remedy."""
    (tmp_path / "home/.cache/gameday").mkdir(parents=True)
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "home/.cache/gameday"))
    monkeypatch.setenv("SUDO_UID", "12345")
    cache_root()
    spoil(tmp_path / which)
    with pytest.raises(LabError, match=re.escape(str(tmp_path / which))) as refused:
        cache_root()
    assert "set GAMEDAY_CACHE" in refused.value.fix
    assert "\n" not in refused.value.what


@AS_ROOT
def test_a_sticky_folder_and_root_s_own_links_are_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In /tmp nobody replaces another's; a link to a larger disk is followed, and what it leads to is looked at."""
    (tmp_path / "disk/cache").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "tmp/link").symlink_to("../disk")
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "tmp/link/cache"))
    cache_root()
    (tmp_path / "disk").chmod(0o777)
    with pytest.raises(LabError, match=r"others may write to .*disk"):
        cache_root()
    (tmp_path / "disk").chmod(0o755)
    os.chown(tmp_path / "tmp/link", 12345, 12345, follow_symlinks=False)
    with pytest.raises(LabError, match="link belongs to user 12345"):
        cache_root()


@AS_ROOT
def test_a_home_that_sudo_left_is_not_root_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache and the lab's state are then in root's own; a home that is root's is taken as it is given."""
    monkeypatch.delenv("GAMEDAY_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert own_home() == tmp_path / "home"
    os.chown(tmp_path / "home", 12345, 12345)
    assert own_home() == Path(pwd.getpwuid(0).pw_dir)


@AS_ROOT
@pytest.mark.parametrize("spoil", [stranger, writable])
def test_an_entry_of_another_user_is_not_used(spoil: Callable[[Path], None], root: Path) -> None:
    """It may have been put there before the cache was root's: the error says what to remove, and then it is built."""
    spoil(cached("thing", "k1", writes("planted")))
    with pytest.raises(LabError, match="belongs to another user") as refused:
        cached("thing", "k1", writes("own"))
    assert refused.value.fix == f"rm -r {root / 'thing/k1'}"
    shutil.rmtree(root / "thing/k1")
    assert (cached("thing", "k1", writes("own")) / "file").read_text() == "own"


def test_an_entry_that_is_a_link_is_not_used(root: Path, tmp_path: Path) -> None:
    """Wherever it leads."""
    cached("thing", "k1", writes("own")).rename(tmp_path / "elsewhere")
    (root / "thing/k1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError, match="no folder that was built here"):
        cached("thing", "k1", writes("own"))


def test_a_cache_that_others_may_read_is_closed(root: Path) -> None:
    """Folders of images in it are writable for all, as they are in the image."""
    cache_root().chmod(0o755)
    cache_root()
    assert root.stat().st_mode & 0o777 == 0o700
