"""Several generators on one host: each arrival is sent once, by one of them; one that dies is said."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from judged import Run, running
from loopback import Served, outcomes, records, samples, wait_for_records

from chaos.checks import SloMet
from chaos.checks.verdict import Answer
from chaos.clock import Clock
from chaos.errors import HarnessBroken, UsageError
from chaos.history import load_history
from chaos.slo import Slo
from chaos.wait import until
from loadgen.driver.workers import WorkerGroup
from loadgen.profiles import HttpProfile
from loadgen.shapes import Spike
from loadgen.shapes.users import Users

OK = HttpProfile(path="/ok")
SLO = Slo(availability=0.99)


def test_three_workers_send_each_arrival_once(tmp_path: Path, server: Served) -> None:
    """Their records and their counts add up to the plan, for a shape of Poisson arrivals as for any."""
    with (
        running(tmp_path, server.url, OK, workers=3) as run,
        run.traffic.shape(Spike(30, 150, at_s=1, for_s=1), arrivals="poisson"),
    ):
        wait_for_records(tmp_path, 200)
    finding = SloMet(SLO)(run.history())
    assert finding.values["arrivals"]["expected"] == finding.values["arrivals"]["recorded"] == len(records(tmp_path))
    assert not finding.values["arrivals"]["missing"]
    assert not finding.values["arrivals"]["duplicated"]
    assert outcomes(tmp_path).keys() == {"ok"}
    finals = [sample for sample in samples(tmp_path) if sample.get("final")]
    assert {sample["worker"] for sample in finals} == {0, 1, 2}
    assert min(sample["due"] for sample in finals) >= len(records(tmp_path)) // 3


def kill_second(run: Run) -> None:
    """Kill the second worker in mid-run, and let the trial notice while the first goes on."""
    wait_for_records(run.folder, 100)
    workers = run.traffic.generator
    assert isinstance(workers, WorkerGroup)
    os.kill(workers.pids[1], signal.SIGKILL)
    wait_for_records(run.folder, len(records(run.folder)) + 50)
    until(lambda: _died(workers), deadline_s=10, awaited="the worker's end")
    workers.check()


def test_a_worker_that_is_killed_is_said_and_its_arrivals_are_missing(tmp_path: Path, server: Served) -> None:
    """The trial breaks; what the dead one owed is missing, not failed, and the others' records are whole."""
    running_two = running(tmp_path, server.url, OK, workers=2)
    with pytest.raises(HarnessBroken, match="ended with code -9"), running_two as run, run.traffic.steady(rate_rps=100):
        kill_second(run)
    assert outcomes(tmp_path).keys() == {"ok"}
    finding = SloMet(SLO)(load_history(tmp_path))
    assert finding.answer is Answer.UNKNOWN
    assert not finding.values["bad"]
    own = sorted(row["id"] for row in records(tmp_path) if row["id"] % 2 == 0)
    assert own == list(range(0, 2 * len(own), 2))


def _died(workers: WorkerGroup) -> bool:
    try:
        workers.check()
    except HarnessBroken:
        return True
    return False


def test_users_are_shared_out(tmp_path: Path, server: Served) -> None:
    """Three users on two workers: each request has a number of its own."""
    text = "from locust import HttpUser, task, constant\nclass One(HttpUser):\n    wait_time = constant(0.02)\n"
    text += "    @task\n    def read(self):\n        self.client.get('/ok')\n"
    (path := tmp_path / "our_load.py").write_text(text)
    users = Users(str(path), users=3)
    with (
        running(tmp_path, server.url, HttpProfile(path="/ok", timeout_s=5), workers=2) as run,
        run.traffic.shape(users),
    ):
        wait_for_records(tmp_path, 60)
    rows = records(tmp_path)
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["id"] % 2 for row in rows} == {0, 1}
    assert SloMet(SLO)(run.history()).values["arrivals"]["expected"] == len(rows)


def test_no_worker_at_all_is_refused() -> None:
    """The message names what is wrong."""
    with pytest.raises(UsageError, match="workers: 0"):
        WorkerGroup.start(workers=0, clock=Clock.start())
