"""What counts as an answer: readers that are fed the body of a response as it comes.

Pure: no socket, no clock of their own. A profile's reader decides whether the answer is complete, when its tokens came
and how many there were; it keeps no text. A body is read only if the status was one that the profile expects.
"""

import json
from typing import Any, Protocol

__all__ = [
    "BODY_MAX_BYTES",
    "PROXY_REFUSALS",
    "REFUSAL_BYTES",
    "Answer",
    "ChatAnswer",
    "ChatStream",
    "PlainAnswer",
    "proxy_refusal",
]

ERROR_EVENT = "error event in the answer"

BODY_MAX_BYTES = 8 * 1024 * 1024
"""A chat answer, or one event of a stream, that is longer is taken for broken: memory is bounded."""

LINES_MAX, TOKENS_MAX, REASON_MAX, NUMBER_MAX = 1024, 100_000, 80, 2**53
"""The same bound for the data lines of one event, the tokens of a stream, a finish reason, and a number of tokens."""

PROXY_REFUSALS = frozenset({401, 403, 429})
"""Statuses by which an API server refuses to proxy a request: not authenticated, not allowed, too busy."""

REFUSAL_BYTES = 4096
"""How much of such a body is read to tell the API server's own refusal from the service's."""

EVENT_BREAK, DONE = b"", b"[DONE]"

WHOLE = frozenset(
    {
        *("stop", "length", "tool_calls", "function_call", "content_filter", "refusal"),
        *("eos_token", "stop_sequence", "end_turn", "tool_use", "max_tokens", "model_length", "repetition"),
    }
)
"""Finish reasons of an answer that ended as its server meant it to: OpenAI's, and what TGI, Mistral and vLLM add.

Any other says that it is not whole. vLLM and SGLang send `abort` for what they drop, also to all who wait as they are
ended, and `error` for an engine that failed; both streams then end in order.
"""

CHANNELS = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call", "audio")
"""Where the tokens of an answer may be: OpenAI's fields, and those of vLLM, SGLang and llama.cpp for reasoning."""

LABELS = frozenset({"id", "index", "type", "role", "expires_at"})
"""Fields of tool calls and of audio that are no output of the model."""


class Answer(Protocol):
    """What has been understood of one response body so far."""

    full_ns: int | None
    """When the answer was complete; None until then."""
    error: str | None
    """What is wrong with it, in a few words; None if nothing is."""
    finish_reason: str | None
    """Why it ended, as the server says; of several choices one that was cut off, if there is any."""
    cut_off: bool
    """The server says that it broke the answer off, however orderly it ended the message."""
    ended: bool
    """Its end mark was read: nothing more will come."""
    first_token_ns: int | None
    token_gaps_ns: list[int] | None
    tokens_in: int | None
    tokens_out: int | None

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take the next bytes of the body, received at `at_ns`."""

    def end(self, at_ns: int) -> None:
        """The message ended as its framing promised (never called for one that was cut)."""


class _NoTokens:
    """The fields of an answer in which no tokens are seen."""

    __slots__ = (
        "cut_off",
        "ended",
        "error",
        "finish_reason",
        "first_token_ns",
        "full_ns",
        "token_gaps_ns",
        "tokens_in",
        "tokens_out",
    )

    def __init__(self) -> None:
        self.full_ns: int | None = None
        self.error: str | None = None
        self.finish_reason: str | None = None
        self.cut_off = False
        self.ended = False
        self.first_token_ns: int | None = None
        self.token_gaps_ns: list[int] | None = None
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None


class PlainAnswer(_NoTokens):
    """Any body at all: full when the message is."""

    __slots__ = ()

    def feed(self, data: bytes, at_ns: int) -> None:
        """Nothing in the body is looked at."""

    def end(self, at_ns: int) -> None:
        self.full_ns = at_ns


class _Chat(_NoTokens):
    """What streamed and unstreamed chat answers share: usage, and a finish reason that ends the answer."""

    __slots__ = ()

    def _take(self, message: dict[str, Any], at_ns: int) -> None:
        if message.get("error") is not None or message.get("object") == "error":
            self.error = ERROR_EVENT
        usage = message.get("usage")
        if isinstance(usage, dict):
            self.tokens_in = _count(usage.get("prompt_tokens"))
            self.tokens_out = _count(usage.get("completion_tokens"))
        for choice in _dicts(message.get("choices")):
            self._choice(choice, at_ns)

    def _choice(self, choice: dict[str, Any], at_ns: int) -> None:
        reason = _reason(choice.get("finish_reason"))
        if reason is None:
            return
        if not self.cut_off:
            self.finish_reason, self.cut_off = reason, reason.lower() not in WHOLE
        if self.full_ns is None:
            self.full_ns = at_ns


class ChatAnswer(_Chat):
    """An OpenAI chat answer in one piece: JSON with a choice that has a finish reason, which says if it is whole."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        super().__init__()
        self._body = bytearray()

    def feed(self, data: bytes, at_ns: int) -> None:  # noqa: ARG002  # the role's shape
        if len(self._body) + len(data) > BODY_MAX_BYTES:
            self.error = f"answer over {BODY_MAX_BYTES} bytes"
        else:
            self._body += data

    def end(self, at_ns: int) -> None:
        message = _json(bytes(self._body))
        if message is None:
            self.error = self.error or "the answer is not a JSON object"
            return
        self._take(message, at_ns)
        if self.full_ns is None:
            self.error = self.error or "no choice with a finish reason in the answer"


class ChatStream(_Chat):
    """An OpenAI chat answer as server-sent events.

    A token is a `delta` with something in any channel (`CHANNELS`); gaps are between such events as they were received.
    The answer is full at `data: [DONE]`, or, where a server sends none, at the first finish reason; one that was cut
    off is not whole for all that. An error is an event of that name, a message that says so, or a line `error: …`
    (llama.cpp).
    Events are parsed as the HTML standard says (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    """

    __slots__ = ("_last_token_ns", "_lines", "_named_error", "_payload", "_payload_bytes")

    def __init__(self) -> None:
        super().__init__()
        self._lines = bytearray()
        self._payload: list[bytes] = []
        self._named_error = False
        self._last_token_ns = self._payload_bytes = 0

    def feed(self, data: bytes, at_ns: int) -> None:
        seen = len(self._lines)  # no line ends there
        self._lines += data
        if len(self._lines) > BODY_MAX_BYTES:
            self.error = f"event over {BODY_MAX_BYTES} bytes"
            self._lines.clear()
        while (cut := self._lines.find(b"\n", seen)) >= 0:
            line = bytes(self._lines[:cut]).removesuffix(b"\r")
            del self._lines[: cut + 1]
            seen = 0
            self._line(line, at_ns)

    def end(self, at_ns: int) -> None:
        """See `Answer.end`; an event whose closing blank line is missing still counts."""
        self._line(bytes(self._lines), at_ns)
        self._line(EVENT_BREAK, at_ns)

    def _line(self, line: bytes, at_ns: int) -> None:
        if line.startswith(b"data:"):
            self._payload_bytes += len(line)
            if len(self._payload) == LINES_MAX or self._payload_bytes > BODY_MAX_BYTES:
                self.error = f"event over {LINES_MAX} lines or {BODY_MAX_BYTES} bytes"
                self._payload.clear()
                self._payload_bytes = 0
            self._payload.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            self._named_error = line[6:].strip() == b"error"
        elif line.startswith((b"error:", b'{"error"')) and not self.ended:
            self.error = ERROR_EVENT
        elif line == EVENT_BREAK:
            payload, named_error = b"\n".join(self._payload), self._named_error
            self._named_error, self._payload_bytes = False, 0
            if self._payload:
                self._payload.clear()
                self._event(payload, at_ns, named_error=named_error)

    def _event(self, payload: bytes, at_ns: int, *, named_error: bool) -> None:
        if self.ended:
            return
        if named_error:
            self.error = ERROR_EVENT
            return
        if payload.strip() == DONE:
            self.ended = True
            self.full_ns = at_ns
            return
        message = _json(payload)
        if message is None:
            self.error = "an event of the stream is not a JSON object"
        else:
            self._take(message, at_ns)

    def _choice(self, choice: dict[str, Any], at_ns: int) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict) and any(_output(delta.get(channel)) for channel in CHANNELS):
            if self.first_token_ns is None:
                self.first_token_ns, self.token_gaps_ns = at_ns, []
            elif self.token_gaps_ns is not None and len(self.token_gaps_ns) < TOKENS_MAX:
                self.token_gaps_ns.append(at_ns - self._last_token_ns)
            else:
                self.error = f"answer over {TOKENS_MAX} tokens"
            self._last_token_ns = at_ns
        super()._choice(choice, at_ns)


def proxy_refusal(status: int, body: bytes) -> str:
    """Why the API server did not proxy a request, if the body is a Status of its API; empty: the service answered."""
    status_object = _json(body) or {}
    if (status_object.get("kind"), status_object.get("apiVersion")) != ("Status", "v1"):
        return ""
    words = f"the API server did not pass it on: {status} {status_object.get('message', '')}"[:200].rstrip()
    return words.encode(errors="replace").decode()


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _reason(value: object) -> str | None:
    """A finish reason, but for half a character; SGLang's has its name under `type`. An empty one is none, as null."""
    value = value.get("type") if isinstance(value, dict) else value
    if value is None or value == "":
        return None
    return (value[:REASON_MAX] if isinstance(value, str) else type(value).__name__).encode(errors="replace").decode()


def _output(value: object) -> bool:
    """Whether a channel holds any output of the model, whatever is around it."""
    left = [value]
    for one in left:
        if isinstance(one, str) and one:
            return True
        left += one if isinstance(one, list) else ()
        left += [part for name, part in one.items() if name not in LABELS] if isinstance(one, dict) else ()
    return False


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < NUMBER_MAX else None
