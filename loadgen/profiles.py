"""What one request is, and what counts as an answer to it: plain data, with no socket in sight.

See `loadgen.profile_base` for what all profiles have.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from chaos.errors import UsageError
from loadgen.answers import Answer, ChatAnswer, ChatStream, CompletionAnswer, CompletionStream, PlainAnswer
from loadgen.behaviour import Conversation, Disconnects, Retries, chance_of
from loadgen.model_profile import ModelProfile
from loadgen.profile_base import TOKEN, Draw, Profile, Request, Texts, is_path
from loadgen.prompts import Length, Prefixes
from loadgen.shapes.trace_files import read_lengths
from loadgen.vector_answers import EmbeddingsAnswer, RerankAnswer

__all__ = [
    "PROFILES",
    "Conversation",
    "Disconnects",
    "Draw",
    "EmbeddingsProfile",
    "HttpProfile",
    "Length",
    "OpenAiChatProfile",
    "OpenAiCompletionsProfile",
    "Prefixes",
    "Profile",
    "Request",
    "RerankProfile",
    "Retries",
    "Texts",
    "profile_from_plain",
]

NONCE_TOKENS = 32
"""A nonce of sixteen digits in four groups is a token a sign at worst, with a few for words around it."""

REPEAT = "Repeat this number exactly:"


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
        self._require(bool(TOKEN.fullmatch(self.method)), "method", "is not an HTTP method")
        self._require(is_path(self.path), "path", "is not a path that begins with / and has no .. (percent-encode it)")
        statuses_ok = bool(self.expect_status) and all(200 <= status <= 599 for status in self.expect_status)
        self._require(statuses_ok, "expect_status", "is not one or more statuses from 200 to 599")

    @property
    def status_expected(self) -> frozenset[int]:
        return frozenset(self.expect_status)

    @property
    def constant(self) -> bool:
        return True

    def request(self, texts: Texts, draw: Draw) -> Request:  # noqa: ARG002  # the role's shape
        """See `Profile.request`: `size_in` is bytes of the body; the size of the answer is up to the service."""
        body = (self.body or "").encode()
        if draw.size is not None and draw.size.size_in is not None:
            body = b"x" * draw.size.size_in
        return Request(self.method.upper(), self.path, self.headers, body)

    def answer(self) -> Answer:
        return PlainAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiCompletionsProfile(ModelProfile):
    """A completion as OpenAI's API defines it, streamed unless `stream` is false.

    `include_usage` asks a stream for its token counts. `tokens_out` draws how many tokens the answer may have at most,
    instead of `max_tokens`. `ignore_eos` asks for answers of exactly so many: no part of OpenAI's API, but vLLM, SGLang
    and llama.cpp know it, and the field is sent only where it is wanted. An answer is full at `[DONE]` or a finish
    reason; a stream without either was truncated. `nonce`: the request asks for a number to be repeated, which no
    other request has. `disconnects`: clients that leave in the middle of a stream.
    """

    name: ClassVar[str] = "openai-completions"

    path: str = "/v1/completions"
    max_tokens: int = 16
    stream: bool = True
    include_usage: bool = True
    ignore_eos: bool = False
    tokens_out: Length | None = None
    nonce: bool = False
    disconnects: Disconnects | None = None

    def __post_init__(self) -> None:
        ModelProfile.__post_init__(self)
        self._require(self.max_tokens > 0, "max_tokens", "is not a positive number of tokens")
        room = not self.nonce or self.tokens_out is not None or self.max_tokens >= NONCE_TOKENS
        self._require(room, "max_tokens", f"leaves no room for a nonce: it takes {NONCE_TOKENS}")
        self._require(self.stream or self.disconnects is None, "disconnects", "goes only with stream")

    @property
    def disconnecting(self) -> Disconnects | None:
        return self.disconnects

    def nonce_of(self, texts: Texts, draw: Draw) -> str:
        """See `Profile.nonce_of`: none for an answer that is to be too short to hold one."""
        asked = self.nonce and self._most(texts, draw) >= NONCE_TOKENS
        return texts.nonces.of(draw.stream, draw.arrival) if asked else ""

    def _asked(self, texts: Texts, draw: Draw) -> str:
        """The whole text of one request; with a nonce, that is the last that is asked for."""
        text, nonce = self.text(texts, draw, len(draw.said) // 2), self.nonce_of(texts, draw)
        return f"{text}\n{REPEAT} {nonce}" if nonce else text

    def _most(self, texts: Texts, draw: Draw) -> int:
        if draw.size is not None and draw.size.size_out is not None:
            return max(1, draw.size.size_out)
        if self.tokens_out is None:
            return self.max_tokens
        return self.tokens_out.draw(chance_of(texts.seed, draw.stream, draw.arrival, f"out {len(draw.said)}"))

    def request(self, texts: Texts, draw: Draw) -> Request:
        """See `Profile.request`."""
        body = {"model": self.model, **self._question(texts, draw), "max_tokens": self._most(texts, draw)}
        body["stream"] = self.stream
        if self.stream and self.include_usage:
            body["stream_options"] = {"include_usage": True}
        if self.ignore_eos:
            body["ignore_eos"] = True
        if self.nonce:
            body["temperature"] = 0
        return self.posted(body)

    def _question(self, texts: Texts, draw: Draw) -> dict[str, Any]:
        return {"prompt": self._asked(texts, draw)}

    def answer(self) -> Answer:
        return CompletionStream() if self.stream else CompletionAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiChatProfile(OpenAiCompletionsProfile):
    """A chat completion as OpenAI's API defines it; fields are those of `OpenAiCompletionsProfile`.

    `conversation`: each arrival is a user who goes on asking.
    """

    name: ClassVar[str] = "openai-chat"

    path: str = "/v1/chat/completions"
    conversation: Conversation | None = None

    @property
    def conversing(self) -> Conversation | None:
        return self.conversation

    def _question(self, texts: Texts, draw: Draw) -> dict[str, Any]:
        turns = (*draw.said, self._asked(texts, draw))
        roles = ("user", "assistant")
        return {"messages": [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(turns)]}

    def answer(self) -> Answer:
        return ChatStream() if self.stream else ChatAnswer()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsProfile(ModelProfile):
    """Embeddings as OpenAI's API defines them, of `inputs` texts a request.

    An answer is whole with one list of finite numbers for each text, all of one length: `dimensions`, where given.
    """

    name: ClassVar[str] = "openai-embeddings"

    path: str = "/v1/embeddings"
    inputs: int = 1
    dimensions: int | None = None

    def __post_init__(self) -> None:
        ModelProfile.__post_init__(self)
        self._require(0 < self.inputs <= 4096, "inputs", "is not in 1..4096 texts")
        self._require(self.dimensions is None or self.dimensions > 0, "dimensions", "is not a positive number")

    def request(self, texts: Texts, draw: Draw) -> Request:
        """See `Profile.request`."""
        asked = [self.text(texts, draw, part) for part in range(self.inputs)]
        return self.posted({"model": self.model, "input": asked, "encoding_format": "float"})

    def answer(self) -> Answer:
        return EmbeddingsAnswer(self.inputs, self.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankProfile(ModelProfile):
    """A query and `documents` texts to be put in order, as Jina's, Cohere's, vLLM's and TEI's APIs have it.

    `documents_field`: TEI calls them `texts`. An answer is whole with a finite score for each, none twice.
    """

    name: ClassVar[str] = "rerank"

    path: str = "/v1/rerank"
    documents: int = 8
    documents_field: str = "documents"

    def __post_init__(self) -> None:
        ModelProfile.__post_init__(self)
        self._require(1 < self.documents <= 4096, "documents", "is not in 2..4096 texts")
        self._require(bool(self.documents_field), "documents_field", "names no field")

    def request(self, texts: Texts, draw: Draw) -> Request:
        """See `Profile.request`."""
        asked = [self.text(texts, draw, part) for part in range(self.documents + 1)]
        return self.posted({"model": self.model, "query": asked[0], self.documents_field: asked[1:]})

    def answer(self) -> Answer:
        return RerankAnswer(self.documents)


PROFILES: Mapping[str, type[Profile]] = {
    kind.name: kind
    for kind in (HttpProfile, OpenAiChatProfile, OpenAiCompletionsProfile, EmbeddingsProfile, RerankProfile)
}
"""Every profile by the name under which a system file, a plan and a record know it."""

LENGTHS = {"tokens_in": "size_in", "tokens_out": "size_out"}
PARTS: Mapping[str, type[Any]] = {
    **dict.fromkeys(LENGTHS, Length),
    "prefixes": Prefixes,
    "retries": Retries,
    "disconnects": Disconnects,
    "conversation": Conversation,
}


def profile_from_plain(data: Mapping[str, Any]) -> Profile:
    """The profile that `Profile.plain` described, or a person wrote. Raises `UsageError`, naming the field.

    A length may be `{"trace": "FILE"}`: those of a trace file, evenly drawn.
    """
    values = dict(data)
    name = values.pop("name", None)
    kind = PROFILES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"profile.name: {name!r} is no profile", f"profiles: {', '.join(sorted(PROFILES))}")
    if unknown := sorted(set(values) - {item.name for item in dataclasses.fields(kind)}):
        raise UsageError(f"profile {name}: {unknown[0]} is not one of its fields")
    for part, of in PARTS.items():
        given = values.get(part)
        known = {item.name for item in dataclasses.fields(of)} | ({"trace"} if part in LENGTHS else set())
        if isinstance(given, Mapping) and (odd := sorted(set(given) - known)):
            raise UsageError(f"profile {name}: {part}.{odd[0]} is not one of its fields")
    for length, column in LENGTHS.items():
        match values.get(length):
            case {"trace": str(file), **others} if not others:
                values[length] = {"values": read_lengths(Path(file), column)}
    try:
        return pydantic.TypeAdapter(kind).validate_python(values)
    except pydantic.ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"profile {name}: {where}: {first['msg']}") from None
