"""What counts as an answer: readers that are fed the body of a response as it comes.

Pure: no socket, no clock of their own. A profile's reader decides whether the answer is complete, when its tokens came
and how many there were; it keeps no text. A body is read only if the status was one that the profile expects.
"""

from __future__ import annotations

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

BODY_MAX_BYTES = 8 * 1024 * 1024
"""A chat answer, or one event of a stream, that is longer is taken for broken: memory is bounded."""

LINES_MAX = 1024
"""The same bound for the data lines of one event."""

PROXY_REFUSALS = frozenset({401, 403, 429})
"""Statuses by which an API server refuses to proxy a request: not authenticated, not allowed, too busy."""

REFUSAL_BYTES = 4096
"""How much of such a body is read to tell the API server's own refusal from the service's."""

EVENT_BREAK, DONE = b"", b"[DONE]"


class Answer(Protocol):
    """What has been understood of one response body so far."""

    full_ns: int | None
    """When the answer was complete; None until then."""
    error: str | None
    """What is wrong with it, in a few words; None if nothing is."""
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

    __slots__ = ("ended", "error", "first_token_ns", "full_ns", "token_gaps_ns", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.full_ns: int | None = None
        self.error: str | None = None
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
        """See `Answer.end`."""
        self.full_ns = at_ns


class _Chat(_NoTokens):
    """What streamed and unstreamed chat answers share: usage, and a finish reason that makes the answer full."""

    __slots__ = ()

    def _take(self, message: dict[str, Any], at_ns: int) -> None:
        if message.get("error") is not None:
            self.error = "error event in the answer"
        usage = message.get("usage")
        if isinstance(usage, dict):
            self.tokens_in = _count(usage.get("prompt_tokens"))
            self.tokens_out = _count(usage.get("completion_tokens"))
        for choice in _dicts(message.get("choices")):
            self._choice(choice, at_ns)

    def _choice(self, choice: dict[str, Any], at_ns: int) -> None:
        if choice.get("finish_reason") is not None and self.full_ns is None:
            self.full_ns = at_ns


class ChatAnswer(_Chat):
    """An OpenAI chat answer in one piece: JSON with a choice that has a finish reason."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        super().__init__()
        self._body = bytearray()

    def feed(self, data: bytes, at_ns: int) -> None:  # noqa: ARG002  # the role's shape
        """See `Answer.feed`."""
        if len(self._body) + len(data) > BODY_MAX_BYTES:
            self.error = f"answer over {BODY_MAX_BYTES} bytes"
        else:
            self._body += data

    def end(self, at_ns: int) -> None:
        """See `Answer.end`."""
        message = _json(bytes(self._body))
        if message is None:
            self.error = self.error or "the answer is not a JSON object"
            return
        self._take(message, at_ns)
        if self.full_ns is None:
            self.error = self.error or "no choice with a finish reason in the answer"


class ChatStream(_Chat):
    """An OpenAI chat answer as server-sent events.

    A token is a `delta.content` that is not empty; gaps are between such events as they were received. The answer is
    full at `data: [DONE]`, or, where a server sends none, at the first finish reason.
    Events are parsed as the HTML standard says (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    """

    __slots__ = ("_last_token_ns", "_lines", "_payload")

    def __init__(self) -> None:
        super().__init__()
        self._lines = bytearray()
        self._payload: list[bytes] = []
        self._last_token_ns = 0

    def feed(self, data: bytes, at_ns: int) -> None:
        """See `Answer.feed`."""
        self._lines += data
        if len(self._lines) > BODY_MAX_BYTES:
            self.error = f"event over {BODY_MAX_BYTES} bytes"
            self._lines.clear()
        while (cut := self._lines.find(b"\n")) >= 0:
            line = bytes(self._lines[:cut]).removesuffix(b"\r")
            del self._lines[: cut + 1]
            self._line(line, at_ns)

    def end(self, at_ns: int) -> None:
        """See `Answer.end`; an event whose closing blank line is missing still counts."""
        self._line(bytes(self._lines), at_ns)
        self._line(EVENT_BREAK, at_ns)

    def _line(self, line: bytes, at_ns: int) -> None:
        if line.startswith(b"data:"):
            if len(self._payload) == LINES_MAX:
                self.error = f"event over {LINES_MAX} lines"
                self._payload.clear()
            self._payload.append(line[5:].removeprefix(b" "))
        elif line == EVENT_BREAK and self._payload:
            payload = b"\n".join(self._payload)
            self._payload.clear()
            self._event(payload, at_ns)

    def _event(self, payload: bytes, at_ns: int) -> None:
        if self.ended:
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
        if isinstance(delta, dict) and delta.get("content"):
            if self.first_token_ns is None:
                self.first_token_ns, self.token_gaps_ns = at_ns, []
            elif self.token_gaps_ns is not None:
                self.token_gaps_ns.append(at_ns - self._last_token_ns)
            self._last_token_ns = at_ns
        super()._choice(choice, at_ns)


def proxy_refusal(status: int, body: bytes) -> str:
    """Why the API server did not proxy a request, if the body is a Status of its API; empty: the service answered."""
    status_object = _json(body) or {}
    if (status_object.get("kind"), status_object.get("apiVersion")) != ("Status", "v1"):
        return ""
    return f"the API server did not pass it on: {status} {status_object.get('message', '')}"[:200].rstrip()


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
