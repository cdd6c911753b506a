"""A user's own locustfile: its classes run unchanged, every request is recorded, and the loop is called closed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from judged import running
from loopback import Served, outcomes, records, samples, wait_for_records, wait_until_past

from chaos.checks import SloMet
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.errors import HarnessBroken
from chaos.slo import Slo
from loadgen.profiles import HttpProfile
from loadgen.shapes.users import Users

FILE = """
from locust import FastHttpUser, HttpUser, constant, events, task

@events.test_start.add_listener
def begun(environment, **_):
    print("test begun against", environment.host)

class Reader(HttpUser):
    host = "http://nowhere.invalid"
    wait_time = constant(0.02)

    def on_start(self):
        self.client.get("/slow/5", name="log in")

    @task(3)
    def read(self):
        self.client.get("/ok")

    @task
    def checked(self):
        with self.client.get("/status/500", catch_response=True) as response:
            if response.status_code == 500:
                response.failure("as bad as it looks")

class Fast(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def read(self):
        self.client.get("/ok")
"""
PROFILE = HttpProfile(path="/ok", timeout_s=5)


def own_file(folder: Path, text: str = FILE) -> str:
    """A locustfile as somebody has it."""
    (path := folder / "our_load.py").write_text(text)
    return str(path)


def test_its_users_run_as_they_are_and_every_request_is_recorded(tmp_path: Path, server: Served) -> None:
    """Both kinds of user, their own checks and start-up; beside an open loop, each with its own account."""
    users = Users(own_file(tmp_path), users=6)
    with running(tmp_path, server.url, PROFILE) as run, run.traffic.steady(rate_rps=20), run.traffic.shape(users):
        wait_for_records(tmp_path, 120)
    rows = [row for row in records(tmp_path) if row["stream"] == "users-2"]
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert {row["outcome"] for row in rows} == {"ok", "failed"}
    assert {row["error"] for row in rows if row["outcome"] == "failed"} == {"CatchResponseError: as bad as it looks"}
    assert {row["replica"] for row in rows} == {"pod-1"}
    history = run.history()
    stream = next(one for one in history.streams if one.name == "users-2")
    assert stream.shape == "closed loop: 6 users of our_load.py"
    assert all(row["intended_ns"] == row["sent_ns"] <= row["end_ns"] <= (stream.end_ns or 0) for row in rows)
    assert samples(tmp_path)[-1]["due"] == samples(tmp_path)[-1]["done"] == len(records(tmp_path))
    assert "test begun against http://127.0.0.1" in (tmp_path / "generator.log").read_text()


def test_a_closed_loop_proves_no_latency(tmp_path: Path, server: Served) -> None:
    """Availability can be judged; a latency that is kept stays UNKNOWN, since slow answers hold requests back."""
    users = Users(
        own_file(tmp_path, FILE.replace("/status/500", "/ok").replace("== 500", "!= 200")), users=4, spawn_rate=50
    )
    with running(tmp_path, server.url, PROFILE) as run, run.traffic.shape(users):
        wait_for_records(tmp_path, 150)
    history = run.history()
    assert outcomes(tmp_path).keys() == {"ok"}
    finding = SloMet(Slo(latency_p99_s=4.0))(history)
    assert finding.answer is Answer.UNKNOWN
    assert "users-1 is a closed loop" in finding.reason
    available = SloMet(Slo(availability=0.99))(history)
    assert available.values["arrivals"]["recorded"] == available.values["good"] == len(records(tmp_path))


def test_refusals_are_recorded_as_such(tmp_path: Path, own_server: Served) -> None:
    """A server that is gone refuses, whichever client asks."""
    with running(tmp_path, own_server.url, PROFILE) as run, run.traffic.shape(Users(own_file(tmp_path), users=4)):
        wait_for_records(tmp_path, 20)
        own_server.process.kill()
        wait_for_records(tmp_path, len(records(tmp_path)) + 60)
    assert outcomes(tmp_path)["refused"] >= 30
    assert outcomes(tmp_path).keys() <= {"ok", "failed", "refused"}


def test_what_users_still_wait_for_when_they_are_stopped_is_recorded(tmp_path: Path, own_server: Served) -> None:
    """A frozen server and users without a time limit of their own: each waits for one request, which is `unsent`."""
    text = FILE.partition("class Fast")[0].replace("/slow/5", "/ok")
    profile = HttpProfile(path="/ok", timeout_s=2)
    with running(tmp_path, own_server.url, profile) as run, run.traffic.shape(Users(own_file(tmp_path, text), users=3)):
        wait_for_records(tmp_path, 20)
        own_server.process.send_signal(signal.SIGSTOP)
        frozen_ns = run.clock.now_ns()
        wait_until_past(run.clock, frozen_ns + NS // 2)
    assert outcomes(tmp_path)["unsent"] == 3
    assert SloMet(Slo(availability=0.5))(run.history()).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("import locust", "defines no user class"), ("import no_such_module_of_ours", "no_such_module_of_ours")],
)
def test_a_file_without_users_says_so(tmp_path: Path, server: Served, text: str, complaint: str) -> None:
    """The generator ends, and the trial breaks with the reason."""
    users = Users(own_file(tmp_path, text), users=1)
    with (
        pytest.raises(HarnessBroken, match=complaint),
        running(tmp_path, server.url, PROFILE) as run,
        run.traffic.shape(users),
    ):
        raise AssertionError("nothing can have begun")
