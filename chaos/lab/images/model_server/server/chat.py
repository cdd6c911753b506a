"""OpenAI's chat completions: requests that are read and bounded, answers, and refusals in the shape that clients know.

Left out: tools, images, log probabilities, more than one choice. Added, as other model servers have it: `ignore_eos`,
to get answers of exactly `max_tokens` tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .settings import Settings

__all__ = ["MODEL", "ChatRequest", "EngineGone", "Piece", "Refusal", "chat_request", "chunk", "completion", "piece"]


class Refusal(Exception):
    """A request that gets an error: HTTP status, words, and OpenAI's `type`, `code` and `param`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.kind, self.code, self.param = kind, code, param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class EngineGone(Refusal):
    """The engine ended, or ended an answer, before it was whole."""

    def __init__(self, message: str) -> None:
        super().__init__(502, message, kind="server_error", code="engine_gone")


MODEL = "smollm2"
ROLES = ("system", "developer", "user", "assistant")
NUMBERS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "seed": (-(2**63), 2**63 - 1),
}
WHOLE = ("seed", "n", "max_tokens", "max_completion_tokens")
KNOWN = {*NUMBERS, *WHOLE, "model", "messages", "stop", "stream", "stream_options", "user", "ignore_eos"}
STOPS_MAX = 4
ENGINE_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What was asked for: how to answer, and what to send to the engine."""

    stream: bool
    include_usage: bool
    engine_body: dict[str, Any]


def chat_request(raw: bytes, settings: Settings) -> ChatRequest:
    """Read a request's body; raises Refusal (400, or 404 for another model) naming the field that is wrong."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object", code="invalid_json")
    if unknown := sorted(set(body) - KNOWN):
        raise _wrong(unknown[0], f"Unrecognized request argument supplied: {unknown[0]}", code="unknown_parameter")
    body = {name: value for name, value in body.items() if value is not None}
    if body.get("model", MODEL) != MODEL:
        words = f"The model {body['model']!r} does not exist; this server has {MODEL!r}"
        raise Refusal(404, words, code="model_not_found", param="model")
    _check_numbers(body)
    if body.get("n", 1) != 1:
        raise _wrong("n", "n must be 1: this server gives one choice")
    stream = _flag(body, "stream")
    engine_body = {
        "messages": _messages(body.get("messages")),
        "max_tokens": _max_tokens(body, settings),
        "stop": _stops(body.get("stop", [])),
        "ignore_eos": _flag(body, "ignore_eos"),
        # The engine is always asked to stream: its progress is what liveness is made of.
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        **{name: body[name] for name in NUMBERS if name in body},
    }
    if "seed" in body:
        engine_body["seed"] = body["seed"] % ENGINE_SEEDS
    return ChatRequest(stream, _include_usage(body, stream=stream), engine_body)


def _wrong(param: str, message: str, *, code: str = "invalid_value") -> Refusal:
    return Refusal(400, message, code=code, param=param)


def _check_numbers(body: dict[str, Any]) -> None:
    for name in (*NUMBERS, *WHOLE):
        if name not in body:
            continue
        value = body[name]
        kinds = int if name in WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise _wrong(name, f"{name} must be a {'whole ' if name in WHOLE else ''}number", code="invalid_type")
        low, high = NUMBERS.get(name, (1, 2**31))
        if not low <= value <= high:
            raise _wrong(name, f"{name} must be from {low} to {high}")


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _wrong(name, f"{name} must be true or false", code="invalid_type")
    return value


def _messages(messages: Any) -> list[dict[str, str]]:
    if not isinstance(messages, list) or not messages:
        raise _wrong("messages", "messages must be a list that is not empty", code="invalid_type")
    return [_message(f"messages[{at}]", message) for at, message in enumerate(messages)]


def _message(where: str, message: Any) -> dict[str, str]:
    if not isinstance(message, dict):
        raise _wrong(where, f"{where} must be an object", code="invalid_type")
    if unknown := sorted(set(message) - {"role", "content", "name"}):
        raise _wrong(where, f"Unrecognized field in {where}: {unknown[0]}", code="unknown_parameter")
    role = message.get("role")
    if role not in ROLES:
        raise _wrong(f"{where}.role", f"{where}.role must be one of {', '.join(ROLES)}")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_text(f"{where}.content[{at}]", part) for at, part in enumerate(content))
    if not isinstance(content, str):
        raise _wrong(f"{where}.content", f"{where}.content must be text", code="invalid_type")
    return {"role": "system" if role == "developer" else str(role), "content": content}


def _text(where: str, part: Any) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise _wrong(where, f"{where} must be a part of type text", code="invalid_type")
    return str(part["text"])


def _max_tokens(body: dict[str, Any], settings: Settings) -> int:
    name = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    tokens = body.get(name, settings.default_tokens)
    if tokens > settings.max_tokens:
        raise _wrong(name, f"{name} is too large: {tokens}; this server gives at most {settings.max_tokens}")
    return int(tokens)


def _stops(stops: Any) -> list[str]:
    stops = [stops] if isinstance(stops, str) else stops
    if not isinstance(stops, list) or len(stops) > STOPS_MAX or not all(isinstance(s, str) and s for s in stops):
        raise _wrong("stop", f"stop must be text, or a list of at most {STOPS_MAX} texts", code="invalid_type")
    return stops


def _include_usage(body: dict[str, Any], *, stream: bool) -> bool:
    options = body.get("stream_options", {})
    if not isinstance(options, dict) or set(options) - {"include_usage"}:
        raise _wrong("stream_options", "stream_options may hold include_usage alone", code="invalid_type")
    if options and not stream:
        raise _wrong("stream_options", "stream_options is only allowed when stream is true")
    return _flag(options, "include_usage")


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of the engine's stream."""

    id: str
    created: int
    delta: dict[str, str] | None
    finish_reason: str | None
    usage: dict[str, Any] | None

    @property
    def text(self) -> str:
        """The text that this piece adds to the answer, often one token's."""
        return (self.delta or {}).get("content", "")


def piece(line: dict[str, Any]) -> Piece | None:
    """Read a line; None if it only tells how far the prompt was read."""
    if "prompt_progress" in line:
        return None
    choices = line["choices"]
    delta = None
    if choices:
        # The engine opens with content null; OpenAI opens with an empty text.
        delta = {name: value or "" for name, value in choices[0]["delta"].items() if name in ("role", "content")}
    finish_reason = choices[0]["finish_reason"] if choices else None
    return Piece(line["id"], line["created"], delta, finish_reason, line.get("usage"))


def chunk(part: Piece, *, include_usage: bool) -> dict[str, Any] | None:
    """The chunk to send for a piece; None if the user did not ask for it."""
    if part.delta is None and not include_usage:
        return None
    choice = {"index": 0, "delta": part.delta, "logprobs": None, "finish_reason": part.finish_reason}
    return {
        "id": part.id,
        "object": "chat.completion.chunk",
        "created": part.created,
        "model": MODEL,
        "choices": [] if part.delta is None else [choice],
        **({"usage": part.usage} if include_usage else {}),
    }


def completion(parts: Iterable[Piece]) -> dict[str, Any]:
    """The whole answer made of all its pieces."""
    pieces = list(parts)
    message = {"role": "assistant", "content": "".join(part.text for part in pieces)}
    finish_reason = next(part.finish_reason for part in pieces if part.finish_reason)
    return {
        "id": pieces[0].id,
        "object": "chat.completion",
        "created": pieces[0].created,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": next(part.usage for part in pieces if part.usage),
    }
