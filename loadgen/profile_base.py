"""What every request profile has: headers, limits, and what clients do beside asking once. Plain data.

A profile is written by a person (in a scenario, or in a system file), handed to the generator as JSON, and recorded.
So it never holds a secret: a header value may name environment variables as `${NAME}`, which are filled in by the
generator process alone. Redirects are not followed, and nothing is retried unless the profile says so.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from chaos.errors import UsageError
from loadgen.answers import Answer
from loadgen.behaviour import Conversation, Disconnects, Retries
from loadgen.nonces import Nonces
from loadgen.prompts import Words
from loadgen.shapes.base import Size

__all__ = ["TOKEN", "Draw", "Profile", "Request", "Texts", "is_path"]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PATH = re.compile(r"/[^\x00-\x20\x7f-\U0010ffff]*")
_UPWARDS = re.compile(r"(?i)/(?:\.|%2e){1,2}(?:[/?#]|$)")
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "expect", "accept-encoding", "upgrade"})
_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


def is_path(text: str) -> bool:
    """Whether it is sent as it stands: behind an API server's proxy, `..` would lead to other objects of the API."""
    return bool(_PATH.fullmatch(text)) and not _UPWARDS.search(text.partition("?")[0])


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent, but without the host and the values from the environment."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Texts(NamedTuple):
    """What requests of one trial are made from, by its seed; made once, since it takes a while."""

    seed: int
    words: Words
    nonces: Nonces

    @classmethod
    def of(cls, seed: int) -> "Texts":
        """For the trial of this seed."""
        return cls(seed, Words(seed), Nonces(seed))


class Draw(NamedTuple):
    """Which request: that of arrival number `arrival` of a stream, of the size that a trace has for it, if it has one.

    `said`: what was said before in its conversation, by the user and by the model in turn.
    """

    stream: str
    arrival: int
    size: Size | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What every profile has. Raises `UsageError`, naming the field, for a value that is not allowed.

    `headers`: sent with each request; values may hold `${NAME}`, read from the generator's environment.
    `timeout_s`: seconds from the intended start after which a request is given up and is `unanswered`.
    `patience_s`: an answer later than this after the intended start is `late`; None: never.
    `replica_header`: the response header that says which replica answered.
    `connections`: `fresh` opens one for each request, as many users would; `reuse` keeps them alive, which pins
    traffic to the pods that were there when they were opened.
    `retries`: how clients try again; None: they do not. What became of the first attempt is recorded either way.
    """

    name: ClassVar[str] = ""

    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    patience_s: float | None = None
    replica_header: str = "x-served-by"
    connections: Literal["fresh", "reuse"] = "fresh"
    retries: Retries | None = None

    def __post_init__(self) -> None:
        self._require(0 < self.timeout_s <= 3600, "timeout_s", "is not in (0, 3600] seconds")
        patience_ok = self.patience_s is None or 0 < self.patience_s < self.timeout_s
        self._require(patience_ok, "patience_s", f"is not between 0 and timeout_s ({self.timeout_s:g})")
        self._require(bool(TOKEN.fullmatch(self.replica_header)), "replica_header", "is not a header name")
        self._require(self.connections in {"fresh", "reuse"}, "connections", "is neither fresh nor reuse")
        for header, value in self.headers.items():
            self._require_header(header, value)

    def _require_header(self, header: str, value: str) -> None:
        where = f"headers.{header}"
        if not TOKEN.fullmatch(header) or not _VALUE.fullmatch(value):
            raise UsageError(f"{type(self).__name__}.{where}: not a header that HTTP allows")
        if header.lower() in _OURS:
            raise UsageError(f"{type(self).__name__}.{where}: the generator sets this header itself", "leave it out")
        if header.lower() in _SECRET and "${" not in value:
            raise UsageError(
                f"{type(self).__name__}.{where}: a secret would be recorded with the trial",
                "name an environment variable that holds it, as ${NAME}",
            )

    def _require(self, holds: bool, name: str, complaint: str) -> None:  # noqa: FBT001  # the sentence's subject
        if not holds:
            raise UsageError(f"{type(self).__name__}.{name}: {getattr(self, name)!r} {complaint}")

    @property
    def status_expected(self) -> frozenset[int]:
        """The HTTP statuses that may be an answer."""
        return frozenset({200})

    @property
    def longest_s(self) -> float:
        """After how many seconds from its intended start nothing is under way for a request any more."""
        return self.timeout_s + (self.retries.longest_s(self.timeout_s) if self.retries else 0.0)

    @property
    def disconnecting(self) -> Disconnects | None:
        """Which clients go away in the middle of an answer, if any do."""
        return None

    @property
    def leaving_share(self) -> float:
        """Which share of the clients goes away, so that nothing of them is judged."""
        return self.disconnecting.share if self.disconnecting else 0.0

    @property
    def conversing(self) -> Conversation | None:
        """How an arrival goes on after its first answer, if it does."""
        return None

    @property
    def requests_max(self) -> int:
        """How many requests an arrival may come to: each turn of a conversation, as often as clients try."""
        turns = self.conversing.turns if self.conversing else 1
        return turns * (self.retries.attempts if self.retries else 1)

    @property
    def constant(self) -> bool:
        """Whether every request of the same size is the same."""
        return False

    def request(self, texts: Texts, draw: Draw) -> Request:
        """The request of an arrival."""
        raise NotImplementedError

    def nonce_of(self, texts: Texts, draw: Draw) -> str:  # noqa: ARG002  # most ask for none
        """The nonce that this request asks to have repeated; empty if it asks for none."""
        return ""

    def answer(self) -> Answer:
        """A reader for the body of one response."""
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """The profile as plain JSON data; `profile_from_plain` turns it back."""
        data = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {"name": self.name} | {key: _plain(value) for key, value in data.items()}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
