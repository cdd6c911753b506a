"""Who starts, uses or ends the lab: one hand at a time on the lab itself, and any number of users that keep it up.

Locks are the kernel's (flock), so the death of a process frees what it held, however it died.
"""

import fcntl
import itertools
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.errors import LabError, TimedOut
from chaos.history.writing.redaction import redacted_words
from chaos.progress import Progress
from chaos.wait import until

__all__ = ["LOCK", "User", "lab_lock", "register_use", "users"]

LOCK = Path("/run/gameday.lock")
# Longer than any start or teardown may take by their own deadlines.
LOCK_DEADLINE_S = 300.0
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class User:
    """A process that uses the lab, and what for, in its own words."""

    pid: int
    words: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.words}: {self.command})"


@contextmanager
def lab_lock(doing: str, progress: Progress | None = None, *, path: Path = LOCK) -> Iterator[None]:
    """Hold the lab, `doing` something to it; wait while another does. Raises LabError after five minutes.

    The file is removed with the lock, so that nothing stays behind.
    """
    descriptor = _take(path, doing)
    if descriptor is None:
        with progress.step(f"waiting: {_holder(path)}") if progress else nullcontext():
            try:
                descriptor = until(lambda: _take(path, doing), deadline_s=LOCK_DEADLINE_S, awaited="the lab's lock")
            except TimedOut as late:
                raise LabError(f"{_holder(path)}, for more than {LOCK_DEADLINE_S:g} s", "end it if it hangs") from late
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _take(path: Path, doing: str) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed the file between our opening and our locking it.
        taken = os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        taken = False
    if not taken:
        os.close(descriptor)
        return None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {doing}".encode(), 0)
    return descriptor


def _holder(path: Path) -> str:
    try:
        pid, _, doing = path.read_text().partition(" ")
    except FileNotFoundError:
        pid, doing = "", ""
    return f"another gameday (process {pid or 'unknown'}) is {doing or 'at the lab'}"


@contextmanager
def register_use(folder: Path, words: str) -> Iterator[None]:
    """Be listed in `folder` as a user until the block is left or this process ends. The folder must exist.

    Others read it, so the command has no credentials; nor may `words` have any.
    """
    path = folder / f"{os.getpid()}-{next(_numbers)}.json"
    command = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(asdict(User(os.getpid(), words, shlex.join(redacted_words(command)))), file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def users(folder: Path) -> tuple[User, ...]:
    """The living users; what the dead have left is removed."""
    living = []
    for path in sorted(folder.glob("*.json")):
        try:
            with path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    living.append(User(**json.load(file)))
                else:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
    return tuple(living)
