"""Files that only grow, a line at a time, so that a killed run leaves its evidence."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.errors import HarnessBroken

__all__ = ["PRIVATE_FILE", "AppendFile", "as_line", "private_folder", "write_private"]

_BLOCK = 1 << 20

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
"""Evidence is its owner's: what a service answers and how it is set up is for no other user of the machine."""


def private_folder(path: Path) -> None:
    """Make a folder for evidence, and what is missing above it.

    Raises `FileExistsError` if it is there, `HarnessBroken` if it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        raise
    except OSError as error:
        raise HarnessBroken(f"{path} cannot be made: {error.strerror}") from error


def write_private(path: Path, text: str) -> None:
    """Write a file of evidence anew, but not through a link: a run folder may be another's.

    Raises `HarnessBroken` if it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise HarnessBroken(f"{path} cannot be written: {error.strerror}") from error


def as_line(data: Mapping[str, Any]) -> bytes:
    """Plain data as one line of JSON. Half a character, which no reader takes for text, becomes a question mark."""
    line = json.dumps(data, separators=(",", ":"))
    if "\\ud" in line:
        whole = json.dumps(data, ensure_ascii=False).encode(errors="replace")
        line = json.dumps(json.loads(whole), separators=(",", ":"))
    return line.encode()


class AppendFile:
    """A file to which whole JSON lines are appended from any thread, in order of their times.

    Each line is handed to the kernel in one write, so a process that is killed leaves whole lines behind and at most
    one partial last line: the kernel may stop a write half-way when SIGKILL arrives. Opening such a file again cuts
    that partial line off. Lines survive the death of the process, not of the machine: nothing is synced to the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._last_ns = 0
        self._open = False
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, PRIVATE_FILE)
            self._open = True
            self._cut_partial_line()
        except OSError as error:
            self.close()
            raise HarnessBroken(f"{path} cannot be written: {error.strerror}") from error

    def write(self, at_ns: int, rest: bytes) -> int:
        """Append `{"at_ns": ..., REST`, where `rest` is the remainder of a JSON object, and return the time written.

        That is `at_ns`, or the time of the line before, if another thread got in between: times never go backwards.
        Raises `HarnessBroken` if the line cannot be written in full.
        """
        with self._lock:
            if not self._open:
                raise HarnessBroken(f"{self.path} was closed before its last line was written")
            self._last_ns = max(at_ns, self._last_ns)
            line = b'{"at_ns":%d,%b\n' % (self._last_ns, rest)
            try:
                written = os.write(self._descriptor, line)
                while written < len(line):  # a disk that fills up cuts a write short before it refuses one
                    written += os.write(self._descriptor, line[written:])
            except OSError as error:
                raise HarnessBroken(f"{self.path} cannot be written: {error.strerror}") from error
            return self._last_ns

    def close(self) -> None:
        """Close the file; what was written is with the kernel already."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._descriptor)

    def _cut_partial_line(self) -> None:
        end = size = os.fstat(self._descriptor).st_size
        while end > 0:
            begin = max(0, end - _BLOCK)
            newline = os.pread(self._descriptor, end - begin, begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end < size:
            os.ftruncate(self._descriptor, end)
