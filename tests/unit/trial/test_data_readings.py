"""Reading what replicas hold: how checksums are taken from what a command prints, and what is asked."""

import json

import pytest

from chaos.cluster import Ran
from chaos.errors import UsageError
from chaos.trial.data_readings import SEED, Data, _greedy, _sums
from loadgen.profiles import HttpProfile, OpenAiChatProfile

DIGEST = "ab" * 32
CHAT = OpenAiChatProfile(model="m", prompts=("One.", "Two."), max_tokens=6)


def test_checksums_are_read_by_path() -> None:
    """Both ways of printing, with spaces in a path, and nothing but whole lines."""
    printed = f"{DIGEST}  /w/model.gguf\n{DIGEST} */w/a file\n\nbroken\n"
    assert _sums(Ran("ok", 0, printed)) == {"/w/model.gguf": DIGEST, "/w/a file": DIGEST}
    assert _sums(Ran("fail", 1, "", "No such file")) == {}


def test_the_question_is_the_same_each_time() -> None:
    """The likeliest tokens, whole, to the first prompt, whatever order the seed gives traffic."""
    body = json.loads(CHAT.requests(7)[0].body)
    asked = _greedy(body, CHAT.prompts[0])
    assert asked["messages"] == [{"role": "user", "content": "One."}]
    assert (asked["stream"], asked["temperature"], asked["seed"], asked["max_tokens"]) == (False, 0, SEED, 6)
    assert "stream_options" not in asked


def test_there_must_be_a_file_to_read() -> None:
    """Files that are named take the place of the claim's; with neither there is nothing to read."""
    filled = Data("model", ("/w/model.gguf",), 8080, HttpProfile())
    assert filled.of(()).files == ("/w/model.gguf",)
    assert filled.of(("/tmp/w",)).files == ("/tmp/w",)  # noqa: S108  # in a container
    with pytest.raises(UsageError, match="no volume of the system is said to hold files that must survive"):
        Data("model", (), 8080, HttpProfile()).of(())
