"""Trace files of Azure and Mooncake, as they are and as they come damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.profiles import OpenAiChatProfile, profile_from_plain
from loadgen.shapes import read_trace, shape_from_plain, trace_files
from loadgen.shapes.base import Size
from loadgen.shapes.trace_files import read_lengths

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"
AZURE_2023 = f"{HEAD}\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
AZURE_2024 = f"{HEAD}\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01.017335+00:00,2399,6\n"
MOONCAKE = [
    {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]},
    {"timestamp": 3000, "input_length": 7319, "output_length": 490, "hash_ids": [0, 14]},
]


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    """A file that holds this text, byte for byte."""
    (path := folder / "trace").write_bytes(text.encode(encoding))
    return path


def lines(*records: object) -> str:
    """A JSON object a line."""
    return "".join(json.dumps(one) + "\n" for one in records)


@pytest.mark.parametrize(
    ("text", "gap_ns", "sizes"),
    [
        (AZURE_2023, 4_314_579_000, (Size(374, 44), Size(396, 109))),
        (AZURE_2024, 1_007_405_000, (Size(2162, 5), Size(2399, 6))),
    ],
    ids=["2023", "2024"],
)
@pytest.mark.parametrize("damage", ["none", "bom", "crlf", "spaces"])
def test_azures_traces_of_both_years_are_read(
    tmp_path: Path, text: str, gap_ns: int, sizes: tuple[Size, ...], damage: str
) -> None:
    """Times from the first arrival on, with its sizes; whatever an editor made of the file."""
    if damage == "crlf":
        text = text.replace("\n", "\r\n")
    if damage == "spaces":
        text = text.replace(",", ", ")
    trace = read_trace(written(tmp_path, text, "utf-8-sig" if damage == "bom" else "utf-8"))
    assert trace.sizes == sizes
    assert trace.offsets_ns[0] == 0
    assert abs(trace.offsets_ns[1] - gap_ns) < 1000


def test_mooncakes_blocks_become_common_prefixes(tmp_path: Path) -> None:
    """Milliseconds, lengths, and the names of blocks, through the generator's plan and back."""
    trace = read_trace(written(tmp_path, lines(*MOONCAKE).replace("\n", "\r\n\r\n")))
    assert trace.offsets_ns == (0, 3 * NS)
    assert trace.sizes == (Size(6758, 500, (0, 1, 2)), Size(7319, 490, (0, 14)))
    assert shape_from_plain(json.loads(json.dumps(trace.plain()))) == trace


def test_unsorted_times_are_sorted(tmp_path: Path) -> None:
    """The first line need not be the first arrival, and no arrival is lost."""
    first, second = AZURE_2024.splitlines()[1:]
    assert read_trace(written(tmp_path, f"{HEAD}\n{second}\n{first}\n")).sizes == (Size(2162, 5), Size(2399, 6))
    assert read_trace(written(tmp_path, lines(*MOONCAKE[::-1]))).offsets_ns == (0, 3 * NS)


def test_sizes_of_zero_are_kept(tmp_path: Path) -> None:
    """Azure has requests without context and without an answer; the profile asks for the least there is."""
    assert read_trace(written(tmp_path, f"{HEAD}\n2023-11-16 18:15:46,0,0\n")).sizes == (Size(0, 0),)


def test_a_span_is_cut_out_and_sizes_are_bounded(tmp_path: Path) -> None:
    """For long traces, and models with a short context; time may run faster."""
    path = written(tmp_path, lines(*({**MOONCAKE[0], "timestamp": 1000 * second} for second in range(10))))
    trace = read_trace(path, from_s=2, for_s=3, speed=2, size_max=512)
    assert trace.offsets_ns == (0, NS // 2, NS)
    assert set(trace.sizes) == {Size(512, 500, (0, 1, 2))}
    with pytest.raises(UsageError, match="no arrival from 50 s"):
        read_trace(path, from_s=50)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{HEAD}\n2023-11-16 18:15:46,1,2\nyesterday,3,4\n", "line 3: not an arrival"),
        (f"{HEAD}\n2023-11-16 18:15:46,-1,2\n", "line 2: not an arrival"),
        (f"{HEAD}\n2023-11-16 18:15:46,1.5,2\n", "line 2: not an arrival"),
        (f"{HEAD}\n2023-11-16 18:15:46,nan,2\n", "line 2: not an arrival"),
        (f"{HEAD}\n2023-11-16 18:15:46,9999999,2\n", "line 2: not an arrival"),
        (f"{HEAD}\n\x00\n", "line 2: not an arrival"),
        (f"{HEAD}\n{'x' * 200_000},1,2\n", "line 2: not an arrival"),
        (lines(MOONCAKE[0]) + "not json\n", "line 2: not an arrival"),
        (lines(MOONCAKE[0], [1]), "line 2: not an arrival"),
        (lines(MOONCAKE[0], {"timestamp": 1}), "line 2: not an arrival: no 'input_length'"),
        (lines({**MOONCAKE[0], "hash_ids": ["a"]}), "line 1: not an arrival"),
        (lines({**MOONCAKE[0], "hash_ids": 3}), "line 1: not an arrival"),
        (lines({**MOONCAKE[0], "timestamp": None}), "line 1: not an arrival"),
        (lines({**MOONCAKE[0], "input_length": True}), "line 1: not an arrival"),
        ("", "no column at_s"),
        ("TIMESTAMP;ContextTokens;GeneratedTokens\n", "no column at_s"),
    ],
)
def test_a_damaged_line_is_told_by_its_number(tmp_path: Path, text: str, complaint: str) -> None:
    """In one line, however long the damage is."""
    with pytest.raises(UsageError) as caught:
        read_trace(written(tmp_path, text))
    assert complaint in caught.value.what
    assert len(caught.value.what) < 400
    assert "\n" not in caught.value.what


def test_lengths_alone_are_taken_from_a_trace(tmp_path: Path) -> None:
    """As a profile of a system file names it; those of zero say nothing."""
    path = written(tmp_path, f"{AZURE_2023}2023-11-16 18:15:51,0,7\n")
    assert read_lengths(path, "size_in") == (374, 396)
    length = {"trace": str(path)}
    profile = profile_from_plain({"name": "openai-chat", "model": "m", "prompts": ["a"], "tokens_out": length})
    assert isinstance(profile, OpenAiChatProfile)
    assert profile.tokens_out is not None
    assert profile.tokens_out.values == (44, 109, 7)
    with pytest.raises(UsageError, match="has no size_in"):
        read_lengths(written(tmp_path, "at_s\n1\n"), "size_in")


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A file of strangers may name what never ends, or waits for ever."""
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "folder":
        path.mkdir()
    for read in (read_trace, lambda one: read_lengths(one, "size_in")):
        with pytest.raises(UsageError, match="is no file"):
            read(path)


@pytest.mark.parametrize("first", ["a" * 200_000, f'at_s,"{"x" * 200_000}'])
def test_a_first_line_that_is_no_head_is_told(tmp_path: Path, first: str) -> None:
    """As of a file that is still compressed: the parser of CSV gives up on it in its own way."""
    with pytest.raises(UsageError, match="line 1: not an arrival"):
        read_trace(written(tmp_path, f"{first}\n1,2,3\n"))


@pytest.mark.parametrize("head", ["at_s,size_in\n", lines(MOONCAKE[0])])
def test_a_line_without_an_end_is_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    """It would be held whole before anything could be said of it."""
    monkeypatch.setattr(trace_files, "LINE_MAX", 1000)
    with pytest.raises(UsageError, match="line 2: not an arrival: it is longer than 1000 characters"):
        read_trace(written(tmp_path, f"{head}{'1,' * 5000}"))


def test_blocks_are_counted_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when all are held: the line after the bound is never parsed."""
    monkeypatch.setattr(trace_files, "BLOCKS_MAX", 4)
    with pytest.raises(UsageError, match="over 4 blocks of text"):
        read_trace(written(tmp_path, f"{lines(*MOONCAKE)}no line at all\n"))
