"""Readers of answers, fed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import answers, refusals
from loadgen.answers import ChatAnswer, ChatStream, PlainAnswer


def event(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of a chat stream."""
    delta = {} if content is None else {"content": content}
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}], **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE: dict[str, Any] = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def fed(*parts: bytes, ended: bool = False) -> ChatStream:
    """A reader that received part k at second k."""
    reader = ChatStream()
    for at_ns, part in enumerate(parts):
        reader.feed(part, at_ns)
    if ended:
        reader.end(len(parts))
    return reader


def test_only_non_empty_content_is_a_token() -> None:
    """The role event, empty content and the finish reason are no tokens; gaps are between tokens."""
    reader = fed(event(""), event("a"), event(None), event("b"), event("c"), event(None, "stop"), DONE)
    assert (reader.first_token_ns, reader.token_gaps_ns, reader.full_ns, reader.ended) == (1, [2, 1], 6, True)


def test_usage_comes_from_its_own_event() -> None:
    """Token counts are those of `usage`, which may be null before the last event."""
    reader = fed(
        event("a", usage=None),
        event("b", "stop"),
        b'data: {"choices": [], ' + json.dumps(USAGE)[1:].encode() + b"\n\n",
        DONE,
    )
    assert (reader.tokens_in, reader.tokens_out) == (3, 2)


def test_a_stream_without_an_end_mark_is_not_full() -> None:
    """However many tokens came."""
    assert fed(event("a"), event("b"), ended=True).full_ns is None


def test_a_finish_reason_is_an_end_mark_of_its_own() -> None:
    """A server that sends no [DONE] is understood, and the answer was full when the reason came."""
    reader = fed(event("a"), event(None, "length"), event(None), ended=True)
    assert (reader.full_ns, reader.ended) == (1, False)


def test_nothing_after_the_end_mark_counts() -> None:
    """An event after [DONE] changes nothing."""
    reader = fed(event("a"), DONE, event("b"), b"data: {\n\n")
    assert (reader.full_ns, reader.token_gaps_ns, reader.error) == (1, [], None)


@pytest.mark.parametrize("payload", [b"data: {broken\n\n", b"data: []\n\n", b'data: {"error": {"message": "x"}}\n\n'])
def test_an_event_that_is_wrong_spoils_the_answer(payload: bytes) -> None:
    """Broken JSON, no object, or the server's own error event."""
    assert fed(event("a"), payload).error


def test_comments_names_and_other_line_ends_are_understood() -> None:
    """Server-sent events may carry comments, other fields, CR LF, no space, and data over several lines."""
    reader = fed(b': ping\r\n\r\nevent: x\r\nid: 1\r\ndata:{"choices":\r\ndata: []}\r\n\r\n', b"data:[DONE]\r\n\r\n")
    assert (reader.error, reader.full_ns) == (None, 1)


def test_an_end_mark_without_its_blank_line_counts_at_the_end() -> None:
    """Some servers close right after `data: [DONE]`."""
    assert fed(event("a"), b"data: [DONE]", ended=True).ended


@given(st.data())
def test_how_the_bytes_are_cut_does_not_matter(data: st.DataObject) -> None:
    """Whatever the reads, tokens, counts and the end are the same."""
    whole = event("") + event("ä€") + event("b", None, **USAGE) + event(None, "stop") + DONE
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    reader = fed(*(whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)))
    assert reader.token_gaps_ns is not None
    assert (len(reader.token_gaps_ns), reader.tokens_out, reader.ended, reader.error) == (1, 2, True, None)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless line, an endless event and an endless answer are errors, not a full memory."""
    monkeypatch.setattr(answers, "BODY_MAX_BYTES", 100)
    monkeypatch.setattr(answers, "LINES_MAX", 3)
    assert fed(b"x" * 101).error == "event over 100 bytes"
    assert fed(b"data: x\n" * 4).error == "event over 3 lines or 100 bytes"
    assert fed(b"data: " + b"x" * 60 + b"\n", b"data: " + b"x" * 60 + b"\n").error == "event over 3 lines or 100 bytes"
    assert fed(*[b"data: {}\n\n"] * 30).error is None
    reader = ChatAnswer()
    reader.feed(b"x" * 60, 1)
    reader.feed(b"x" * 60, 2)
    assert reader.error == "answer over 100 bytes"


def test_an_unstreamed_answer_needs_a_finish_reason() -> None:
    """JSON with a finished choice is an answer; anything else is not."""
    for text, error in (
        (b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}', False),
        (b'{"choices": []}', True),
        (b'{"error": {"message": "x"}, "choices": [{"finish_reason": "stop"}]}', True),
        (b"oops", True),
    ):
        reader = ChatAnswer()
        reader.feed(text[:5], 1)
        reader.feed(text[5:], 2)
        reader.end(3)
        assert bool(reader.error) is error, text
        assert error or reader.full_ns == 3


def test_any_whole_body_is_a_plain_answer() -> None:
    """A plain answer is full when its message is."""
    reader = PlainAnswer()
    reader.feed(b"x", 1)
    assert reader.full_ns is None
    reader.end(2)
    assert reader.full_ns == 2


@pytest.mark.parametrize(
    ("said", "kept"), [("\ud800x", "?x"), ("ab\udc00", "ab?"), ("läuft \U0001f600", "läuft \U0001f600")]
)
def test_half_a_character_of_a_server_is_none_in_a_record(said: str, kept: str) -> None:
    """JSON may have one; written down, no reader would take the record."""
    whole = ChatAnswer()
    whole.feed(json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": said}]}).encode(), 0)
    whole.end(1)
    assert (whole.finish_reason, fed(event("a", said)).finish_reason) == (kept, kept)
    status = {"kind": "Status", "apiVersion": "v1", "message": said}
    assert refusals.proxy_refusal(429, json.dumps(status).encode()).endswith(f": 429 {kept}")


class Looked(bytearray):
    """Counts the bytes in which an end of line is looked for."""

    count = 0

    def find(self, sub: Any, *place: Any) -> int:
        """See `bytearray.find`."""
        Looked.count += len(self) - (place[0] if place else 0)
        return super().find(sub, *place)


def test_a_line_without_end_is_looked_through_once() -> None:
    """In however many pieces it comes: else one such answer would take the processor from all other requests."""
    reader = ChatStream()
    reader._lines = Looked()
    for _ in range(1000):
        reader.feed(b"x" * 100, 1)
    reader.feed(b"\ndata: [DONE]\n\n", 2)
    assert (reader.ended, Looked.count < 200_000) == (True, True)
