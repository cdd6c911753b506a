"""The engine's pieces, as what users are sent: a stream of chunks, or one whole answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .chat import MODEL

__all__ = ["Piece", "chunk", "completion", "piece"]


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
