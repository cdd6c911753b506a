"""What clients do beside asking once, over a real connection: leave, try again, go on talking, ask for a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loopback import records, started, wait_for_records
from talking_server import Seen, talking

from chaos.clock import NS
from chaos.wait import until
from loadgen.profiles import Conversation, Disconnects, OpenAiChatProfile, Retries
from loadgen.records import TURN
from loadgen.shapes import Steady

RPS = 40


def run(folder: Path, seen: Seen, mode: str = "", count: int = 20, **fields: Any) -> list[dict[str, Any]]:
    """Offer a short stream with this profile, and return the records."""
    path = f"/{mode}/v1/chat/completions" if mode else "/v1/chat/completions"
    profile = OpenAiChatProfile(model="m", prompts=("Say hello.",), path=path, timeout_s=5, **fields)
    with started(folder, seen.url, profile) as generator:
        generator.begin(Steady(RPS), "steady-1")
        wait_for_records(folder, count)
        generator.end("steady-1")
        finished = generator.finish()
    rows = records(folder)
    first = [row for row in rows if row["turn"] == 0]
    assert sorted(row["id"] for row in first) == list(range(finished.due["steady-1"]))
    return rows


def test_no_prompt_comes_twice(tmp_path: Path) -> None:
    """As a cache of prefixes sees it."""
    with talking() as seen:
        run(tmp_path, seen)
        assert set(seen.asked.values()) == {1}


@pytest.mark.parametrize("after", [1, 4])
def test_clients_that_leave_are_no_failure_and_the_server_is_told(tmp_path: Path, after: int) -> None:
    """At the first token or after some; the connection is closed, so that what was running ends at once."""
    with talking() as seen:
        rows = run(tmp_path, seen, "endless", disconnects=Disconnects(share=1, after_tokens=after))
        assert {(row["outcome"], row["error"], row["leaves_after"]) for row in rows} == {("disconnected", None, after)}
        assert all(len(row["token_gaps_ns"]) >= after - 1 for row in rows)
        until(lambda: seen.running == 0, deadline_s=5, awaited="the end of what was running")
        assert seen.left == len(rows)


def test_only_some_leave_and_whole_answers_stay(tmp_path: Path) -> None:
    """An answer that is whole before its client was to leave is an answer."""
    with talking() as seen:
        rows = run(tmp_path, seen, disconnects=Disconnects(share=0.5, after_tokens=2), count=40)
        assert {row["outcome"] for row in rows} == {"ok", "disconnected"}
        assert all((row["outcome"] == "disconnected") == (row["leaves_after"] == 2) for row in rows)
        (later := tmp_path / "later").mkdir()
        rows = run(later, seen, disconnects=Disconnects(share=1, after_tokens=500))
        assert {row["outcome"] for row in rows} == {"ok"}


def test_retries_are_counted_beside_the_first_attempt(tmp_path: Path) -> None:
    """The first attempt is the outcome; what the client got in the end stands beside it."""
    retries = Retries(attempts=3, backoff_s=0.05)
    with talking() as seen:
        rows = run(tmp_path, seen, "busy", retries=retries)
        assert {(row["outcome"], row["status"], row["attempts"], row["last_outcome"]) for row in rows} == {
            ("shed", 503, 2, "ok")
        }
        assert all(row["end_ns"] < row["last_end_ns"] for row in rows)
        assert set(seen.asked.values()) == {2}


def test_a_client_gives_up_in_the_end(tmp_path: Path) -> None:
    """As often as it may, and a service that always sheds gets three times the load."""
    with talking() as seen:
        rows = run(tmp_path, seen, "shed", retries=Retries(attempts=3))
        assert {(row["outcome"], row["attempts"], row["last_outcome"]) for row in rows} == {("shed", 3, "shed")}
        assert set(seen.asked.values()) == {3}


def test_without_retries_a_client_asks_once(tmp_path: Path) -> None:
    """A request that was turned away is shed."""
    with talking() as seen:
        rows = run(tmp_path, seen, "shed")
        assert {(row["outcome"], row["attempts"], row["last_outcome"]) for row in rows} == {("shed", 1, None)}


@pytest.mark.parametrize(("mode", "echo"), [("", "right"), ("forgetful", "wrong")])
def test_an_answer_is_held_to_its_number(tmp_path: Path, mode: str, echo: str) -> None:
    """In pieces of a stream as well; a wrong one is an answer all the same."""
    with talking() as seen:
        rows = run(tmp_path, seen, mode, nonce=True, max_tokens=64)
        assert {(row["outcome"], row["echo"]) for row in rows} == {("ok", echo)}
        written = (tmp_path / "requests.jsonl").read_text()
        assert not any(number in written for number in seen.numbers)


def test_anothers_answer_is_named(tmp_path: Path) -> None:
    """A server that mixes up its requests gives away what was another user's."""
    with talking() as seen:
        rows = run(tmp_path, seen, "mixed-up", nonce=True, max_tokens=64)
        foreign = [row for row in rows if row["echo"] == "foreign"]
        assert len(foreign) >= len(rows) - 2
        assert {row["outcome"] for row in foreign} == {"foreign"}
        assert all("the answer holds the nonce of steady-1 request" in row["error"] for row in foreign)


def test_anothers_answer_is_named_whichever_attempt_it_is(tmp_path: Path) -> None:
    """The first attempt stays the outcome; what the second gave away is told all the same."""
    with talking() as seen:
        rows = run(tmp_path, seen, "busy-mixed-up", nonce=True, max_tokens=64, retries=Retries(backoff_s=0.05))
        foreign = [row for row in rows if row["echo"] == "foreign"]
        assert len(foreign) >= len(rows) - 2
        assert {(row["outcome"], row["last_outcome"]) for row in foreign} == {("shed", "foreign")}
        assert all("the answer holds the nonce of" in row["error"] for row in foreign)


def test_a_conversation_goes_on_from_its_answers(tmp_path: Path) -> None:
    """Each turn comes after the answer before it and a while to think, with all that was said."""
    with talking() as seen:
        rows = run(tmp_path, seen, conversation=Conversation(turns=3, think_s=0.1), count=90)
        talk = {row["turn"]: row for row in rows if row["id"] % TURN == 0}
        assert sorted(talk) == [0, 1, 2]
        for turn in (1, 2):
            waited_s = (talk[turn]["intended_ns"] - talk[turn - 1]["end_ns"]) / NS
            assert 0.05 <= waited_s <= 0.151
        longest = max((body["messages"] for body in seen.bodies), key=len)
        assert [message["role"] for message in longest] == ["user", "assistant", "user", "assistant", "user"]
        assert longest[1]["content"] == longest[3]["content"] == "Hello, you there."


def test_a_conversation_ends_with_its_traffic(tmp_path: Path) -> None:
    """Whoever thinks when traffic ends goes home: the generator does not wait for them."""
    with talking() as seen:
        rows = run(tmp_path, seen, conversation=Conversation(turns=2, think_s=3000))
        assert {row["turn"] for row in rows} == {0}
