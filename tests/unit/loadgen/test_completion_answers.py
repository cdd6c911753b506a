"""Answers of OpenAI's older API for completions: text in pieces or in one, ended as chat answers are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.answers import Answer
from loadgen.profiles import OpenAiCompletionsProfile
from loadgen.records import Outcome, outcome_of

DONE = b"data: [DONE]\n\n"


def event(text: Any, finish: str | None = None) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": finish}]}).encode() + b"\n\n"


def read(*parts: bytes, stream: bool = True) -> tuple[Outcome, Answer]:
    """The outcome of an exchange in which these parts came, a second after each other."""
    answer = OpenAiCompletionsProfile(model="m", prompts=("a",), stream=stream).answer()
    for second, part in enumerate(parts, start=1):
        answer.feed(part, second)
    answer.end(len(parts))
    return outcome_of("complete", status_expected=True, answer=answer, response_ns=1, patience_ns=None), answer


def test_tokens_are_events_with_text() -> None:
    """An empty piece is none, and one with a chat's field neither."""
    chat = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
    outcome, answer = read(event(""), chat, event("a"), event("b"), event("", "stop"), DONE)
    assert (outcome, answer.first_token_ns, answer.token_gaps_ns) == ("ok", 3, [1])


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ((event("a"), DONE), "ok"),
        ((event("a", "length"),), "ok"),
        ((event("a"),), "truncated"),
        ((event("a", "abort"), DONE), "truncated"),
        ((event("a"), b'data: {"error": {"message": "dead"}}\n\n', DONE), "failed"),
        ((b"data: no json\n\n",), "failed"),
        ((), "truncated"),
    ],
)
def test_a_stream_is_whole_with_its_end_mark_or_a_reason(parts: tuple[bytes, ...], outcome: str) -> None:
    """As of a chat."""
    assert read(*parts)[0] == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"choices": [{"text": "a", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}, "ok"),
        ({"choices": [{"text": "a", "finish_reason": "abort"}]}, "truncated"),
        ({"choices": []}, "failed"),
        ([], "failed"),
    ],
)
def test_an_answer_in_one_piece_needs_a_reason(body: Any, outcome: str) -> None:
    """That says how it ended."""
    assert read(json.dumps(body).encode(), stream=False)[0] == outcome
