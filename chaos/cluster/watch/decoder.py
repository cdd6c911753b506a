"""Cutting what the API server sends into events and objects without taking it apart. Pure.

The objects themselves are the evidence and are kept as bytes. An event's type, UID and resourceVersion stand at its
very beginning, where the server writes them, and are read there: parsing a whole pod would take ten times as long.
An event that does not begin so (custom resources order their fields otherwise) is parsed in full.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["BadFrame", "Frame", "Item", "cut_page", "lines", "read_frame"]

# Anchored at the first byte and without escapes, so that nothing inside an object can pass for these fields.
_TEXT = rb'"[^"\\]*"'
_BEGINNING = re.compile(
    rb'\{"type":"(ADDED|MODIFIED|DELETED)","object":\{"kind":%b,"apiVersion":%b,"metadata":\{"name":%b,'
    rb'(?:"generateName":%b,)?(?:"namespace":%b,)?"uid":"([^"\\]+)","resourceVersion":"([0-9]+)"' % ((_TEXT,) * 5)
)
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class BadFrame(ValueError):
    """Something on the connection that is no watch event: the connection can no longer be trusted."""


class Frame(NamedTuple):
    """What one watch event is. `status` is the server's Status where the type is ERROR.

    A named tuple, because one is made for each event and a frozen dataclass takes four times as long to make.
    """

    type: str
    uid: str = ""
    rv: str = ""
    status: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a list, as the server sent it, and of which state it is."""

    uid: str
    raw: bytes
    rv: str = "0"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: all pages of a list are of the moment `rv`; `following` is the token of the next."""

    rv: str
    following: str
    items: tuple[Item, ...]


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join chunks and cut them at newlines, which JSON never contains; a line that never ended is left out."""
    parts: list[bytes] = []
    for chunk in chunks:
        if not parts and chunk.find(b"\n") == len(chunk) - 1 > 0:  # nearly always: one event, one chunk
            yield chunk[:-1]
            continue
        *whole, rest = chunk.split(b"\n")
        if whole:
            parts.append(whole[0])
            whole[0] = b"".join(parts)
            parts = []
            yield from filter(None, whole)
        if rest:
            parts.append(rest)


def read_frame(line: bytes) -> Frame:
    """Read what a watch event is. Raises `BadFrame` for a line that is none."""
    if beginning := _BEGINNING.match(line):
        type_, uid, rv = beginning.groups()
        return Frame(type_.decode(), uid.decode(), rv.decode())
    try:
        event = json.loads(line)
        type_, obj = event["type"], event["object"]
        if type_ == "ERROR":
            return Frame(type_, status=obj)
        metadata = obj["metadata"]
        return Frame(type_, metadata.get("uid", ""), metadata["resourceVersion"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFrame(f"the server sent what is no watch event: {line[:80]!r}") from error


def cut_page(body: bytes) -> Page:
    """Cut a list into its objects. Raises `BadFrame` for a body that is no list."""
    try:
        text = body.decode()
        fields: dict[str, Any] = {}
        items: tuple[Item, ...] = ()
        at = _past(text, 0, "{")
        while True:
            name, at = _DECODER.raw_decode(text, _space(text, at))
            at = _space(text, _past(text, at, ":"))
            if name == "items" and text[at] == "[":
                items, at = _items(text, at)
            else:
                fields[name], at = _DECODER.raw_decode(text, at)
            at = _space(text, at)
            if text[at] == "}":
                break
            at = _past(text, at, ",")
        metadata = fields["metadata"]
        return Page(metadata["resourceVersion"], metadata.get("continue") or "", items)
    except (ValueError, LookupError, TypeError) as error:
        raise BadFrame(f"the server sent what is no list: {body[:80]!r}") from error


def _items(text: str, at: int) -> tuple[tuple[Item, ...], int]:
    """The objects of the array that begins at `at`, and where it ends."""
    found: list[Item] = []
    at = _space(text, at + 1)
    while text[at] != "]":
        obj, end = _DECODER.raw_decode(text, at)
        # Newlines between tokens mean nothing and would end a line of the file; inside strings JSON has none.
        raw = text[at:end].replace("\n", " ").encode()
        found.append(Item(obj["metadata"]["uid"], raw, obj["metadata"].get("resourceVersion", "0")))
        at = _space(text, end)
        if text[at] != "]":
            at = _space(text, _past(text, at, ","))
    return tuple(found), at + 1


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _past(text: str, at: int, mark: str) -> int:
    at = _space(text, at)
    if text[at] != mark:
        raise ValueError(f"{mark} expected at {at}")
    return at + 1
