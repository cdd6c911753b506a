"""A growing file of lines, handed over in pieces: each with its digest, and at the end one of the whole."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["LINE_MAX_BYTES", "BadPage", "Copy", "page", "sum_of"]

PAGE_BYTES = 1024 * 1024

LINE_MAX_BYTES = 1024 * 1024
"""The record of an answer of some 100,000 tokens; a longer line is never handed over."""


class BadPage(Exception):
    """A piece that is not what was sent, or not the one that comes next."""


def page(path: Path, offset: int) -> dict[str, Any]:
    """The whole lines that follow `offset`, about a megabyte at most, with their digest; empty if there are none."""
    data = b""
    if path.exists():
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(PAGE_BYTES)
            if len(data) == PAGE_BYTES and b"\n" not in data:
                data += file.readline(LINE_MAX_BYTES)
    data = data[: data.rfind(b"\n") + 1]
    return {"offset": offset, "text": data.decode(errors="surrogateescape"), "sha256": hashlib.sha256(data).hexdigest()}


def sum_of(path: Path) -> dict[str, Any]:
    """The size and the digest of a file; those of an empty one if there is none."""
    if not path.exists():
        return {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": path.stat().st_size}


class Copy:
    """What has been taken of one such file so far: how much, and its digest."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()

    def take(self, given: Mapping[str, Any]) -> bytes:
        """Check the next piece and give its lines. Raises `BadPage`: nothing of it is taken then."""
        try:
            data = given["text"].encode(errors="surrogateescape")
            offset, sha256 = given["offset"], given["sha256"]
        except (AttributeError, KeyError, TypeError, UnicodeEncodeError) as error:
            raise BadPage(f"no piece of a file: {error!r}") from None
        if given.keys() - {"offset", "text", "sha256"} or type(offset) is not int:
            raise BadPage("no piece of a file: it has other fields")
        if offset != self.size:
            raise BadPage(f"a piece from byte {offset} instead of {self.size}")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BadPage(f"{len(data)} bytes from byte {offset} do not match the digest that was sent with them")
        if data and not data.endswith(b"\n"):
            raise BadPage(f"a line from byte {offset} is cut")
        self.size += len(data)
        self._digest.update(data)
        return bytes(data)

    def differs(self, whole: Mapping[str, Any]) -> str:
        """How the copy differs from the whole file, whose size and digest are given; empty if it is the same."""
        if whole.get("size") != self.size:
            return f"{self.size} of {str(whole.get('size'))[:20]} bytes"
        return "" if whole.get("sha256") == self._digest.hexdigest() else "its digest is not that of the whole file"
