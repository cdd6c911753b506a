"""Pieces of a growing file: whole lines only, each held against its digest, and the copy against the whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.pod import pages
from loadgen.pod.pages import BadPage, Copy, page, sum_of


def sent(given: dict[str, Any]) -> dict[str, Any]:
    """A piece as it arrives: through JSON."""
    arrived: dict[str, Any] = json.loads(json.dumps(given))
    return arrived


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b" ") + b"\n"), max_size=30))
def test_a_file_that_is_taken_in_pieces_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    """Whatever bytes its lines hold, and however it has grown in between."""
    path = tmp_path_factory.mktemp("pages") / "file"
    copy, taken = Copy(), b""
    for line in lines:
        with path.open("ab") as file:
            file.write(line)
        taken += copy.take(sent(page(path, copy.size)))
    assert taken == b"".join(lines)
    assert copy.differs(sum_of(path)) == ""


def test_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    """Only whole lines are handed over; the rest comes with its end."""
    (path := tmp_path / "file").write_bytes(b"one\ntw")
    copy = Copy()
    assert copy.take(page(path, 0)) == b"one\n"
    assert copy.take(page(path, copy.size)) == b""
    path.write_bytes(b"one\ntwo\n")
    assert copy.take(page(path, copy.size)) == b"two\n"


def test_a_large_file_comes_in_pieces_and_a_long_line_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than a piece is handed over whole."""
    monkeypatch.setattr(pages, "PAGE_BYTES", 10)
    (path := tmp_path / "file").write_bytes(b"aaaa\nbbbb\n" + b"c" * 35 + b"\nd\n")
    copy, given = Copy(), []
    while data := copy.take(page(path, copy.size)):
        given.append(data)
    assert given == [b"aaaa\nbbbb\n", b"c" * 35 + b"\n", b"d\n"]


def test_what_is_not_what_was_sent_is_refused_and_nothing_of_it_is_taken(tmp_path: Path) -> None:
    """Another byte, a cut end, another place, no text at all: each is named, and the right piece is taken after it."""
    (path := tmp_path / "file").write_bytes(b"one\ntwo\n")
    copy, right = Copy(), page(path, 0)
    cut = b"one\ntw"
    for wrong, words in (
        (right | {"text": "one\ntwO\n"}, "do not match the digest"),
        (right | {"text": "one\n"}, "do not match the digest"),
        (right | {"text": cut.decode(), "sha256": hashlib.sha256(cut).hexdigest()}, "is cut"),
        (right | {"offset": 4}, "a piece from byte 4 instead of 0"),
        (right | {"text": None}, "no piece of a file"),
        ({}, "no piece of a file"),
    ):
        with pytest.raises(BadPage, match=words):
            copy.take(wrong)
    assert copy.take(right) == b"one\ntwo\n"
    with pytest.raises(BadPage, match="a piece from byte 0 instead of 8"):
        copy.take(right)


def test_a_copy_that_is_not_the_whole_says_how(tmp_path: Path) -> None:
    """One that stops short, and one whose beginning has changed since."""
    (path := tmp_path / "file").write_bytes(b"one\n")
    copy = Copy()
    copy.take(page(path, 0))
    path.write_bytes(b"one\ntwo\n")
    assert copy.differs(sum_of(path)) == "4 of 8 bytes"
    path.write_bytes(b"oNe\n")
    assert copy.differs(sum_of(path)) == "its digest is not that of the whole file"


def test_a_file_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """Nothing to take, and the sum of nothing."""
    copy = Copy()
    assert copy.take(page(tmp_path / "none", 0)) == b""
    assert copy.differs(sum_of(tmp_path / "none")) == ""
