"""Embeddings and rankings: whole with a finite number for each thing that was asked about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.answers import Answer
from loadgen.profiles import EmbeddingsProfile, RerankProfile
from loadgen.records import Outcome, outcome_of

PAIR = [{"index": 0, "embedding": [0.1, -2]}, {"index": 1, "embedding": [1e-9, 3]}]
RANKED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -3.5}]


def read(answer: Answer, body: Any) -> tuple[Outcome, str | None]:
    """The outcome of an exchange that was complete with this body, and what is wrong with it."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    for start in range(0, len(text), 7):
        answer.feed(text[start : start + 7], 1)
    answer.end(2)
    outcome = outcome_of("complete", status_expected=True, answer=answer, response_ns=1, patience_ns=None)
    return outcome, answer.wrong or answer.error


def embeddings(body: Any, dimensions: int | None = None) -> tuple[Outcome, str | None]:
    """The same of embeddings of two texts."""
    return read(EmbeddingsProfile(model="m", prompts=("a",), inputs=2, dimensions=dimensions).answer(), body)


def ranking(body: Any) -> tuple[Outcome, str | None]:
    """The same of two documents in order."""
    return read(RerankProfile(model="m", prompts=("a",), documents=2).answer(), body)


def test_embeddings_are_whole_in_any_order() -> None:
    """One for each text, by its index, all of one length."""
    answer = EmbeddingsProfile(model="m", prompts=("a",), inputs=2).answer()
    assert read(answer, {"data": PAIR[::-1], "usage": {"prompt_tokens": 9}}) == ("ok", None)
    assert answer.tokens_in == 9
    assert embeddings({"data": PAIR}, 2) == ("ok", None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"data": PAIR[:1]}, "embedding 1 is missing"),
        ({"data": []}, "embedding 0 is missing, and 1 others"),
        ({"data": [*PAIR, PAIR[0]]}, "twice"),
        ({"data": [PAIR[0], {"index": 2, "embedding": [1, 2]}]}, "embedding 2 is none that was asked for"),
        ({"data": [PAIR[0], {"index": True, "embedding": [1, 2]}]}, "none that was asked for"),
        ({"data": [PAIR[0], {"index": 1, "embedding": [1, 2, 3]}]}, "embedding 1 has 3 dimensions, not 2"),
        ({"data": [PAIR[0], {"index": 1, "embedding": []}]}, "embedding 1 is no list of numbers"),
        ({"data": [PAIR[0], {"index": 1, "embedding": "AAAA"}]}, "embedding 1 is no list of numbers"),
        ({"data": [PAIR[0], {"index": 1, "embedding": [1, None]}]}, "no finite number"),
        ({"data": [PAIR[0], {"index": 1, "embedding": [1, float("nan")]}]}, "no finite number"),
        ({"data": [PAIR[0], {"index": 1, "embedding": [1, float("-inf")]}]}, "no finite number"),
        ({"data": [PAIR[0], {"index": 1, "embedding": [1, 10**400]}]}, "no finite number"),
        ({"data": [PAIR[0], None]}, "none that was asked for"),
        ({"error": "overloaded"}, "no list of embeddings"),
        ([], "no list of embeddings"),
    ],
)
def test_what_is_no_embedding_is_wrong(body: Any, why: str) -> None:
    """It is a whole answer of HTTP, and none of the model: a failure of its own kind."""
    outcome, said = embeddings(body)
    assert outcome == "wrong"
    assert why in (said or "")


def test_embeddings_of_another_length_than_the_models_are_wrong() -> None:
    """As of a replica with other weights."""
    assert embeddings({"data": PAIR}, 768) == ("wrong", "embedding 0 has 2 dimensions, not 768")


@pytest.mark.parametrize(
    "body", [{"results": RANKED}, {"data": RANKED}, [{"index": one["index"], "score": 1} for one in RANKED]]
)
def test_a_ranking_is_whole_in_each_of_its_spellings(body: Any) -> None:
    """Jina's, Cohere's and vLLM's `results`, `data`, and TEI's bare list."""
    assert ranking(body) == ("ok", None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"results": RANKED[:1]}, "document 0 is missing"),
        ({"results": [*RANKED, RANKED[0]]}, "twice"),
        ({"results": [RANKED[0], {"index": 0, "relevance_score": float("nan")}]}, "document 0 has no finite score"),
        ({"results": [RANKED[0], {"index": 0}]}, "document 0 has no finite score"),
        ({}, "no list of results"),
        ("ranked", "no list of results"),
    ],
)
def test_what_is_no_ranking_is_wrong(body: Any, why: str) -> None:
    """A document without its score, or with none that can be compared."""
    outcome, said = ranking(body)
    assert outcome == "wrong"
    assert why in (said or "")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": [', b"[" * 100_000])
def test_what_is_no_json_is_a_failure(body: bytes) -> None:
    """An answer that nobody can read is not even wrong."""
    assert embeddings(body) == ("failed", "the answer is no JSON")


def test_a_body_without_end_is_bounded() -> None:
    """Memory is."""
    answer = EmbeddingsProfile(model="m", prompts=("a",)).answer()
    for _ in range(200):
        answer.feed(b"1" * 65_536, 1)
    answer.end(2)
    assert "over" in (answer.error or "")
