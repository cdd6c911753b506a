"""The servers that are broken on purpose are broken in just that way, and well otherwise: on this host's loopback."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaos.semantics.engines import recognised
from chaos.semantics.exposition import samples
from chaos.wait import until

SUPPORT = Path(__file__).parents[2] / "support"


@contextmanager
def running(program: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program of ours and its port; all of it is gone at the end."""
    script = (SUPPORT / f"{program}.py").read_text()
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PORT": "0", **env},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().split()[-1])
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def chat(prompt: str, tokens: int) -> str:
    """The body of a request."""
    return json.dumps({"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens})


@contextmanager
def begun(port: int, body: str = "", path: str = "/") -> Iterator[Any]:
    """An answer that has begun; the client goes away at the end of the block."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST" if body else "GET", path, body or None)
        with connection.getresponse() as answer:
            yield answer


def asked(port: int, prompt: str = "one", *, tokens: int = 2) -> tuple[int, list[str], str]:
    """The status, the words and the reason of an answer."""
    with begun(port, chat(prompt, tokens)) as answer:
        lines = answer.read().decode().splitlines()
        assert answer.status != 200 or lines[-2:] == ["data: [DONE]", ""]
    events = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith("data: {")]
    words = [one["delta"]["content"] for one in events if "content" in one["delta"]]
    return answer.status, words, events[-1]["finish_reason"] if events else ""


def status_of(port: int, path: str) -> tuple[int, str]:
    """What a path answers."""
    with begun(port, path=path) as answer:
        return answer.status, answer.read().decode()


def gone_away(port: int) -> None:
    """Ask for a long answer, and leave in its middle."""
    with begun(port, chat("x", 600)) as answer:
        assert answer.readline().startswith(b"data: ")


def running_requests(port: int) -> int:
    """How many the server says that it is at."""
    return int(status_of(port, "/metrics")[1].split()[-1])


def test_one_that_is_not_broken_is_well() -> None:
    """Each prompt has its own answer, a slot is freed, and health is the engine's."""
    with running("broken_engine", SLOTS="1") as (_, port):
        assert asked(port, "one") == (200, ["one", " so"], "length")
        assert asked(port, "two") == (200, ["two", " so"], "length")
        gone_away(port)
        until(lambda: running_requests(port) == 0, deadline_s=10, awaited="the slot to be freed")
        assert asked(port)[0] == 200
        assert status_of(port, "/health")[0] == 200


def test_its_metrics_are_those_of_a_server_that_is_known() -> None:
    """By their names: what it runs, and how many ended in which way."""
    with running("broken_engine") as (_, port):
        asked(port)
        gone_away(port)
        until(lambda: running_requests(port) == 0, deadline_s=10, awaited="the slot to be freed")
        page = status_of(port, "/metrics")[1]
    found = recognised(metrics=page)
    assert found is not None
    engine = found[0]
    counted = {
        labels[engine.finished_label]: value
        for _, labels, value in samples(page, [one.name for one in engine.finished])
    }
    assert counted == {"completed": 1, "cancelled": 1}
    assert "cancelled" in engine.cut_reasons
    assert "completed" not in engine.cut_reasons


def test_one_answers_anothers_prompt() -> None:
    """Whole, in good order, and wrong."""
    with running("broken_engine", BROKEN="foreign") as (_, port):
        asked(port, "one")
        assert asked(port, "two") == (200, ["one", " so"], "length")


def test_one_leaks_a_slot_for_each_client_that_goes_away() -> None:
    """Its own count of requests never falls, until it takes none any more."""
    with running("broken_engine", BROKEN="leak", SLOTS="2") as (_, port):
        for _ in range(2):
            gone_away(port)
        assert running_requests(port) == 2
        assert asked(port)[0] == 503


@pytest.mark.parametrize(("broken", "status"), [("lying", 200), ("", 503)])
def test_one_lies_about_its_health(broken: str, status: int) -> None:
    """While the engine hangs it is as well as ever; one that asks the engine is not."""
    with running("broken_engine", BROKEN=broken) as (process, port):
        assert status_of(port, "/health")[0] == 200
        (engine,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        comm = Path(f"/proc/{engine}/comm")
        until(lambda: comm.read_text() == "engine\n", deadline_s=10, poll_s=0.01, awaited="the engine's own name")
        os.kill(int(engine), signal.SIGSTOP)
        assert status_of(port, "/health")[0] == status


@pytest.mark.parametrize(("broken", "reason"), [("abort", "abort"), ("", "length")])
def test_one_aborts_its_answers_when_it_is_told_to_end(broken: str, reason: str) -> None:
    """In good order either way: only the reason tells."""
    with running("broken_engine", BROKEN=broken) as (process, port):
        with begun(port, chat("x", 20)) as answer:
            assert answer.readline().startswith(b"data: ")
            process.send_signal(signal.SIGTERM)
            text = answer.read().decode()
        assert f'"finish_reason": "{reason}"' in text
        assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(("broken", "statuses"), [("keeps", {200, 502}), ("", {200})])
def test_one_router_keeps_a_dead_replica(broken: str, statuses: set[int]) -> None:
    """Every other request is lost to it; a router that passes it by loses none."""
    with running("broken_engine") as (_, alive), running("broken_engine") as (dying, dead):
        replicas = f"127.0.0.1:{alive},127.0.0.1:{dead}"
        with running("broken_router", REPLICAS=replicas, BROKEN=broken) as (_, port):
            assert {asked(port)[0] for _ in range(4)} == {200}
            os.killpg(dying.pid, signal.SIGKILL)
            dying.wait()
            assert {asked(port)[0] for _ in range(4)} == statuses
