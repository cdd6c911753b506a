"""What the generator records of each thing that a service can do to a request."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from loopback import Served, assert_all_accounted_for, outcomes, records, started, wait_for_records

from chaos.clock import NS
from loadgen.origin import Credentials
from loadgen.profiles import HttpProfile, OpenAiChatProfile, Profile
from loadgen.shapes import Steady

CHAT = {
    "": "ok",
    "/no-done": "ok",
    "/cut": "truncated",
    "/no-end": "truncated",
    "/error-event": "failed",
    "/stall": "unanswered",
}
HTTP = {
    "/ok": ("ok", 200),
    "/continue": ("ok", 200),
    "/status/500": ("failed", 500),
    "/status/302": ("failed", 302),
    "/status/503": ("shed", 503),
    "/status/529": ("shed", 529),
    "/garbage": ("failed", None),
    "/reset": ("failed", None),
    "/silent": ("failed", None),
    "/cut": ("truncated", 200),
    "/half-closed": ("truncated", 200),
    "/stall": ("unanswered", None),
}


def run(folder: Path, url: str, profile: Profile, count: int = 10) -> list[dict[str, object]]:
    """Offer a short stream, check that all of it is accounted for, and return the records."""
    with started(folder, url, profile) as generator:
        generator.begin(Steady(50), "steady-1")
        wait_for_records(folder, count)
        stream = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(folder, finished, stream)
    return records(folder)


@pytest.mark.parametrize("connections", ["fresh", "reuse"])
@pytest.mark.parametrize(("path", "expected"), HTTP.items())
def test_each_behaviour_of_a_plain_service_has_its_outcome(
    tmp_path: Path, server: Served, path: str, expected: tuple[str, int | None], connections: str
) -> None:
    """Whatever the service does, each arrival gets one record, with the outcome that docs/run-folder.md defines."""
    profile = HttpProfile(path=path, timeout_s=1, connections=connections)  # type: ignore[arg-type]
    rows = run(tmp_path, server.url, profile)
    assert {(row["outcome"], row["status"]) for row in rows} == {expected}
    assert all((row["error"] is None) == (expected[0] == "ok") for row in rows)


@pytest.mark.parametrize(("mode", "outcome"), CHAT.items())
def test_each_behaviour_of_a_chat_stream_has_its_outcome(
    tmp_path: Path, server: Served, mode: str, outcome: str
) -> None:
    """A stream is an answer only with its end mark; its tokens are timed whatever becomes of it."""
    profile = OpenAiChatProfile(model="m", prompts=("a", "b"), path=f"{mode}/v1/chat/completions", timeout_s=1)
    rows = run(tmp_path, server.url, profile)
    assert {row["outcome"] for row in rows} == {outcome}
    for row in rows:
        assert row["intended_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["first_token_ns"] <= row["end_ns"]  # type: ignore[operator]
        assert row["replica"] == "pod-1"
        gaps = row["token_gaps_ns"]
        assert isinstance(gaps, list)
        assert len(gaps) == (2 if mode in {"/cut", "/error-event", "/stall"} else 4)
        assert row["tokens_out"] == (5 if outcome == "ok" else None)


def test_an_unstreamed_chat_answer_is_read_as_one(tmp_path: Path, server: Served) -> None:
    """Without streaming the tokens come from `usage`, and no time to the first token is claimed."""
    rows = run(tmp_path, server.url, OpenAiChatProfile(model="m", prompts=("a",), stream=False))
    assert {(row["outcome"], row["tokens_in"], row["tokens_out"], row["first_token_ns"]) for row in rows} == {
        ("ok", 7, 5, None)
    }


@pytest.mark.parametrize(
    ("path", "proxied", "outcome"),
    [
        ("/api/429", True, "unsent"),
        ("/api/401", True, "unsent"),
        ("/status/429", True, "shed"),  # the service's own, which the proxy passed on
        ("/status/503", True, "shed"),
        ("/api/503", True, "failed"),  # no endpoint is ready: that is about the service
        ("/api/429", False, "shed"),  # nothing stands in between
    ],
)
def test_what_the_api_server_did_not_pass_on_is_not_the_services_failure(
    tmp_path: Path, server: Served, path: str, outcome: str, *, proxied: bool
) -> None:
    """Its own refusals on the way through its proxy are told from those of the service behind it."""
    credentials = Credentials(ca_pem=None, cert_pem=None, key_pem=None, headers={}) if proxied else None
    # The proxy's own path would be taken for the server's: what follows is what it passes on.
    url = f"{server.url}/api/v1/namespaces/shop/services/model:80/proxy"
    with started(tmp_path, url, HttpProfile(path=path, timeout_s=1), credentials=credentials) as generator:
        generator.begin(Steady(50), "steady-1")
        wait_for_records(tmp_path, 10)
        stream = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(tmp_path, finished, stream)
    rows = records(tmp_path)
    assert {(row["outcome"], row["status"]) for row in rows} == {(outcome, int(path[-3:]))}
    held_up = "the API server did not pass it on"
    assert all((held_up in row["error"]) == (outcome == "unsent") for row in rows)


def test_a_closed_port_is_refused(tmp_path: Path) -> None:
    """Where nobody listens, each arrival is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rows = run(tmp_path, f"http://127.0.0.1:{port}", HttpProfile())
    assert {(row["outcome"], row["error"]) for row in rows} == {("refused", "connection refused")}


def test_a_name_that_does_not_resolve_is_refused(tmp_path: Path) -> None:
    """A service whose name nobody knows gives no connection (RFC 6761 reserves .invalid)."""
    rows = run(tmp_path, "http://nowhere.invalid", HttpProfile(timeout_s=10), count=3)
    assert outcomes(tmp_path).keys() <= {"refused", "unanswered"}  # the resolver itself may hang
    assert all(row["first_byte_ns"] is None for row in rows)


def test_patience_makes_a_full_answer_late(tmp_path: Path, server: Served) -> None:
    """An answer after the profile's patience is late, not lost."""
    rows = run(tmp_path, server.url, HttpProfile(path="/slow/300", timeout_s=5, patience_s=0.2))
    assert {row["outcome"] for row in rows} == {"late"}


def test_the_time_limit_counts_from_the_intended_start(tmp_path: Path, server: Served) -> None:
    """A stalled request is given up `timeout_s` after it should have started."""
    rows = run(tmp_path, server.url, HttpProfile(path="/stall", timeout_s=0.5))
    waits_s = [(row["end_ns"] - row["intended_ns"]) / NS for row in rows]  # type: ignore[operator]
    assert min(waits_s) >= 0.499
    assert sorted(waits_s)[len(waits_s) // 2] < 1.0


@pytest.mark.parametrize(("connections", "fresh"), [("fresh", True), ("reuse", False)])
def test_connections_are_fresh_unless_told_otherwise(
    tmp_path: Path, server: Served, connections: str, *, fresh: bool
) -> None:
    """`fresh` opens a connection for each request, `reuse` sends several over one."""
    profile = HttpProfile(path="/ok", connections=connections, replica_header="x-connection")  # type: ignore[arg-type]
    rows = run(tmp_path, server.url, profile)
    assert (len({row["replica"] for row in rows}) == len(rows)) is fresh
