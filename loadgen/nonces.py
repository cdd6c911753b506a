"""Numbers that a request asks to have repeated: whether an answer holds its own, or that of another request.

Pure. A nonce follows from the seed, the stream and the arrival's number, and can be traced back to them: so any worker
knows the nonce of any request, without a list of them. Its digits are the arrival's number, scrambled, and nine digits
that only this request has: a model that garbles its own number hits another's with a chance of one in a thousand
million.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

__all__ = ["DIGITS", "Echo", "Nonces", "Owner"]

Echo = Literal["right", "wrong", "foreign"]
"""What an answer to a request with a nonce holds: that nonce, neither it nor another's, or that of another request."""

DIGITS, GROUP = 16, 4
NUMBERS = 10**7
TAGS = 10**9
FACTOR = 3_678_049
"""Shares no factor with `NUMBERS`, so that it can be undone; neighbours are then far apart."""

CANDIDATES_MAX = 64
"""So many numbers of an answer are looked at: an endless list of digits is not to hold the generator up."""

_GROUPS = re.compile(
    r"(?<![0-9])(?=([0-9]{4})[^0-9]{0,3}([0-9]{4})[^0-9]{0,3}([0-9]{4})[^0-9]{0,3}([0-9]{4})(?![0-9]))"
)


class Owner(NamedTuple):
    """Whose nonce it is."""

    stream: str
    arrival: int


class Nonces:
    """The nonces of one trial, by its seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._shift = int.from_bytes(hashlib.blake2b(f"nonce {seed}".encode(), digest_size=8).digest()) % NUMBERS
        self._back = pow(FACTOR, -1, NUMBERS)

    def of(self, stream: str, index: int) -> str:
        """The nonce of an arrival, e.g. `4821-0937-5562-1180`."""
        number = (index * FACTOR + self._shift) % NUMBERS
        digits = f"{number:07d}{self._tag(stream, index):09d}"
        return "-".join(digits[start : start + GROUP] for start in range(0, DIGITS, GROUP))

    def owner(self, digits: str, streams: Iterable[str]) -> Owner | None:
        """Whose nonce these digits are, of the arrivals of these streams; None if nobody's."""
        index = (int(digits[:7]) - self._shift) * self._back % NUMBERS
        tag = int(digits[7:])
        return next((Owner(stream, index) for stream in streams if self._tag(stream, index) == tag), None)

    def echo(self, said: Iterable[str], own: Owner, streams: Collection[str]) -> tuple[Echo, Owner | None]:
        """What the texts of an answer to `own` hold, and whose nonce that is if it is another's.

        Digits of any script, in whatever way they are set apart, are the same number; another's is named even beside
        the right one.
        """
        texts = [_plain(text) for text in said]
        for text in texts:
            for found in _candidates(text):
                owner = self.owner(found, streams)
                if owner is not None and owner != own:
                    return "foreign", owner
        digits = self.of(*own).replace("-", "")
        return ("right" if any(digits in re.sub(r"[^0-9]", "", text) for text in texts) else "wrong"), None

    def _tag(self, stream: str, index: int) -> int:
        return _tag(self._seed, stream, index)


@functools.lru_cache(maxsize=4096)
def _tag(seed: int, stream: str, index: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed} {stream} {index}".encode(), digest_size=8).digest()) % TAGS


def _candidates(text: str) -> Iterable[str]:
    """Each sixteen digits in four groups, or in one."""
    for number, found in enumerate(_GROUPS.finditer(text)):
        if number == CANDIDATES_MAX:
            return
        yield "".join(found.groups())


def _plain(text: str) -> str:
    """The text with digits of other scripts as ASCII ones: full-width, Arabic, mathematical and so on."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in text)
