"""The parts of answers of models: where their text is, and which finish reasons end them in full. Pure."""

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["CHANNELS", "WHOLE", "count_of", "dicts", "json_object", "output_of", "reason_of", "texts_of"]

REASON_MAX, NUMBER_MAX = 80, 2**53
"""The bound of a finish reason, and of a number of tokens."""

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


def json_object(text: bytes) -> dict[str, Any] | None:
    """The JSON object that the text is, None if it is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def reason_of(value: object) -> str | None:
    """A finish reason, but for half a character; SGLang's has its name under `type`. An empty one is none, as null."""
    value = value.get("type") if isinstance(value, dict) else value
    if value is None or value == "":
        return None
    return (value[:REASON_MAX] if isinstance(value, str) else type(value).__name__).encode(errors="replace").decode()


def texts_of(value: object) -> Iterator[str]:
    """Any output of the model that a channel holds, whatever is around it, in order."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and one:
            yield one
        elif isinstance(one, list):
            left += reversed(one)
        elif isinstance(one, dict):
            left += reversed([part for name, part in one.items() if name not in LABELS])


def output_of(value: object) -> bool:
    """Whether a channel holds any output of the model."""
    return next(texts_of(value), None) is not None


def dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def count_of(value: object) -> int | None:
    """A number of tokens, None for what can be none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < NUMBER_MAX else None
