"""Lines that are read as they are appended, by whoever begins in the middle."""

from pathlib import Path

import pytest

from chaos.history.reading.jsonl import BLOCK_BYTES, Tail


@pytest.mark.parametrize(
    ("there", "then", "read"),
    [
        (b'{"a": 1}\n', b'{"b": 2}\n', b'{"b": 2}\n'),
        (b'{"a": 1}\n{"b"', b": 2}\n", b'{"b": 2}\n'),
        (b'{"a"', b': 1}\n{"b"', b'{"a": 1}\n'),
        (b"", b'{"a": 1}\n', b'{"a": 1}\n'),
        (b'{"a": 1}\n"' + b"x" * BLOCK_BYTES, b'"\n', b'"' + b"x" * BLOCK_BYTES + b'"\n'),
    ],
    ids=["whole", "in the middle of a line", "in the middle of the first", "empty", "in a line longer than a block"],
)
def test_a_tail_begins_with_a_whole_line(tmp_path: Path, there: bytes, then: bytes, read: bytes) -> None:
    """Where the writer was in the middle of a line, that one is read once it is whole, and none before it."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(there)
    tail = Tail(path, from_end=True)
    assert tail.more() == b""
    with path.open("ab") as file:
        file.write(then)
    assert tail.more() == read
    assert tail.more() == b""
