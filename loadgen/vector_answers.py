"""Whole answers of models that give numbers: embeddings, and the order of documents. Pure, as `loadgen.answers` is."""

import json
import math
from typing import Any

from loadgen.answer_parts import count_of
from loadgen.answers import NoTokens

__all__ = ["EmbeddingsAnswer", "RerankAnswer"]


class _Json(NoTokens):
    """One JSON document, which is looked at when all of it is there."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        super().__init__()
        self._body = bytearray()

    def feed(self, data: bytes, at_ns: int) -> None:  # noqa: ARG002  # the role's shape
        self._gather(self._body, data)

    def end(self, at_ns: int) -> None:
        try:
            message = json.loads(bytes(self._body))
        except (ValueError, RecursionError):
            self.error = self.error or "the answer is no JSON"
            return
        usage = message.get("usage") if isinstance(message, dict) else None
        if isinstance(usage, dict):
            self.tokens_in = count_of(usage.get("prompt_tokens"))
        if self.error is None:
            self.wrong = self._wrong(message)
            self.full_ns = at_ns

    def _wrong(self, message: Any) -> str | None:
        """What is wrong with it, in a few words."""
        raise NotImplementedError


class EmbeddingsAnswer(_Json):
    """`data` with an embedding for each of `inputs` texts: finite numbers, all of one length, `dimensions` if given."""

    __slots__ = ("_dimensions", "_inputs")

    def __init__(self, inputs: int, dimensions: int | None) -> None:
        super().__init__()
        self._inputs, self._dimensions = inputs, dimensions

    def _wrong(self, message: Any) -> str | None:
        data = message.get("data") if isinstance(message, dict) else None
        if not isinstance(data, list):
            return "no list of embeddings in the answer"
        if why := _indices(data, self._inputs, "embedding"):
            return why
        dimensions = self._dimensions
        for one in data:
            vector = one.get("embedding")
            if not isinstance(vector, list) or not vector:
                return f"embedding {one['index']} is no list of numbers"
            if not all(map(_finite, vector)):
                return f"embedding {one['index']} holds what is no finite number"
            dimensions = len(vector) if dimensions is None else dimensions
            if len(vector) != dimensions:
                return f"embedding {one['index']} has {len(vector)} dimensions, not {dimensions}"
        return None


class RerankAnswer(_Json):
    """A finite score for each of `documents`, by its index, none twice; in `results`, in `data`, or bare as TEI has it.

    See https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and TEI's `/rerank`.
    """

    __slots__ = ("_documents",)

    def __init__(self, documents: int) -> None:
        super().__init__()
        self._documents = documents

    def _wrong(self, message: Any) -> str | None:
        found = message
        if isinstance(message, dict):
            found = message.get("results", message.get("data"))
        if not isinstance(found, list):
            return "no list of results in the answer"
        if why := _indices(found, self._documents, "document"):
            return why
        for one in found:
            if not _finite(one.get("relevance_score", one.get("score"))):
                return f"document {one['index']} has no finite score"
        return None


def _indices(found: list[Any], count: int, what: str) -> str:
    """Why these are not one for each index below `count`; empty if they are."""
    indices = [one.get("index") if isinstance(one, dict) else None for one in found]
    if strange := [index for index in indices if type(index) is not int or not 0 <= index < count]:
        return f"{what} {str(strange[0])[:20]} is none that was asked for"
    if missing := sorted(set(range(count)) - set(indices)):
        return f"{what} {missing[0]} is missing" + (f", and {len(missing) - 1} others" if len(missing) > 1 else "")
    return f"{what}s are there twice" if len(indices) > count else ""


def _finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float can hold
        return False
