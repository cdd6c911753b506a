"""One request that is put to a very pod through the API server's proxy, and what became of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from chaos.cluster.transport import Answer, Broken, Silent, Transport
from chaos.errors import ClusterRefused, UsageError
from loadgen.plan import filled
from loadgen.profiles import Draw, OpenAiChatProfile, OpenAiCompletionsProfile, Profile, Texts
from loadgen.refusals import REFUSAL_BYTES, proxy_refusal

__all__ = ["Question"]

ANSWER_S, ANSWER_MAX_BYTES = 30.0, 64 * 1024
SEED, SERVER_ERROR = 1, 500

BY_POD: Mapping[str, str] = {"connection refused": "refused", "EOF": "failed", "connection reset": "failed"}
"""What the words in which an API server says that it had no answer tell of the pod. Others tell of the way to it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, as it is sent through the API server, and what counts as its answer."""

    profile: Profile
    method: str
    path: str
    body: Any
    headers: Mapping[str, str]

    @classmethod
    def of(cls, profile: Profile, tokens: int) -> Self:
        """A request of this profile, for an answer of one token, or of so many at least, where it is a text.

        Its own `authorization` is left out: an API server takes that for its own and passes none on. Raises
        `UsageError` for a request that cannot be sent so.
        """
        if isinstance(profile, OpenAiCompletionsProfile):
            most = tokens if tokens == 1 else max(tokens, profile.max_tokens)
            ignore = profile.ignore_eos and tokens > 1
            plain: dict[str, Any] = dict.fromkeys(("tokens_in", "tokens_out", "prefixes", "disconnects"))
            if isinstance(profile, OpenAiChatProfile):
                plain["conversation"] = None
            profile = replace(profile, stream=False, nonce=False, max_tokens=most, ignore_eos=ignore, **plain)
        request = profile.request(Texts.of(SEED), Draw("canary", 0))
        try:
            body = json.loads(request.body) if request.body else None
        except ValueError:
            raise UsageError("a request whose body is no JSON cannot be sent through the API server") from None
        given = filled(request.headers, os.environ)
        left_out = ("authorization", "content-type")
        headers = {name: value for name, value in given.items() if name.lower() not in left_out}
        return cls(profile, request.method, request.path, body, headers)

    def put(self, transport: Transport, place: str) -> dict[str, Any]:
        """Ask once, and say what became of it."""
        try:
            got = transport.call(
                self.method,
                place + self.path,
                body=self.body,
                headers=self.headers,
                timeout_s=ANSWER_S,
                pod_max_bytes=ANSWER_MAX_BYTES,
            )
        except Silent:
            return {"outcome": "unanswered", "error": f"no answer within {ANSWER_S:g} s"}
        except Broken as broken:
            return {"outcome": "failed", "error": broken.what}
        except ClusterRefused as unsent:
            return {"outcome": "unsent", "error": unsent.what}
        return self._understood(got)

    def _understood(self, got: Answer) -> dict[str, Any]:
        """What an answer amounts to. A redirect is an error like any other status: it is not followed."""
        if held_up := proxy_refusal(got.status, got.body[:REFUSAL_BYTES]):
            found = (outcome for words, outcome in BY_POD.items() if words in held_up and got.status >= SERVER_ERROR)
            return {"outcome": next(found, "unsent"), "error": held_up}
        if got.status not in self.profile.status_expected:
            return {"outcome": "failed", "status": got.status, "error": f"status {got.status}"}
        answer = self.profile.answer()
        answer.feed(got.body, 0)
        answer.end(0)
        if answer.error is not None or answer.cut_off or answer.full_ns is None:
            error = answer.error or "the answer is not whole"
            return {"outcome": "truncated", "status": got.status, "error": error}
        return {"outcome": "ok", "status": got.status}
