"""One container's log as it is kept: a bounded beginning, and the last lines of what came after that."""

import os
import re
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from chaos.clock import NS
from chaos.errors import HarnessBroken
from chaos.history.writing.jsonl import PRIVATE_FILE
from chaos.history.writing.log_lines import LineRedactor

__all__ = ["Budget", "LogFile", "bounded_lines", "stamp_ns"]

LINE_BYTES = 32 * 1024
"""So much of a line is held while its end is awaited; the rest of a longer one is dropped."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Budget:
    """Bytes that may still be written, for many threads."""

    def __init__(self, bytes_: int) -> None:
        self._left = bytes_
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Take so many, if there are."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True


class LogFile:
    """A file of evidence that takes lines up to a bound; the times of its lines say where a later reading goes on.

    Raises `HarnessBroken` where it cannot be written.
    """

    def __init__(self, path: Path, budget: Budget, redactor: LineRedactor, most_bytes: int) -> None:
        self._path, self._budget, self._redactor, self._left = path, budget, redactor, most_bytes
        self.written = 0
        self.full = False
        self.last_stamp = ""
        self._last_ns = -1
        self._alike = 0
        """How many lines there were of the last time: a node may write two within its clock's resolution."""
        self._skip: int | None = None
        """How many of these are still to come again; None: nothing comes again any more."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, PRIVATE_FILE)
        except OSError as error:
            raise HarnessBroken(f"{path} cannot be written: {error.strerror}") from error

    def again(self) -> None:
        """The lines that follow are read anew from the time of the last one: leave out those that are there."""
        self._skip = self._alike or None

    def take(self, raw: bytes) -> bool:
        """Keep a line, unless it is there already; False, once and for all, when there is no room for it."""
        stamp, _, text = raw.decode(errors="replace").partition(" ")
        at_ns = stamp_ns(stamp)
        if at_ns is None:
            return self.write(f"{stamp} {text}".rstrip())
        if self._skip is not None and at_ns <= self._last_ns:
            known = at_ns < self._last_ns or self._skip > 0
            self._skip -= at_ns == self._last_ns and self._skip > 0
            if known:
                return True
        elif at_ns > self._last_ns:
            self._skip = None
        # Standard output and error are stamped side by side, so that times may go back a little.
        if at_ns > self._last_ns:
            self._last_ns, self._alike, self.last_stamp = at_ns, 1, stamp
        elif at_ns == self._last_ns:
            self._alike += 1
        return self.write(text, f"{stamp} ")

    def take_last(self, raw: bytes) -> None:
        """Keep one of the last lines, which have room of their own, unless it is there already."""
        stamp, _, text = raw.decode(errors="replace").partition(" ")
        at_ns = stamp_ns(stamp)
        if at_ns is None or at_ns > self._last_ns:
            self.write(text if at_ns is not None else f"{stamp} {text}", f"{stamp} " if at_ns else "", last=True)

    def write(self, text: str, before: str = "", *, last: bool = False) -> bool:
        """Redact a line and write it; `last` ones have room of their own. False when there is no room."""
        data = f"{before}{self._redactor.line(text)}\n".encode(errors="replace")
        if not last:
            self.full = self.full or len(data) > self._left or not self._budget.take(len(data))
            if self.full:
                return False
            self._left -= len(data)
        self.written += len(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise HarnessBroken(f"{self._path} cannot be written: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def bounded_lines(pieces: Iterable[bytes], most_bytes: int = LINE_BYTES) -> Iterator[bytes]:
    """Whole lines, each cut to so many bytes; a last one without an end, too."""
    held, cut = bytearray(), False
    for piece in pieces:
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            held += b"" if cut else piece[begin : begin + min(end - begin, most_bytes - len(held))]
            yield bytes(held)
            held.clear()
            begin, cut = end + 1, False
        rest = piece[begin : begin + most_bytes - len(held)]
        held += rest
        cut = len(held) >= most_bytes
    if held:
        yield bytes(held)


def stamp_ns(text: str) -> int | None:
    """The time before a line as kubelets write it (RFC 3339, up to nanoseconds), in epoch ns; None: it is none."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(f"{found[1]}{found[3]}")
    except ValueError:
        return None
    return round(whole.timestamp()) * NS + int((found[2] or "").ljust(9, "0"))
