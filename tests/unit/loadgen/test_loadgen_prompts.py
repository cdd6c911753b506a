"""Prompts: each unlike every other unless told otherwise, of the lengths and with the prefixes that are wanted."""

from __future__ import annotations

import json
from collections import Counter
from statistics import median

import pytest

from loadgen.behaviour import chance_of
from loadgen.profiles import Draw, EmbeddingsProfile, Length, OpenAiChatProfile, Prefixes, RerankProfile, Texts
from loadgen.shapes.base import Size

CHAT = OpenAiChatProfile(model="m", prompts=("Say hello.", "Name a colour."))
TEXTS = Texts.of(7)


def prompt(profile: OpenAiChatProfile, draw: Draw, texts: Texts = TEXTS) -> str:
    """The newest message of a request."""
    return str(json.loads(profile.request(texts, draw).body)["messages"][-1]["content"])


def test_no_two_prompts_are_alike_from_their_first_word_on() -> None:
    """In any stream, of any trial: what a cache of prefixes has seen is answered too soon."""
    draws = [Draw(stream, arrival) for stream in ("steady-1", "spike-2") for arrival in range(500)]
    said = [prompt(CHAT, draw, texts) for draw in draws for texts in (TEXTS, Texts.of(8))]
    assert len({text.split()[0] for text in said}) == len(said)
    assert {text.split(maxsplit=1)[1] for text in said} == {"Say hello.", "Name a colour."}


def test_what_is_drawn_depends_on_the_arrival_alone() -> None:
    """So that each of several workers would ask the same for it, whatever it asked before."""
    again = Texts.of(7)
    assert prompt(CHAT, Draw("s", 9), again) == prompt(CHAT, Draw("s", 9))


def test_prompts_repeat_where_that_is_wanted() -> None:
    """`unique` false sends the prompts as they are."""
    said = {prompt(OpenAiChatProfile(model="m", prompts=("a", "b"), unique=False), Draw("s", k)) for k in range(10)}
    assert said == {"a", "b"}


@pytest.mark.parametrize("words", [1, 2, 3, 4, 20, 20_000])
def test_a_fixed_length_is_kept_to_the_word(words: int) -> None:
    """Whether that is shorter or longer than the prompt, and what makes it unique stays."""
    profile = OpenAiChatProfile(model="m", prompts=("Say hello now.",), tokens_in=Length(fixed=words))
    said = [prompt(profile, Draw("s", k)) for k in range(20)]
    assert {len(text.split()) for text in said} == {words}
    assert len({text.split()[0] for text in said}) == 20
    assert all(text.endswith("Say hello now.") == (words >= 4) for text in said)


def test_lengths_are_lognormal_within_their_bound() -> None:
    """The median is as asked, half of them above; none is over `most`, none under a word."""
    length, chance = Length(median=100, sigma=1, most=300), chance_of(1, "s", 0, "lengths")
    drawn = [length.draw(chance) for _ in range(4000)]
    assert 90 <= median(drawn) <= 110
    assert max(drawn) == 300
    assert min(drawn) >= 1
    assert {Length(values=(3, 5)).draw(chance) for _ in range(50)} == {3, 5}


def test_a_share_of_prompts_has_a_prefix_in_common() -> None:
    """About so many, of so many kinds, of so many words; what follows is unlike every other."""
    profile = OpenAiChatProfile(model="m", prompts=("a",), prefixes=Prefixes(share=0.6, words=50, count=3))
    said = [prompt(profile, Draw("s", k)) for k in range(1000)]
    heads = Counter(" ".join(text.split()[:50]) for text in said if len(text.split()) == 52)
    assert len(heads) == 3
    assert 550 <= heads.total() <= 650
    assert len({text.split()[-2] for text in said}) == 1000


def test_blocks_of_a_trace_are_shared_as_far_as_they_are_the_same() -> None:
    """Two requests whose first block is the same begin with the same 512 words, and go on differently."""
    one, two = (prompt(CHAT, Draw("s", k, Size(1024, 5, (1, k + 2)))) for k in range(2))
    assert one.split()[:512] == two.split()[:512]
    assert one.split()[512] != two.split()[512]
    assert (len(one.split()), len(two.split())) == (1024, 1024)


def test_a_trace_of_no_tokens_asks_for_the_least_there_is() -> None:
    """One word, one token: servers refuse less."""
    body = json.loads(CHAT.request(TEXTS, Draw("s", 0, Size(0, 0))).body)
    assert (len(body["messages"][0]["content"].split()), body["max_tokens"]) == (1, 1)


def test_a_conversation_sends_what_was_said_before() -> None:
    """In turn by user and assistant; later questions are new ones, without the common prefix again."""
    profile = OpenAiChatProfile(model="m", prompts=("a",), prefixes=Prefixes(share=1, words=9))
    first = prompt(profile, Draw("s", 4))
    body = json.loads(profile.request(TEXTS, Draw("s", 4, None, (first, "An answer."))).body)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [message["content"] for message in body["messages"][:2]] == [first, "An answer."]
    assert len(body["messages"][2]["content"].split()) == 2
    assert body["messages"][2]["content"] not in first


def test_texts_of_a_batch_are_unlike_each_other() -> None:
    """Embeddings and reranking are of several texts a request, and ask for as many as they say."""
    asked = json.loads(EmbeddingsProfile(model="m", prompts=("a",), inputs=5).request(TEXTS, Draw("s", 1)).body)
    assert (len(set(asked["input"])), asked["encoding_format"]) == (5, "float")
    rerank = RerankProfile(model="m", prompts=("a",), documents=4, documents_field="texts")
    ranked = json.loads(rerank.request(TEXTS, Draw("s", 1)).body)
    assert len({ranked["query"], *ranked["texts"]}) == 5
