"""Reading files of JSON lines that may end in the middle of a line, because their writer was killed."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from chaos.errors import UsageError

__all__ = ["Tail", "damaged", "read_lines", "whole_lines"]

BLOCK_BYTES = 1 << 16


def damaged(path: Path, line: int, why: str) -> UsageError:
    """The error for a whole line that is not what the run folder's description says."""
    return UsageError(
        f"{path}, line {line}: {why}", "the run folder is damaged: judge an intact copy, or make the trial again"
    )


def whole_lines(path: Path) -> tuple[bytes, str]:
    """Give the bytes of the file's whole lines, and a remark if its last line was cut; a missing file is empty."""
    if not path.exists():
        return b"", f"{path.name} is missing"
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end == len(data):
        return data, ""
    return data[:end], f"{path.name}: the last line was cut short ({len(data) - end} bytes) and is left out"


def read_lines(path: Path, take: Callable[[dict[str, Any]], None]) -> str:
    """Give each whole line to `take`, and return a remark, empty if there is none.

    Raises `UsageError`, with the line, for one that is no JSON object or that `take` cannot use.
    """
    data, remark = whole_lines(path)
    with collector_paused():
        _take_all(path, data, take)
    return remark


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let the garbage collector rest: parsing makes millions of objects, no garbage, and it would scan them all.

    What was made is then left out of later scans for good: it holds no cycles, so counting references frees it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _take_all(path: Path, data: bytes, take: Callable[[dict[str, Any]], None]) -> None:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            record = from_json(line)
        except ValueError as error:
            raise damaged(path, number, f"no JSON: {error}") from None
        if not isinstance(record, dict):
            raise damaged(path, number, "no JSON object")
        try:
            take(record)
        except KeyError as error:
            raise damaged(path, number, f"field {error} is missing") from None
        except (TypeError, ValueError) as error:
            raise damaged(path, number, str(error)) from None


class Tail:
    """The whole lines that were appended to a file since it was looked at last; the file may not be there yet."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._at = _whole_until(path) if from_end and path.exists() else 0

    def more(self) -> bytes:
        """Read on; a line that is not whole yet waits for the next time."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole


def _whole_until(path: Path) -> int:
    """Where the last line that is whole ends: who writes may be in the middle of the next one."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - BLOCK_BYTES)
            file.seek(begin)
            if at := file.read(end - begin).rfind(b"\n") + 1:
                return begin + at
            end = begin
    return 0
