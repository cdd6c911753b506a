"""What counts as an answer: readers that are fed the body of a response as it comes.

Pure: no socket, no clock of their own. A profile's reader decides whether the answer is complete, when its tokens came
and how many there were; it keeps no text, but where its
request has need of it, until the answer is over. A body is read only if the status was one that the profile expects.
"""

from typing import Any, Protocol

from loadgen.answer_parts import CHANNELS, WHOLE, count_of, dicts, json_object, output_of, reason_of, texts_of

__all__ = [
    "BODY_MAX_BYTES",
    "Answer",
    "ChatAnswer",
    "ChatStream",
    "CompletionAnswer",
    "CompletionStream",
    "NoTokens",
    "PlainAnswer",
]

ERROR_EVENT = "error event in the answer"

BODY_MAX_BYTES = 8 * 1024 * 1024
"""A chat answer, or one event of a stream, that is longer is taken for broken: memory is bounded."""

LINES_MAX, TOKENS_MAX = 1024, 100_000
"""The same bound for the data lines of one event, and the tokens of a stream."""

TEXT_MAX = 256 * 1024
"""The same for the signs of text that are kept while an answer comes."""

EVENT_BREAK, DONE = b"", b"[DONE]"


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
    wrong: str | None
    """Why an answer that is there in full is no right one, in a few words; None if nothing says so."""
    said: dict[str, list[str]] | None
    """Its text by channel, in the pieces in which it came; None, unless somebody set it to have it kept."""

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take the next bytes of the body, received at `at_ns`."""

    def end(self, at_ns: int) -> None:
        """The message ended as its framing promised (never called for one that was cut)."""


class NoTokens:
    """The fields of an answer in which no tokens are seen."""

    __slots__ = (
        "cut_off",
        "ended",
        "error",
        "finish_reason",
        "first_token_ns",
        "full_ns",
        "said",
        "token_gaps_ns",
        "tokens_in",
        "tokens_out",
        "wrong",
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
        self.wrong: str | None = None
        self.said: dict[str, list[str]] | None = None

    def _gather(self, body: bytearray, data: bytes) -> None:
        """Add `data` to the `body` that is looked at in one piece, or make it an error that there is too much."""
        if len(body) + len(data) > BODY_MAX_BYTES:
            self.error = f"answer over {BODY_MAX_BYTES} bytes"
        else:
            body += data


class PlainAnswer(NoTokens):
    """Any body at all: full when the message is."""

    __slots__ = ()

    def feed(self, data: bytes, at_ns: int) -> None:
        """Nothing in the body is looked at."""

    def end(self, at_ns: int) -> None:
        self.full_ns = at_ns


class _Chat(NoTokens):
    """What streamed and unstreamed answers share: usage, and a finish reason that ends the answer."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        super().__init__()
        self._kept = 0

    def _take(self, message: dict[str, Any], at_ns: int) -> None:
        if message.get("error") is not None or message.get("object") == "error":
            self.error = ERROR_EVENT
        usage = message.get("usage")
        if isinstance(usage, dict):
            self.tokens_in = count_of(usage.get("prompt_tokens"))
            self.tokens_out = count_of(usage.get("completion_tokens"))
        for choice in dicts(message.get("choices")):
            self._choice(choice, at_ns)

    def _part(self, choice: dict[str, Any]) -> object:
        """What a choice says, by channel."""
        return choice.get("message")

    def _keep(self, part: object) -> None:
        """Keep the text of a choice, for who wants it."""
        if self.said is None or not isinstance(part, dict):
            return
        for channel in CHANNELS:
            for text in texts_of(part.get(channel)):
                self._kept += len(text)
                if self._kept <= TEXT_MAX:
                    self.said.setdefault(channel, []).append(text)

    def _choice(self, choice: dict[str, Any], at_ns: int) -> None:
        self._keep(self._part(choice))
        reason = reason_of(choice.get("finish_reason"))
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
        self._gather(self._body, data)

    def end(self, at_ns: int) -> None:
        message = json_object(bytes(self._body))
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
        message = json_object(payload)
        if message is None:
            self.error = "an event of the stream is not a JSON object"
        else:
            self._take(message, at_ns)

    def _part(self, choice: dict[str, Any]) -> object:
        return choice.get("delta")

    def _choice(self, choice: dict[str, Any], at_ns: int) -> None:
        delta = self._part(choice)
        if isinstance(delta, dict) and any(output_of(delta.get(channel)) for channel in CHANNELS):
            if self.first_token_ns is None:
                self.first_token_ns, self.token_gaps_ns = at_ns, []
            elif self.token_gaps_ns is not None and len(self.token_gaps_ns) < TOKENS_MAX:
                self.token_gaps_ns.append(at_ns - self._last_token_ns)
            else:
                self.error = f"answer over {TOKENS_MAX} tokens"
            self._last_token_ns = at_ns
        super()._choice(choice, at_ns)


class CompletionAnswer(ChatAnswer):
    """The same of OpenAI's older API for completions, whose choices have `text`."""

    __slots__ = ()

    def _part(self, choice: dict[str, Any]) -> object:
        return {"content": choice.get("text")}


class CompletionStream(ChatStream):
    """The same as server-sent events."""

    __slots__ = ()

    def _part(self, choice: dict[str, Any]) -> object:
        return {"content": choice.get("text")}
