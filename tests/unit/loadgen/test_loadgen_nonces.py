"""Nonces: an answer holds its own, none, or that of another request, however a server writes it down."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.answers import Answer, ChatAnswer, ChatStream, CompletionStream
from loadgen.nonces import Nonces, Owner
from loadgen.profiles import Draw, Length, OpenAiChatProfile, Texts
from loadgen.shapes.base import Size

NONCES = Nonces(7)
STREAMS = ("steady-1", "spike-2")
OWN, OTHER = Owner("steady-1", 12), Owner("spike-2", 40)
MINE, THEIRS = NONCES.of(*OWN), NONCES.of(*OTHER)
DONE = b"data: [DONE]\n\n"


def echo(*said: str) -> tuple[str, Owner | None]:
    """What these texts hold."""
    return NONCES.echo(said, OWN, STREAMS)


@given(st.integers(0, 9_999_999), st.integers(0, 2**31))
def test_a_nonce_tells_whose_it_is(arrival: int, seed: int) -> None:
    """Of any arrival of any trial; that of another trial is nobody's."""
    nonces = Nonces(seed)
    digits = nonces.of("spike-2", arrival).replace("-", "")
    assert (len(digits), digits.isdigit()) == (16, True)
    assert nonces.owner(digits, STREAMS) == Owner("spike-2", arrival)
    assert Nonces(seed + 1).owner(digits, STREAMS) is None
    assert nonces.owner(digits, ("steady-1",)) is None


def test_no_two_arrivals_have_the_same() -> None:
    """Neighbours are far apart, so that a model that garbles a digit does not hit one."""
    assert len({NONCES.of("steady-1", arrival) for arrival in range(5000)}) == 5000
    near = zip(NONCES.of("steady-1", 1), NONCES.of("steady-1", 2), strict=True)
    assert sum(one != other for one, other in near) >= 8


@pytest.mark.parametrize(
    "text",
    [
        MINE,
        f"The number is {MINE}.",
        f"**{MINE.replace('-', ' ')}**",
        MINE.replace("-", ""),
        MINE.replace("-", "\u2013"),
        " ".join(MINE),
        f"\uff08{''.join(chr(ord(sign) + 0xFEE0) for sign in MINE)}\uff09",
        "".join(chr(0x660 + int(sign)) if sign.isdigit() else sign for sign in MINE),
        f"1234 {MINE}",
    ],
)
def test_its_own_number_is_right_however_it_is_written(text: str) -> None:
    """Grouped, in one, spaced out, in full-width or Arabic digits, with something before it."""
    assert echo(text) == ("right", None)


@pytest.mark.parametrize("text", ["", "I cannot do that.", MINE[:-1], MINE[1:], MINE[::-1], "9" * 40, "1234-5678"])
def test_neither_is_wrong(text: str) -> None:
    """A part of the number, or another that nobody has."""
    assert echo(text)[0] == "wrong"


@pytest.mark.parametrize("text", [THEIRS, f"{MINE} and {THEIRS}", f"8812 {THEIRS}", THEIRS.replace("-", " - ")])
def test_anothers_is_foreign_even_beside_its_own(text: str) -> None:
    """And it is told whose."""
    assert echo(text) == ("foreign", OTHER)


def test_a_model_that_garbles_its_number_hits_nobody_elses() -> None:
    """One digit changed at any place, in ten thousand answers: wrong, and never foreign."""
    for arrival in range(63):
        own = Owner("steady-1", arrival)
        digits = NONCES.of(*own)
        for place, sign in enumerate(digits):
            for other in {"0", "5", "9"} - {sign} if sign.isdigit() else ():
                assert NONCES.echo([digits[:place] + other + digits[place + 1 :]], own, STREAMS)[0] == "wrong"


def test_an_endless_list_of_digits_is_looked_at_for_a_while_only() -> None:
    """A quarter of a megabyte of them, and the number itself at the end."""
    assert echo("1234 5678 " * 25_000 + MINE)[0] == "right"


def event(**delta: object) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": [{"delta": delta, "text": delta.get("content")}]}).encode() + b"\n\n"


def kept(answer: Answer, *parts: bytes) -> Mapping[str, list[str]]:
    """What an answer kept of its text."""
    answer.said = {}
    for part in parts:
        answer.feed(part, 1)
    answer.end(2)
    return answer.said


@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("channel", ["content", "reasoning_content", "reasoning", "refusal"])
def test_a_number_in_pieces_is_put_together(channel: str, size: int) -> None:
    """Whatever the channel, and wherever a server cuts; pieces of other channels do not come between."""
    pieces = [MINE[start : start + size] for start in range(0, len(MINE), size)]
    parts = [event(**{channel: piece, "role": "assistant"}) + event(audio="noise") for piece in pieces]
    said = kept(ChatStream(), *parts, DONE)
    assert echo(*("".join(text) for text in said.values())) == ("right", None)


def test_a_number_in_the_arguments_of_a_tool_is_found() -> None:
    """Which come in pieces, as text that holds JSON, with names and ids around them."""
    calls = [
        [{"index": 0, "id": "call-1", "type": "function", "function": {"name": "say", "arguments": '{"it": "'}}],
        [{"index": 0, "function": {"arguments": MINE[:7]}}],
        [{"index": 0, "function": {"arguments": MINE[7:] + '"}'}}],
    ]
    said = kept(ChatStream(), *(event(tool_calls=call) for call in calls), DONE)
    assert echo(*("".join(text) for text in said.values())) == ("right", None)


def test_text_is_kept_only_where_it_is_wanted_and_only_so_much() -> None:
    """An answer without end does not fill the memory; one that nobody needs keeps nothing."""
    reader = ChatStream()
    reader.feed(event(content="secret"), 1)
    assert reader.said is None
    said = kept(CompletionStream(), *[event(content="x" * 10_000)] * 100, DONE)
    assert sum(map(len, said["content"])) <= 256 * 1024
    whole = json.dumps({"choices": [{"message": {"content": MINE}, "finish_reason": "stop"}]}).encode()
    assert kept(ChatAnswer(), whole) == {"content": [MINE]}


def test_a_request_asks_for_its_number_last_and_where_there_is_room() -> None:
    """The least unlikely tokens are asked for, and no number of an answer too short to hold one."""
    profile = OpenAiChatProfile(model="m", prompts=("a",), nonce=True, tokens_out=Length(fixed=40))
    texts = Texts.of(7)
    body = json.loads(profile.request(texts, Draw("steady-1", 12)).body)
    assert body["messages"][0]["content"].endswith(f"Repeat this number exactly: {MINE}")
    assert (body["temperature"], profile.nonce_of(texts, Draw(*OWN))) == (0, MINE)
    assert profile.nonce_of(texts, Draw(*OWN, Size(5, 8))) == ""
