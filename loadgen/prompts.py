"""What prompts are made of: lengths, words, and what makes each of them unlike every other. Pure, from a seed.

Words are common English ones, each of them a token to most tokenizers. Servers that keep what they computed for a
prompt (prefix caching) compare from its beginning, so that is where prompts differ: else repeated ones are answered
sooner than any user's would be.
"""

import base64
import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.errors import UsageError
from loadgen.shapes.base import BLOCK_WORDS, Size

__all__ = ["LENGTH_MAX", "Length", "Prefixes", "Words"]

LENGTH_MAX = 1_000_000
"""Words of one prompt: more is no load, but a test of limits."""

POOL = 16_384
COMMON = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work government number night point home water room mother "
    "area money story fact month lot right study book eye job word business issue side kind head house service friend "
    "father power hour game line end member law car city community name president team minute idea kid body "
    "information back parent face others level office door health person art war history party result change morning "
    "reason research girl guy moment air teacher force education foot boy age policy music market sense nation plan "
    "college interest death course someone experience behind reach local major suddenly across early often several "
    "every green simple"
)
WORDS = COMMON.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long texts are, in words (near enough tokens). One of three.

    `fixed`: always so long. `median` and `sigma`: lognormal, as lengths of real prompts and answers nearly are, `most`
    at most. `values`: drawn evenly from these, e.g. those of a trace.
    """

    fixed: int | None = None
    median: int | None = None
    sigma: float = 1.0
    most: int = 8192
    values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.fixed is not None) + (self.median is not None) + bool(self.values) != 1:
            raise UsageError("a length: give one of fixed, median (with sigma and most) and values (or trace)")
        given = [value for value in (self.fixed, self.median, self.most, *self.values) if value is not None]
        if not all(0 < value <= LENGTH_MAX for value in given):
            raise UsageError(f"a length: not a number from 1 to {LENGTH_MAX}")
        if not 0 < self.sigma <= 5:
            raise UsageError(f"a length: sigma {self.sigma:g} is not in (0, 5]")

    def draw(self, chance: random.Random) -> int:
        """One length."""
        if self.fixed is not None:
            return self.fixed
        if self.median is None:
            return chance.choice(self.values)
        return max(1, min(self.most, round(chance.lognormvariate(math.log(self.median), self.sigma))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefixes:
    """What prompts have in common, as a system prompt: a `share` begins with one of `count` texts of `words` words."""

    share: float
    words: int = 256
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"prefixes.share: {self.share:g} is not in (0, 1]")
        if not (0 < self.words <= LENGTH_MAX and 0 < self.count <= 100_000):
            raise UsageError(f"prefixes: {self.count} texts of {self.words} words are not in 1..100000 and 1..1000000")


class Words:
    """A long text of which prompts are cut: the same for all workers of a trial."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pool: Sequence[str] = random.Random(f"words {seed}").choices(WORDS, k=POOL)  # noqa: S311  # replayable

    def cut(self, start: int, count: int) -> str:
        """So many words from a place on, round and round."""
        start %= POOL
        found = list(self._pool[start : start + count])
        while len(found) < count:
            found += self._pool[: count - len(found)]
        return " ".join(found)

    def named(self, name: str, count: int) -> str:
        """The text of this name, always the same; texts of two names differ from their first word on."""
        return f"{self.mark(name)} {self.cut(_place(f'{self._seed} {name}'), max(0, count - 1))}".rstrip()

    def mark(self, name: str) -> str:
        """A short word that only this name has, in trials of one seed."""
        digest = hashlib.blake2b(f"{self._seed} {name}".encode(), digest_size=5).digest()
        return base64.b32encode(digest).decode().lower()

    def blocks(self, size: Size) -> str:
        """The text that a trace of blocks describes: equal blocks at the begin are equal text."""
        left, parts = size.size_in or 0, []
        for block in size.blocks:
            if left <= 0:
                break
            parts.append(self.named(f"block {block}", min(BLOCK_WORDS, left)))
            left -= BLOCK_WORDS
        return " ".join(parts)


def _place(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest())
