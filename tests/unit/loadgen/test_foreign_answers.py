"""Answers as real model servers end them: cut off in order, with an error event, with reasoning or tool calls only."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from chaos.history.sli import INDICATORS
from loadgen.answers import Answer, ChatAnswer, ChatStream
from loadgen.records import Outcome, outcome_of

NS = 10**9
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 16}}\n\n'
ERROR = {"object": "error", "message": "EngineDeadError", "code": 500}


def event(finish: str | None = None, **delta: Any) -> bytes:
    """One event of a chat stream, with this delta and finish reason."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def streamed(*parts: bytes) -> ChatStream:
    """A reader that received the first part after one second, each further one a second later, then the end."""
    reader = ChatStream()
    for second, part in enumerate(parts, start=1):
        reader.feed(part, second * NS)
    reader.end(len(parts) * NS)
    return reader


def outcome(reader: Answer) -> Outcome:
    """What becomes of a request whose exchange was complete, with status 200 and this body."""
    return outcome_of("complete", status_expected=True, answer=reader, response_ns=3 * NS, patience_ns=None)


@pytest.mark.xfail(strict=True, reason="A22: an answer that the server aborted in order counts as a whole one")
def test_a_stream_that_the_server_aborts_is_truncated() -> None:
    """A server that ends on SIGTERM gives each open stream the finish reason `abort`, and then the end mark."""
    assert outcome(streamed(event(content="Hel"), event("abort", content=""), DONE)) == "truncated"


@pytest.mark.xfail(strict=True, reason="A22: an answer that the server aborted in order counts as a whole one")
def test_an_aborted_answer_in_one_piece_is_truncated() -> None:
    """The finish reason `abort` says that the answer is not whole, streamed or not."""
    reader = ChatAnswer()
    choice = {"index": 0, "message": {"content": "Hel"}, "finish_reason": "abort"}
    reader.feed(json.dumps({"choices": [choice]}).encode(), NS)
    reader.end(2 * NS)
    assert outcome(reader) == "truncated"


@pytest.mark.parametrize("parts", [(DONE,), (event(content="a"), DONE)], ids=["no content", "content"])
def test_the_end_mark_alone_makes_a_stream_whole(parts: tuple[bytes, ...]) -> None:
    """A stream that ends with [DONE] and gives no finish reason at all is a whole answer."""
    assert outcome(streamed(*parts)) == "ok"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            b"event: error\ndata: " + json.dumps(ERROR).encode() + b"\n\n",
            marks=pytest.mark.xfail(
                strict=True, reason="A22: an error event whose data is the error itself counts as a whole answer"
            ),
        ),
        b"data: " + json.dumps({"error": ERROR}).encode() + b"\n\n",
    ],
    ids=["named by its event", "named by its key"],
)
def test_an_error_event_before_the_end_mark_fails_the_request(told: bytes) -> None:
    """An engine that dies says so within the stream, in either of two forms, and still sends the end mark."""
    assert outcome(streamed(told, DONE)) == "failed"


def measured(reader: ChatStream) -> dict[str, float]:
    """The indicators of the request that got this answer, intended at the first moment."""
    row = {
        "intended_ns": [0],
        "end_ns": [reader.full_ns],
        "first_token_ns": [reader.first_token_ns],
        "outcome": [outcome(reader)],
        "token_gaps_ns": [reader.token_gaps_ns],
        "tokens_out": [reader.tokens_out],
    }
    table = pl.DataFrame(row, schema_overrides={"first_token_ns": pl.Int64, "token_gaps_ns": pl.List(pl.Int64)})
    return {name: table.select(column.alias("value")).item() for name, (_, column) in INDICATORS.items()}


CALL = [{"index": 0, "function": {"name": "f", "arguments": "{"}}]
CHANNELS = {
    "reasoning content only": (event(reasoning_content="Ok"), event("length", reasoning_content="ay")),
    "reasoning, then content": (event(reasoning="Ok"), event("stop", content="Hi")),
    "a tool call only": (event(tool_calls=CALL), event("tool_calls")),
}


@pytest.mark.xfail(strict=True, reason="B32: only the content channel is looked at for tokens")
@pytest.mark.parametrize("parts", CHANNELS.values(), ids=CHANNELS)
def test_the_first_token_is_that_of_any_channel(parts: tuple[bytes, ...]) -> None:
    """Reasoning and tool calls are tokens: the first came after one second, and no time of the answer is infinite."""
    reader = streamed(*parts, USAGE, DONE)
    assert (outcome(reader), reader.tokens_out) == ("ok", 16)
    found = measured(reader)
    assert found["first_token"] == pytest.approx(1)
    assert found["token_time"] == pytest.approx(3 / 15)
    assert found["token_gap"] <= 1


def test_content_alone_is_metered_as_ever() -> None:
    """An answer with nothing but content has its first token where the content begins."""
    found = measured(streamed(event(content="Hi"), event("stop", content="!"), USAGE, DONE))
    assert found == {
        "latency": pytest.approx(4),
        "first_token": pytest.approx(1),
        "token_time": pytest.approx(3 / 15),
        "token_gap": pytest.approx(1),
    }
