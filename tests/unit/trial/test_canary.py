"""The canary over HTTP on loopback: what it asks, what it writes, and that nobody can hold it up or lead it away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from canary_server import POD, PROMPT, SAID, Handler, asking, cut_short

from chaos.errors import UsageError
from chaos.history.reading.canary_log import read_canary
from chaos.trial import canary as subject
from chaos.trial import pod_question
from chaos.trial.canary import Target
from loadgen.profiles import HttpProfile


def test_it_asks_for_one_token_in_one_piece_and_keeps_no_text(tmp_path: Path) -> None:
    """The pod is asked by its name and port; neither prompt nor answer is written."""
    with asking(tmp_path, Handler.answer) as found:
        line = found.once()
        assert (line["outcome"], line["pod"], line["uid"], line["status"]) == ("ok", "chat-1", "uid-1", 200)
        assert line["intended_ns"] <= line["sent_ns"] <= line["end_ns"]
        (what, _, body) = found.handler.seen[0]
        assert what == "POST /api/v1/namespaces/llm/pods/chat-1:8000/proxy/v1/chat/completions"
        assert (body["max_tokens"], body["stream"], "ignore_eos" in body) == (1, False, False)
    text = found.path.read_text()
    assert PROMPT not in text
    assert SAID not in text
    read, remark = read_canary(found.path)
    assert remark == ""
    assert read is not None
    assert read.requests[0].answered


def test_a_plain_request_is_sent_as_users_send_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its headers, but none that the API server would take for its own."""
    monkeypatch.setenv("TOKEN", "of-the-service")
    given = {"x-tenant": "a", "Authorization": "Bearer ${TOKEN}"}
    profile = HttpProfile(path="/ask?q=1", headers=given, expect_status=(204,))
    with asking(tmp_path, lambda one: one.answer(b"", status=204), profile) as found:
        assert found.once()["outcome"] == "ok"
        (what, headers, _) = found.handler.seen[0]
        assert what == "GET /api/v1/namespaces/llm/pods/chat-1:8000/proxy/ask?q=1"
        assert headers["x-tenant"] == "a"
        assert "authorization" not in headers


def test_a_request_that_the_proxy_cannot_carry_is_refused_in_words(tmp_path: Path) -> None:
    """Before anything is sent."""
    profile = HttpProfile(method="POST", body="no JSON")
    with pytest.raises(UsageError, match="no JSON"), asking(tmp_path, Handler.answer, profile):
        pass


def status(code: int, message: str) -> Callable[[Handler], None]:
    """An API server's own words."""
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
    return lambda one: one.answer(body, status=code)


TRYING = "error trying to reach service: dial tcp 10.0.0.1:8000: "


@pytest.mark.parametrize(
    ("say", "outcome", "words"),
    [
        (lambda one: one.answer({"error": {"message": "busy"}}, status=503), "failed", "status 503"),
        (lambda one: one.answer(b"hello"), "truncated", "not a JSON object"),
        (lambda one: one.answer(b"[" * 60_000), "truncated", "not a JSON object"),
        (lambda one: one.answer({"error": {"message": "no"}}), "truncated", "error"),
        (lambda one: one.answer({"choices": [{"finish_reason": "abort"}]}), "truncated", ""),
        (cut_short, "failed", "broke"),
        (status(503, f"{TRYING}connect: connection refused"), "refused", "connection refused"),
        (status(503, f"{TRYING}refused; password=hunter2x"), "unsent", "password=redacted:"),
        (status(502, "error trying to reach service: EOF"), "failed", "EOF"),
        (status(503, f"{TRYING}i/o timeout"), "unsent", "timeout"),
        (status(403, 'pods "chat-1" is forbidden'), "unsent", "forbidden"),
        (status(404, 'pods "chat-1" not found'), "unsent", "not found"),
        (status(429, "too many requests"), "unsent", "429"),
    ],
)
def test_what_became_of_it_is_told(tmp_path: Path, say: Callable[[Handler], None], outcome: str, words: str) -> None:
    """What the pod did is told apart from what the way to it did."""
    with asking(tmp_path, say) as found:
        line = found.once()
    assert line["outcome"] == outcome, line
    assert words in line["error"]


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Who is led elsewhere would ask somebody else, with our credentials."""
    with asking(tmp_path, lambda one: one.answer(b"", status=307, location="/elsewhere")) as found:
        assert found.once()["error"] == "status 307"
        assert all("elsewhere" not in what for what, _, _ in found.handler.seen)
    with asking(
        tmp_path / ".." / tmp_path.name, lambda one: one.answer(b"", status=302, location="/away"), HttpProfile()
    ) as found:
        found.canary.aim({POD.uid: POD})
        assert found.lines(2)[1]["error"] == "status 302"
        assert all("away" not in what for what, _, _ in found.handler.seen)


def endless(one: Handler) -> None:
    """No end."""
    one.close_connection = True
    one.send_response(200)
    one.end_headers()
    while True:
        one.wfile.write(b"x" * 10_000)


def headers_without_end(one: Handler) -> None:
    """No end of headers."""
    one.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        one.wfile.write(b"x-one: " + b"x" * 1000 + b"\r\n")


def huge_header(one: Handler) -> None:
    """One header of many megabytes."""
    one.answer(**{"x-big": "x" * 8_000_000})


def dripping(one: Handler) -> None:
    """A byte now and then."""
    one.send_response(200)
    one.send_header("content-length", "100000")
    one.end_headers()
    for _ in range(1000):
        one.wfile.write(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("say", [endless, headers_without_end, huge_header, dripping])
def test_nobody_holds_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Callable[[Handler], None]) -> None:
    """An answer is bounded in bytes and in time, its headers too."""
    monkeypatch.setattr(pod_question, "ANSWER_S", 0.5)
    with asking(tmp_path, say) as found:
        assert found.once(within_s=5)["outcome"] in {"failed", "unanswered"}


def test_a_server_that_says_nothing_is_unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request at a time, and the next only when that was given up."""
    monkeypatch.setattr(pod_question, "ANSWER_S", 0.3)
    held = threading.Event()
    with asking(tmp_path, lambda _: held.wait(5) and None) as found:
        assert found.once()["outcome"] == "unanswered"
        held.set()


def test_each_replica_has_its_own_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs keeps no other waiting; who is gone is asked no more; what is open at the end is written."""
    monkeypatch.setattr(subject, "EVERY_S", 0.05)
    monkeypatch.setattr(subject, "SHARE_MAX", 1.0)
    held = threading.Event()

    def say(one: Handler) -> None:
        if "hung" in one.path:
            held.wait(10)
        one.answer()

    hung, well = Target("h", "hung", 1), Target("w", "well", 1)
    with asking(tmp_path, say) as found:
        found.canary.aim({"h": hung, "w": well})
        assert {line["uid"] for line in found.lines(5)} == {"w"}
        found.canary.aim({"h": hung})
        before = len(found.handler.seen)
        time.sleep(0.3)
        assert len(found.handler.seen) <= before + 1
        found.canary.stop()
        last = json.loads(found.path.read_text().splitlines()[-1])
        assert (last["uid"], last["outcome"], last["error"]) == ("h", "unanswered", "the trial ended")
        count = len(found.path.read_text().splitlines())
        held.set()
        found.canary.aim({"w": well})
        time.sleep(0.2)
        assert len(found.path.read_text().splitlines()) == count


def test_a_slow_server_is_asked_seldom(tmp_path: Path) -> None:
    """So that it takes two hundredths of it, by the quickest answer; and never more than once a second."""
    with asking(tmp_path, lambda one: (time.sleep(0.1), one.answer())[1]) as found:
        assert found.canary.every_s == 1.0
        line = found.once()
        took_s = (line["end_ns"] - line["sent_ns"]) / 1e9
        assert found.canary.every_s >= 0.1 / subject.SHARE_MAX
        assert found.canary.every_s == pytest.approx(took_s / subject.SHARE_MAX, rel=0.2)


def test_a_failure_to_write_is_not_passed_over(tmp_path: Path) -> None:
    """A record with holes is no record."""
    with asking(tmp_path, Handler.answer) as found:
        found.canary._file.close()
        found.canary.aim({POD.uid: POD})
        until_s = time.monotonic() + 5
        while found.canary.failure is None and time.monotonic() < until_s:
            time.sleep(0.01)
        assert found.canary.failure is not None
        found.canary.failure = None


def test_a_victim_has_one_long_answer_after_the_other_until_it_ends(tmp_path: Path) -> None:
    """Of as many tokens as users ask for; apart from what is asked each second."""
    ends = threading.Event()
    with asking(tmp_path, lambda one: (time.sleep(0.05), one.answer())[1]) as found:
        found.canary.hold([POD], lambda _: ends.is_set())
        lines = found.lines(3)
        assert {(line["event"], line["uid"], line["outcome"]) for line in lines} == {("held", "uid-1", "ok")}
        assert lines[1]["sent_ns"] >= lines[0]["end_ns"]
        (_, _, body) = found.handler.seen[0]
        assert (body["max_tokens"], body["stream"], body["ignore_eos"]) == (200, False, True)
        ends.set()
    read, _ = read_canary(found.path)
    assert read is not None
    assert (read.requests, len(read.held) >= 3) == ((), True)


def test_a_victim_that_cuts_its_answer_is_left_alone(tmp_path: Path) -> None:
    """It has ended; and a plain request, whose length nobody can choose, holds nobody."""
    with asking(tmp_path, cut_short) as found:
        found.canary.hold([POD], lambda _: False)
        assert found.lines(1)[0]["outcome"] == "failed"
    assert len(found.path.read_text().splitlines()) == 1
    with asking(tmp_path, Handler.answer, HttpProfile()) as plain:
        plain.canary.hold([POD], lambda _: False)
        assert plain.handler.seen == []
