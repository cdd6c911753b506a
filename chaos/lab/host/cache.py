"""Folders that are built once and kept: a name, a key made of everything that went in, and what came out.

A folder under its final name is whole: it was built beside, written to the disk, and renamed. A build that is killed
leaves only a folder that the next build of that name throws away.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import LabError, TimedOut
from chaos.lab.host.paths import own_home, refuse_shared
from chaos.wait import until

__all__ = ["cache_root", "cached", "digest", "discard", "is_cached", "mounts_below"]

ENTRIES_KEPT = 2
BUILDING, DYING = ".building-", ".dying-"
# Longer than the slowest build (Kubernetes from nothing on two cores: 8 min); a dead builder frees its lock at once.
LOCK_DEADLINE_S = 1800.0

_in_use: dict[Path, int] = {}


def cache_root() -> Path:
    """The folder that holds all caches, made with mode 0700 if absent.

    `$GAMEDAY_CACHE`, else `$XDG_CACHE_HOME/gameday`, else `~/.cache/gameday`. Raises LabError if others may write to
    it, or as root to any folder above it, because programs in it are run as root.
    """
    if chosen := os.environ.get("GAMEDAY_CACHE"):
        root = Path(chosen)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or own_home() / ".cache") / "gameday"
    root = root.absolute()
    if os.geteuid() == 0:
        refuse_shared(root, _elsewhere())
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        facts = root.stat()
    except OSError as error:
        raise LabError(f"the cache folder {root} cannot be used: {error.strerror}", _elsewhere()) from error
    if facts.st_uid != os.geteuid():
        raise LabError(f"the cache folder {root} belongs to another user", _elsewhere())
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LabError(f"others may write to the cache folder {root}", f"remove it, or {_elsewhere()}")
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        root.chmod(0o700)  # files in images may be writable for all
    return root


def _elsewhere() -> str:
    return "set GAMEDAY_CACHE to a folder that is yours alone, as are those above it, e.g. " + (
        "/var/cache/gameday" if os.geteuid() == 0 else "one in your home"
    )


def digest(*parts: str | bytes | Path) -> str:
    """A key of 32 hexadecimal digits that changes when any of `parts`, or their order, changes.

    A path to a file stands for its contents; a path to a folder for the names, contents, link targets and executable
    bits below it (what Python leaves in `__pycache__` is no input). Raises OSError if a path cannot be read.
    """
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            kind, value = "path", _path_digest(part)
        else:
            kind, value = type(part).__name__, part.encode() if isinstance(part, str) else part
        whole.update(f"{kind} {len(value)}\n".encode())
        whole.update(value)
    return whole.hexdigest()[:32]


def _path_digest(path: Path) -> bytes:
    if not path.is_dir():
        return _file_digest(path)
    whole = hashlib.sha256()
    for entry in sorted(path.rglob("*")):
        relative = entry.relative_to(path)
        if "__pycache__" in relative.parts:
            continue
        if entry.is_symlink():
            kind, value = "link", os.fsencode(entry.readlink())
        elif entry.is_file():
            kind, value = "program" if os.access(entry, os.X_OK) else "file", _file_digest(entry)
        else:
            kind, value = "folder", b""
        name = os.fsencode(relative)
        whole.update(f"{kind} {len(name)} {len(value)}\n".encode() + name + value)
    return whole.digest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def cached(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder `<cache>/<name>/<key>`; if absent, `build` is called with an empty folder that then becomes it.

    One process builds under a name at a time; others wait for it and use what it built. Whatever `build` raises is
    passed on, and nothing is kept. After a build, of the other entries of that name the most recently used stays, and
    every one that a living process got from here; the rest are removed. Raises LabError if the lock is not free in
    half an hour.
    """
    folder = cache_root() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    entry = folder / key
    if not _hold(entry):
        with _locked(folder / ".lock", name):
            if not _hold(entry):
                _sweep(folder)
                _build_whole(entry, build)
                assert _hold(entry)
                _evict(folder)
    os.utime(entry)
    return entry


def is_cached(name: str, key: str) -> bool:
    """Whether `cached` would find the entry built."""
    return (cache_root() / name / key).is_dir()


def _hold(entry: Path) -> bool:
    """Mark the entry as used by this process until it ends; False if there is no such entry.

    Raises LabError for one that another user built, or may have.
    """
    try:
        held = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        facts = os.fstat(held)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise LabError(f"{entry} in the cache is no folder that was built here", f"rm -r {entry}") from None
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(held)
        raise LabError(f"{entry} in the cache belongs to another user, or others may write to it", f"rm -r {entry}")
    fcntl.flock(held, fcntl.LOCK_SH)
    # It may have been evicted, and even built again, between the opening and the lock.
    if not entry.exists() or not os.path.samestat(os.fstat(held), entry.stat()):
        os.close(held)
        return False
    if entry in _in_use:
        os.close(_in_use[entry])
    _in_use[entry] = held
    return True


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    with path.open("a+") as lock:

        def taken() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            until(taken, deadline_s=LOCK_DEADLINE_S, awaited=f"the build of {name} by process {path.read_text()}")
        except TimedOut as late:
            raise LabError(str(late), f"see what process {path.read_text()} does; end it if it hangs") from late
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _build_whole(entry: Path, build: Callable[[Path], None]) -> None:
    building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=entry.parent))
    try:
        build(building)
        os.sync()  # fsync of each of thousands of files takes far longer
        building.rename(entry)
    except BaseException:
        _retire(building)
        raise
    os.sync()


def _sweep(folder: Path) -> None:
    """Remove what dead builds left; whoever holds the lock of the name knows that no other build lives."""
    for left in folder.iterdir():
        if left.name.startswith((BUILDING, DYING)):
            _retire(left)


def _evict(folder: Path) -> None:
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda e: e.stat().st_mtime_ns)
    for entry in entries[:-ENTRIES_KEPT]:
        held = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _retire(entry)
        finally:
            os.close(held)


def _retire(folder: Path) -> None:
    # Under another name first: a compiler that outlives its killed build then finds no place to write new files.
    discard(folder.rename(Path(tempfile.mkdtemp(prefix=DYING, dir=folder.parent))))


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below `folder`, the innermost first."""
    resolved = folder.resolve()
    points = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        point = Path(line.split()[4].encode(errors="surrogateescape").decode("unicode_escape"))
        if point.is_relative_to(resolved):
            points.append(point)
    # The kernel's list is not always outermost first.
    return sorted(points, key=lambda point: len(point.parts), reverse=True)


def discard(folder: Path) -> None:
    """Remove a folder of ours and all in it, after unmounting what a dead build left mounted there.

    Raises LabError rather than delete through a mount: it may show folders of the host.
    """
    for point in mounts_below(folder):
        subprocess.run(["umount", point], check=False, capture_output=True)
    if left := mounts_below(folder):
        raise LabError(f"still mounted, so {folder} was not removed: {left[0]}", f"umount {left[0]}")
    shutil.rmtree(folder)
