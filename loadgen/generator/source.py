"""The bytes of each request, made before they are due. Only the generator process imports this."""

import functools
import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from loadgen.behaviour import chance_of
from loadgen.plan import Plan, filled, place_of, request_bytes, request_head
from loadgen.profiles import Draw, Texts
from loadgen.shapes.base import Size

__all__ = ["Prepared", "Source"]

SIZES_KEPT = 64
"""Requests of a trace that are kept made where they are all alike: many arrivals have the same sizes."""


class Prepared(NamedTuple):
    """One request, ready to be sent.

    `leaves_after`: after how many pieces of the answer the client goes away; None: it stays. `has_nonce`: its answer
    must hold the arrival's nonce. `asked`: what the user says, where a conversation goes on from it.
    """

    method: str
    raw: bytes
    leaves_after: int | None = None
    has_nonce: bool = False
    asked: str = ""


class Source:
    """Makes the requests of a plan; `extra` are headers of the way that they go."""

    def __init__(self, plan: Plan, extra: Mapping[str, str]) -> None:
        self.profile, self.texts = plan.profile, Texts.of(plan.seed)
        self._extra = dict(extra)
        self._place, self._keep = place_of(plan.url), plan.profile.connections == "reuse"
        usual = self.profile.request(self.texts, Draw("", 0))
        self.path = f"{self._place.prefix}{usual.path}"
        self._headers = filled(usual.headers, os.environ) | self._extra
        self._head = request_head(usual, self._place, self._headers, keep=self._keep)
        self._of_size = functools.lru_cache(maxsize=SIZES_KEPT)(lambda size: self._made(Draw("", 0, size)))

    def prepared(self, stream: str, index: int, size: Size | None, said: tuple[str, ...] = ()) -> Prepared:
        """The request of an arrival; of a later turn of its conversation, with what was `said` before."""
        if self.profile.constant:
            return self._of_size(size)
        return self._made(Draw(stream, index, size, said))

    def _made(self, draw: Draw) -> Prepared:
        request = self.profile.request(self.texts, draw)
        leaves_after = None
        if (leaving := self.profile.disconnecting) is not None:
            chance = chance_of(self.texts.seed, draw.stream, draw.arrival, f"leave {len(draw.said)}")
            leaves_after = leaving.leaves_after(chance)
        return Prepared(
            request.method,
            request_bytes(request, self._head),
            leaves_after,
            bool(self.profile.nonce_of(self.texts, draw)),
            str(json.loads(request.body)["messages"][-1]["content"]) if self.profile.conversing else "",
        )
