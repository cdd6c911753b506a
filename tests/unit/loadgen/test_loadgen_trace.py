"""Replay of a trace: arrival times and sizes from a CSV file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.profiles import Draw, HttpProfile, OpenAiChatProfile, Profile, Texts
from loadgen.shapes import shape_from_plain
from loadgen.shapes.base import NEVER_NS, Size
from loadgen.shapes.patterns import Poisson
from loadgen.shapes.trace import Replay
from loadgen.shapes.trace_files import read_trace

traces = st.lists(st.integers(min_value=0, max_value=10**12), min_size=1, max_size=50).map(sorted)


@given(traces, st.integers(min_value=0, max_value=10**12))
def test_arrivals_are_exactly_those_of_the_trace(offsets: list[int], span_ns: int) -> None:
    """Each at its moment, none after the last, and counted as they are."""
    shape = Replay(tuple(offsets))
    assert [at_ns - 7 for _, at_ns in shape.arrivals_ns(7, NEVER_NS)] == offsets
    assert shape.count(span_ns) == sum(offset < span_ns for offset in offsets)
    assert shape.offset_ns(len(offsets)) == NEVER_NS
    assert shape_from_plain(json.loads(json.dumps(shape.plain()))) == shape


def test_a_file_is_read_with_its_sizes(tmp_path: Path) -> None:
    """A line an arrival; a size that is left out is as the profile has it; time may run faster."""
    (path := tmp_path / "trace.csv").write_text("at_s,size_in,size_out\n0,100,20\n1.5,,30\n1.5,7,\n")
    trace = read_trace(path, speed=2)
    assert trace.offsets_ns == (0, 750_000_000, 750_000_000)
    assert trace.sizes == (Size(100, 20), Size(None, 30), Size(7, None))
    assert shape_from_plain(json.loads(json.dumps(trace.plain()))) == trace
    path.write_text("at_s\n0\n2\n")
    assert read_trace(path) == Replay((0, 2 * NS))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("time\n1\n", "no column at_s"),
        ("at_s\nsoon\n", "line 2: not an arrival"),
        ("at_s,size_in\n0,1\n1,many\n", "line 3: not an arrival"),
        ("at_s\n2\n1\n", "go back"),
        ("at_s\n-1\n", "go back, or begin before 0"),
        ("at_s\n", "no arrival"),
        ("at_s,size_in\n0,-1\n", "line 2: not an arrival"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """The message says what is wrong, and where."""
    (path := tmp_path / "trace.csv").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_trace(path)


def test_plain_data_that_is_no_trace_is_refused() -> None:
    """As are sizes for other arrivals, and chance over a trace."""
    with pytest.raises(UsageError, match="replay"):
        shape_from_plain({"kind": "replay", "offsets_ns": [1]})
    with pytest.raises(UsageError, match="2 sizes for 1 arrivals"):
        Replay((1,), (Size(1, 1), Size(2, 2)))
    with pytest.raises(UsageError, match="no rate to draw from"):
        Poisson(Replay((1,)), 1)


def sized(profile: Profile, size: Size) -> bytes:
    """The body of a request of this size."""
    return profile.request(Texts.of(1), Draw("s", 0, size)).body


def test_sizes_make_the_requests() -> None:
    """Bytes of a body for plain HTTP; words of prompt and the most tokens of answer for chat."""
    assert sized(HttpProfile(method="POST"), Size(1000, None)) == b"x" * 1000
    assert sized(HttpProfile(body="as usual"), Size(None, 5)) == b"as usual"
    chat = OpenAiChatProfile(model="m", prompts=("one two three",), max_tokens=9, unique=False)
    ask = json.loads(sized(chat, Size(5, 40)))
    assert ask["messages"][0]["content"].split()[2:] == ["one", "two", "three"]
    assert ask["max_tokens"] == 40
    usual = json.loads(sized(chat, Size(None, None)))
    assert (usual["messages"][0]["content"], usual["max_tokens"]) == ("one two three", 9)
