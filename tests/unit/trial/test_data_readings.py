"""Reading what replicas hold: how checksums are taken from what a command prints, and what is asked."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.cluster import Journal, Ran
from chaos.cluster.transport import Answer
from chaos.errors import UsageError
from chaos.objects.base import Ref
from chaos.trial import data_readings
from chaos.trial.data_readings import ANSWERS, SEED, Data, _greedy, _read, _sums
from loadgen.profiles import Draw, HttpProfile, OpenAiChatProfile, Profile, Texts

DIGEST = "ab" * 32
CHAT = OpenAiChatProfile(model="m", prompts=("One.", "Two."), max_tokens=6)
CHATTED = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'


def test_checksums_are_read_by_path() -> None:
    """Both ways of printing, with spaces in a path, and nothing but whole lines."""
    printed = f"{DIGEST}  /w/model.gguf\n{DIGEST} */w/a file\n\nbroken\n"
    files = ("/w/model.gguf", "/w/a file")
    assert _sums(Ran("ok", 0, printed), files) == {"/w/model.gguf": DIGEST, "/w/a file": DIGEST}
    assert _sums(Ran("fail", 1, "", "No such file"), files) == {}


CANARY = "sk-canary-1234567890abcdef"


def test_nothing_else_that_a_container_prints_is_kept() -> None:
    """Its shell may print what it likes: lines of an environment, a digest that is none, files that nobody named."""
    printed = f"export TOKEN={CANARY}\n{CANARY} /w/model.gguf\n{DIGEST}  /{CANARY}\n{DIGEST}  /w/vocabulary\n"
    assert _sums(Ran("ok", 0, printed), ("/w/model.gguf", "/w/vocabulary")) == {"/w/vocabulary": DIGEST}


def test_a_container_says_why_in_few_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is kept, but neither a megabyte of it nor a credential in it; nor what the model said."""
    ran = Ran("fail", 1, "", f"sha256sum: /w/model.gguf: No such file\n https://me:{CANARY}@hub/x {'x' * 10_000}")
    monkeypatch.setattr(data_readings, "execute", lambda *_: ran)
    answers = [Answer(500, f'"{CANARY}"'.encode()), Answer(200, f'["{CANARY}"]'.encode())]
    answers += [Answer(200, CHATTED)] * ANSWERS
    cluster: Any = SimpleNamespace(transport=SimpleNamespace(call=lambda *_, **__: answers.pop(0)))
    executor: Any = None
    data, pod = Data("model", ("/w/model.gguf",), 8080, CHAT), Ref("Pod", "llm", "chat-1", "u-1")
    with Journal(tmp_path / "actions.jsonl", Clock.start()) as journal:
        for _ in range(3):
            _read(cluster, executor, journal, pod, data)
    written = (tmp_path / "actions.jsonl").read_text()
    assert CANARY not in written
    reasons = [json.loads(line)["detail"]["reason"] for line in written.splitlines() if "action-end" in line]
    assert reasons[0] == "no answer from chat-1: status 500"
    assert reasons[1] == "no answer from chat-1: no chat completion, with status 200"
    assert reasons[2].startswith("sha256sum: /w/model.gguf: No such file https://redacted@hub/x xxx")
    assert len(reasons[2]) <= 300


@pytest.mark.parametrize(
    ("profile", "body", "said"),
    [
        pytest.param(CHAT, CHATTED.replace(b"Hi", CANARY.encode()), CANARY, id="chat"),
        pytest.param(HttpProfile(), CANARY.encode(), CANARY, id="plain"),
        pytest.param(CHAT, CHATTED.replace(b"Hi", b""), "", id="chat that says nothing"),
        pytest.param(CHAT, CHATTED.replace(b"Hi", b"\\ud83d"), "\ud83d", id="half a character"),
    ],
)
def test_of_an_answer_its_digest_alone_is_kept(
    profile: Profile, body: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model says may be anything that it was told; two answers are compared all the same."""
    monkeypatch.setattr(data_readings, "execute", lambda *_: Ran("ok", 0, f"{DIGEST}  /w/model.gguf\n"))
    cluster: Any = SimpleNamespace(transport=SimpleNamespace(call=lambda *_, **__: Answer(200, body)))
    executor: Any = None
    data, pod = Data("model", ("/w/model.gguf",), 8080, profile), Ref("Pod", "llm", "chat-1", "u-1")
    with Journal(tmp_path / "actions.jsonl", Clock.start()) as journal:
        _read(cluster, executor, journal, pod, data)
    written = (tmp_path / "actions.jsonl").read_text()
    assert CANARY not in written
    (end,) = [json.loads(line) for line in written.splitlines() if "action-end" in line]
    assert end["detail"]["answer"] == hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
    assert end["detail"]["answers"] == [end["detail"]["answer"]] * ANSWERS
    assert end["detail"]["files"] == {"/w/model.gguf": DIGEST}


def test_a_request_that_cannot_be_put_to_a_pod_is_said_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are read all the same."""
    monkeypatch.setattr(data_readings, "execute", lambda *_: Ran("ok", 0, f"{DIGEST}  /w/model.gguf\n"))
    nobody: Any = None
    data = Data("model", ("/w/model.gguf",), 8080, HttpProfile(method="POST", body="no JSON"))
    with Journal(tmp_path / "actions.jsonl", Clock.start()) as journal:
        _read(nobody, nobody, journal, Ref("Pod", "llm", "chat-1", "u-1"), data)
    (end,) = [json.loads(one) for one in (tmp_path / "actions.jsonl").read_text().splitlines() if "action-end" in one]
    assert end["detail"]["reason"].startswith("no answer from chat-1: a request whose body is no JSON")
    assert end["detail"]["files"] == {"/w/model.gguf": DIGEST}


def test_the_question_is_the_same_each_time() -> None:
    """The likeliest tokens, whole, to the first prompt, whatever order the seed gives traffic."""
    body = json.loads(CHAT.request(Texts.of(7), Draw("s", 3)).body)
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
