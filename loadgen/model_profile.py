"""What requests to a model have in common: their texts, each unlike every other unless told otherwise. Plain data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.behaviour import chance_of
from loadgen.profile_base import Draw, Profile, Request, Texts, is_path
from loadgen.prompts import Length, Prefixes

__all__ = ["ModelProfile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile(Profile):
    """What requests to a model have in common: its name, and texts that are unlike each other.

    `prompts` are sent in turn, from a place that the trial's seed sets. Unless `unique` is false each begins with a
    word of its own, so that no cache of prefixes has seen it. `tokens_in` lengthens it to so many words, near enough
    tokens; a trace's sizes go before it. `prefixes`: what a share of the requests has in common.
    """

    model: str
    prompts: tuple[str, ...]
    path: str
    unique: bool = True
    tokens_in: Length | None = None
    prefixes: Prefixes | None = None

    def __post_init__(self) -> None:
        Profile.__post_init__(self)
        self._require(bool(self.model), "model", "names no model")
        given = bool(self.prompts) and all(prompt.strip() for prompt in self.prompts)
        self._require(given, "prompts", "is not one or more texts")
        self._require(is_path(self.path), "path", "is not a path that begins with / and has no .. (percent-encode it)")

    def text(self, texts: Texts, draw: Draw, part: int = 0) -> str:
        """One text of a request; `part` counts those of a batch."""
        asked = self.prompts[(draw.arrival + texts.seed) % len(self.prompts)]
        before = [*self._prefix(texts, draw, part)]
        if self.unique:
            before.append(texts.words.mark(f"{draw.stream} {draw.arrival} {part}"))
        length = self._length(texts, draw, part)
        if length is None:
            return " ".join((*before, asked))
        missing = length - len(asked.split()) - sum(len(text.split()) for text in before)
        if missing > 0:
            start = chance_of(texts.seed, draw.stream, draw.arrival, f"words {part}").randrange(2**32)
            return " ".join((*before, texts.words.cut(start, missing), asked))
        # It is shorter than its parts: what makes it unlike others stays, and the end of the question.
        head = " ".join(before).split()[:length]
        return " ".join((*head, *asked.split()[len(head) + len(asked.split()) - length :]))

    def _prefix(self, texts: Texts, draw: Draw, part: int) -> Iterator[str]:
        """What it has in common with others; a later turn of a conversation has it already."""
        if draw.said:
            return
        if draw.size is not None and draw.size.blocks:
            yield texts.words.blocks(draw.size)
        elif self.prefixes is not None:
            chance = chance_of(texts.seed, draw.stream, draw.arrival, f"prefix {part}")
            if chance.random() < self.prefixes.share:
                yield texts.words.named(f"prefix {chance.randrange(self.prefixes.count)}", self.prefixes.words)

    def _length(self, texts: Texts, draw: Draw, part: int) -> int | None:
        if draw.size is not None and draw.size.size_in is not None:
            return max(1, draw.size.size_in)
        if self.tokens_in is None:
            return None
        return self.tokens_in.draw(chance_of(texts.seed, draw.stream, draw.arrival, f"length {part}"))

    def posted(self, body: Mapping[str, Any]) -> Request:
        """The request with this body, as JSON."""
        headers = {"content-type": "application/json", **self.headers}
        return Request("POST", self.path, headers, json.dumps(body).encode())
