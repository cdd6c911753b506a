"""Answers as real model servers end them: cut off in order, with an error event, with reasoning or tool calls only."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from chaos.history.sli import INDICATORS
from loadgen import answers
from loadgen.answers import Answer, ChatAnswer, ChatStream, PlainAnswer
from loadgen.generator.http_exchange import Exchange
from loadgen.records import Outcome, Seen, outcome_of, record_of

NS = 10**9
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 16}}\n\n'
ERROR = {"object": "error", "message": "EngineDeadError", "code": 500}


def event(finish: Any = None, **delta: Any) -> bytes:
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


def test_a_stream_that_the_server_aborts_is_truncated() -> None:
    """A server that ends on SIGTERM gives each open stream the finish reason `abort`, and then the end mark."""
    assert outcome(streamed(event(content="Hel"), event("abort", content=""), DONE)) == "truncated"


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
        b"event: error\ndata: " + json.dumps(ERROR).encode() + b"\n\n",
        b"data: " + json.dumps({"error": ERROR}).encode() + b"\n\n",
        b"data: " + json.dumps(ERROR).encode() + b"\n\n",
        b"event: error\ndata: the engine is gone\n\n",
        b"error: " + json.dumps(ERROR).encode() + b"\n\n",
        json.dumps({"error": "the runner has ended"}).encode() + b"\n",
    ],
    ids=[
        "named by its event",
        "named by its key",
        "named by its object",
        "no JSON",
        "a field of its own",
        "a bare line",
    ],
)
def test_an_error_event_before_the_end_mark_fails_the_request(told: bytes) -> None:
    """An engine that dies says so within the stream, in one of many forms, and still sends the end mark."""
    assert outcome(streamed(told, DONE)) == "failed"


def test_an_error_after_the_finish_reason_fails_the_request() -> None:
    """What a server takes back before its end mark was not whole."""
    told = b"data: " + json.dumps({"error": ERROR}).encode() + b"\n\n"
    assert outcome(streamed(event("stop", content="Hi"), told, DONE)) == "failed"


def test_an_event_after_an_error_that_was_none_is_an_event() -> None:
    """The name of an event holds for that event alone, and one without data is none."""
    assert outcome(streamed(b"event: error\n\n", event("stop", content="Hi"), DONE)) == "ok"


@pytest.mark.parametrize("reason", ["error", "unknown", "cancelled", "ABORT", {"type": "abort", "message": "shutdown"}])
def test_a_reason_that_does_not_say_whole_is_a_cut(reason: Any) -> None:
    """Whatever a server gives as the reason, only what is known to end a whole answer does."""
    streaming, whole = streamed(event(content="Hel"), event(reason), DONE), ChatAnswer()
    choice = {"index": 0, "message": {"content": "Hel"}, "finish_reason": reason}
    whole.feed(json.dumps({"choices": [choice]}).encode(), NS)
    whole.end(2 * NS)
    assert [outcome(streaming), outcome(whole)] == ["truncated", "truncated"]


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "eos_token", "repetition"])
def test_reasons_of_whole_answers_are_whole_and_told_apart(reason: str) -> None:
    """An answer that came to its length, called a tool or was filtered is whole, and its record says which."""
    reader = streamed(event(content="Hi"), event(reason), DONE)
    assert (outcome(reader), reader.finish_reason) == ("ok", reason)


def test_one_choice_that_is_cut_off_spoils_the_answer() -> None:
    """Of several choices each must be whole, in whatever order they end."""
    assert outcome(streamed(event("abort"), event("stop", content="Hi"), DONE)) == "truncated"
    assert outcome(streamed(event("stop", content="Hi"), event("abort"), DONE)) == "truncated"


def test_the_record_of_a_cut_answer_names_the_reason() -> None:
    """Whoever reads the record sees that the server itself broke the answer off."""
    record = record_of(
        index=1,
        stream="steady-1",
        intended_ns=0,
        ended_ns=3 * NS,
        ending="complete",
        seen=Seen(sent_ns=1, status=200),
        answer=streamed(event(content="Hel"), event("abort"), DONE),
        expected=frozenset({200}),
        patience_ns=None,
    )
    assert (record.outcome, record.finish_reason) == ("truncated", "abort")
    assert record.error == "cut off by the server: finish reason abort"


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
    "a refusal only": (event(refusal="I can"), event("stop", refusal="not")),
    "sound only": (event(audio={"data": "UklG"}), event("stop", audio={"id": "a", "expires_at": 1})),
}


@pytest.mark.parametrize("parts", CHANNELS.values(), ids=CHANNELS)
def test_the_first_token_is_that_of_any_channel(parts: tuple[bytes, ...]) -> None:
    """Reasoning and tool calls are tokens: the first came after one second, and no time of the answer is infinite."""
    reader = streamed(*parts, USAGE, DONE)
    assert (outcome(reader), reader.tokens_out) == ("ok", 16)
    found = measured(reader)
    assert found["first_token"] == pytest.approx(1)
    assert found["token_time"] == pytest.approx(3 / 15)
    assert found["token_gap"] <= 1


@pytest.mark.parametrize(
    "shell",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "reasoning_content": None, "tool_calls": []},
        {"tool_calls": [{"index": 0, "id": "call-1", "type": "function", "function": {"arguments": ""}}]},
        {"audio": {"id": "a", "expires_at": 1}},
    ],
    ids=["a role", "nothing anywhere", "an empty call", "the name of a sound"],
)
def test_a_delta_without_output_is_no_token(shell: dict[str, Any]) -> None:
    """What only opens a channel is no token: the first comes a second later."""
    found = measured(streamed(event(**shell), event("stop", content="Hi"), USAGE, DONE))
    assert found["first_token"] == pytest.approx(2)


def test_content_alone_is_metered_as_ever() -> None:
    """An answer with nothing but content has its first token where the content begins."""
    found = measured(streamed(event(content="Hi"), event("stop", content="!"), USAGE, DONE))
    assert found == {
        "latency": pytest.approx(4),
        "first_token": pytest.approx(1),
        "token_time": pytest.approx(3 / 15),
        "token_gap": pytest.approx(1),
    }


DEEP = b"[" * 200_000
LESS_DEEP = b"[" * 400 + b'"a"' + b"]" * 400
CHOICE = b'{"choices": [{"index": 0, "delta": {"content": %b}, "finish_reason": %b}]}'


@pytest.mark.parametrize(
    "body", [DEEP, b'{"a":' * 200_000, CHOICE % (b'"a"', DEEP)], ids=["lists", "objects", "within"]
)
def test_an_answer_that_is_nested_without_end_fails_the_request(body: bytes) -> None:
    """It is the service's own defect, not one of the generator, for which nobody would be blamed."""
    assert outcome(streamed(b"data: " + body + b"\n\n", DONE)) == "failed"
    whole = ChatAnswer()
    whole.feed(body, NS)
    whole.end(2 * NS)
    assert outcome(whole) == "failed"


def test_an_answer_that_is_nested_deeply_is_read_to_its_end() -> None:
    """What Python's own reader takes is looked at, however deep the output is."""
    reader = streamed(b"data: " + CHOICE % (LESS_DEEP, b'"stop"') + b"\n\n", DONE)
    assert (outcome(reader), reader.first_token_ns, reader.finish_reason) == ("ok", NS, "stop")
    assert streamed(b"data: " + CHOICE % (b'"a"', LESS_DEEP) + b"\n\n", DONE).finish_reason == "list"


def test_what_a_server_says_for_the_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finish reason of megabytes, a count that no column holds, and tokens without end."""
    monkeypatch.setattr(answers, "TOKENS_MAX", 3)
    assert streamed(event("x" * 10_000, content="Hi"), DONE).finish_reason == "x" * 80
    for count, taken in ((2**53, None), (2**53 - 1, 2**53 - 1), (10**30, None)):
        usage = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": %d}}\n\n' % count
        reader = streamed(event("stop", content="Hi"), usage, DONE)
        assert (outcome(reader), reader.tokens_in, reader.tokens_out) == ("ok", 5, taken)
    four, five = (streamed(*[event(content="a")] * count, event("stop"), DONE) for count in (4, 5))
    assert (outcome(four), four.token_gaps_ns) == ("ok", [NS] * 3)
    assert (outcome(five), five.error) == ("failed", "answer over 3 tokens")


class Endless:
    """A connection on which the same piece comes so often, and then no more."""

    def __init__(self, first: bytes, piece: bytes, times: int) -> None:
        self.pieces = [one for one in (first, *[piece] * times) if one]

    def sendall(self, _data: bytes) -> None:
        """Take a request."""

    def recv(self, _most: int) -> bytes:
        """The next piece."""
        return self.pieces.pop(0) if self.pieces else b""


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"b" * 1000 + b"\r\n", id="headers without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx-a: ", b"b" * 1000, id="one header without end"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\nx-a: " + b"b" * 1000 + b"\r\n\r\n", id="interim answers"),
    ],
)
def test_headers_without_end_fill_no_memory(first: bytes, piece: bytes) -> None:
    """After a megabyte the answer is none; long before, what the server says of the replica is cut short."""
    sock = Endless(first, piece, 5000)
    assert asked(sock) == ("broken", "not the whole of an HTTP message: headers over 1048576 bytes", None)
    assert len(sock.pieces) > 3000
    usual = b"HTTP/1.1 200 OK\r\nx-served-by: " + b"r" * 300 + b"\r\ncontent-length: 2000000\r\n\r\n"
    assert asked(Endless(usual, b"a" * 1000, 2000)) == ("complete", None, "r" * 253)


def exchange_over(sock: Endless, answer: Answer) -> Exchange:
    """A request whose answer comes there."""
    transport: Any = SimpleNamespace(
        connect=lambda: (sock, True),
        now_ns=lambda: 1,
        replica_header="x-served-by",
        proxied=False,
        give_back=lambda *_: None,
    )
    return Exchange(transport, b"GET / HTTP/1.1\r\n\r\n", "GET", answer, frozenset({200}))


def asked(sock: Endless) -> tuple[str, str | None, str | None]:
    """How a request ends whose answer comes there, what is wrong with it, and which replica gave it."""
    exchange = exchange_over(sock, PlainAnswer())
    return exchange.run(60), exchange.seen.error, exchange.seen.replica


def test_what_nobody_reads_fills_no_memory() -> None:
    """Neither what follows a body as headers, one after the other or one alone, nor what follows a stream's end."""
    chunked = b"HTTP/1.1 200 OK\r\nx-served-by: r\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    for first, piece in ((b"", b"x-a: " + b"b" * 1000 + b"\r\n"), (b"x-a: ", b"b" * 1000)):
        trailing = exchange_over(Endless(chunked + first, piece, 2000), PlainAnswer())
        assert (trailing.run(60), trailing.seen.replica) == ("broken", "r")
        assert len(repr(trailing.response)) < 10_000
        assert trailing.response._current_header_value is None
    over = exchange_over(Endless(b"HTTP/1.1 200 OK\r\n\r\ndata: [DONE]\n\n", b"a" * 1000, 2000), ChatStream())
    assert over.run(60) == "complete"
    over.settle("complete")
    assert len(over.response.arrived) < 10_000
