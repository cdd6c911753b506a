"""What one request is, and what counts as an answer to it: plain data, with no socket in sight.

A profile is written by a person (in a scenario, or in a system file), handed to the generator as JSON, and recorded.
So it never holds a secret: a header value may name environment variables as `${NAME}`, which are filled in by the
generator process alone. Redirects are not followed and nothing is retried: what the service did to the first attempt
is what is recorded.
"""

import dataclasses
import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pydantic

from chaos.errors import UsageError
from loadgen.answers import Answer, ChatAnswer, ChatStream, PlainAnswer
from loadgen.shapes.base import Size

__all__ = ["PROFILES", "HttpProfile", "OpenAiChatProfile", "Profile", "Request", "profile_from_plain"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PATH = re.compile(r"/[^\x00-\x20\x7f-\U0010ffff]*")
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "expect", "accept-encoding", "upgrade"})
_SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent, but without the host and the values from the environment."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What every profile has. Raises `UsageError`, naming the field, for a value that is not allowed.

    `headers`: sent with each request; values may hold `${NAME}`, read from the generator's environment.
    `timeout_s`: seconds from the intended start after which a request is given up and is `unanswered`.
    `patience_s`: an answer later than this after the intended start is `late`; None: never.
    `replica_header`: the response header that says which replica answered.
    `connections`: `fresh` opens one for each request, as many users would; `reuse` keeps them alive, which pins
    traffic to the pods that were there when they were opened.
    """

    name: ClassVar[str] = ""

    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    patience_s: float | None = None
    replica_header: str = "x-served-by"
    connections: Literal["fresh", "reuse"] = "fresh"

    def __post_init__(self) -> None:
        self._require(0 < self.timeout_s <= 3600, "timeout_s", "is not in (0, 3600] seconds")
        patience_ok = self.patience_s is None or 0 < self.patience_s < self.timeout_s
        self._require(patience_ok, "patience_s", f"is not between 0 and timeout_s ({self.timeout_s:g})")
        self._require(bool(_TOKEN.fullmatch(self.replica_header)), "replica_header", "is not a header name")
        self._require(self.connections in {"fresh", "reuse"}, "connections", "is neither fresh nor reuse")
        for header, value in self.headers.items():
            self._require_header(header, value)

    def _require_header(self, header: str, value: str) -> None:
        where = f"headers.{header}"
        if not _TOKEN.fullmatch(header) or not _VALUE.fullmatch(value):
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

    def requests(self, seed: int) -> tuple[Request, ...]:
        """The requests to send in turn: arrival k sends number k modulo their count; `seed` sets their order."""
        raise NotImplementedError

    def sized(self, size: Size) -> Request:
        """A request of the size that a trace has for it."""
        raise NotImplementedError

    def answer(self) -> Answer:
        """A reader for the body of one response."""
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """The profile as plain JSON data; `profile_from_plain` turns it back."""
        data = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {"name": self.name} | {key: _plain(value) for key, value in data.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProfile(Profile):
    """A plain HTTP request; an answer is a whole message with one of `expect_status`.

    A body that is ended by closing the connection (neither `Content-Length` nor chunked) looks the same as one
    that was cut cleanly, so such a service needs a profile that knows its end mark.
    """

    name: ClassVar[str] = "http"

    method: str = "GET"
    path: str = "/"
    body: str | None = None
    expect_status: tuple[int, ...] = (200,)

    def __post_init__(self) -> None:
        Profile.__post_init__(self)
        self._require(bool(_TOKEN.fullmatch(self.method)), "method", "is not an HTTP method")
        self._require(bool(_PATH.fullmatch(self.path)), "path", "is not a path that begins with / (percent-encode it)")
        statuses_ok = bool(self.expect_status) and all(200 <= status <= 599 for status in self.expect_status)
        self._require(statuses_ok, "expect_status", "is not one or more statuses from 200 to 599")

    @property
    def status_expected(self) -> frozenset[int]:
        return frozenset(self.expect_status)

    def requests(self, seed: int) -> tuple[Request, ...]:  # noqa: ARG002  # there is only one
        return (Request(self.method.upper(), self.path, self.headers, (self.body or "").encode()),)

    def sized(self, size: Size) -> Request:
        """See `Profile.sized`: `size_in` is bytes of the body; the size of the answer is up to the service."""
        body = (self.body or "").encode() if size.size_in is None else b"x" * size.size_in
        return Request(self.method.upper(), self.path, self.headers, body)

    def answer(self) -> Answer:
        return PlainAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiChatProfile(Profile):
    """A chat completion as OpenAI's API defines it, streamed unless `stream` is false.

    `prompts` are sent in turn, in an order that the trial's seed sets. `include_usage` asks a stream for its token
    counts. `ignore_eos` asks for answers of exactly `max_tokens`: no part of OpenAI's API, but vLLM, SGLang and
    llama.cpp know it, and the field is sent only where it is wanted. An answer is full at `[DONE]` or a finish reason;
    a stream without either was truncated.
    """

    name: ClassVar[str] = "openai-chat"

    model: str
    prompts: tuple[str, ...]
    path: str = "/v1/chat/completions"
    max_tokens: int = 16
    stream: bool = True
    include_usage: bool = True
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        Profile.__post_init__(self)
        self._require(bool(self.model), "model", "names no model")
        self._require(
            bool(self.prompts) and all(prompt.strip() for prompt in self.prompts), "prompts", "is not one or more texts"
        )
        self._require(bool(_PATH.fullmatch(self.path)), "path", "is not a path that begins with / (percent-encode it)")
        self._require(self.max_tokens > 0, "max_tokens", "is not a positive number of tokens")

    def requests(self, seed: int) -> tuple[Request, ...]:
        order = list(self.prompts)
        random.Random(seed).shuffle(order)  # noqa: S311  # an order, not a secret
        headers = {"content-type": "application/json", **self.headers}
        return tuple(Request("POST", self.path, headers, self._body(prompt, self.max_tokens)) for prompt in order)

    def sized(self, size: Size) -> Request:
        """See `Profile.sized`: so many words of prompt, near enough to tokens, and at most so many tokens of answer."""
        words = itertools.cycle(self.prompts[0].split())
        prompt = self.prompts[0] if size.size_in is None else " ".join(itertools.islice(words, max(1, size.size_in)))
        most = self.max_tokens if size.size_out is None else max(1, size.size_out)
        return Request(
            "POST", self.path, {"content-type": "application/json", **self.headers}, self._body(prompt, most)
        )

    def _body(self, prompt: str, max_tokens: int) -> bytes:
        message: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "stream": self.stream,
        }
        if self.stream and self.include_usage:
            message["stream_options"] = {"include_usage": True}
        if self.ignore_eos:
            message["ignore_eos"] = True
        return json.dumps(message).encode()

    def answer(self) -> Answer:
        return ChatStream() if self.stream else ChatAnswer()


PROFILES: Mapping[str, type[Profile]] = {kind.name: kind for kind in (HttpProfile, OpenAiChatProfile)}
"""Every profile by the name under which a system file, a plan and a record know it."""


def profile_from_plain(data: Mapping[str, Any]) -> Profile:
    """The profile that `Profile.plain` described, or a person wrote. Raises `UsageError`, naming the field."""
    values = dict(data)
    name = values.pop("name", None)
    kind = PROFILES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"profile.name: {name!r} is no profile", f"profiles: {', '.join(sorted(PROFILES))}")
    if unknown := sorted(set(values) - {item.name for item in dataclasses.fields(kind)}):
        raise UsageError(f"profile {name}: {unknown[0]} is not one of its fields")
    try:
        return pydantic.TypeAdapter(kind).validate_python(values)
    except pydantic.ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"profile {name}: {where}: {first['msg']}") from None


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
