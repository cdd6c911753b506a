"""Whether the load generator can lie: real outages of known size, and a generator without a processor."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cpu_quota import CPU, held_by_quota, held_by_stops
from judged import running
from loopback import Served, outcomes, records, samples, wait_for_records, wait_until_past

from chaos.checks import GeneratorHealthy, RateOffered, SloMet
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.slo import Slo
from loadgen.profiles import HttpProfile
from loadgen.shapes import Spike

FROZEN_S = 15.0
SLOW = Slo(latency_p99_s=5.0)


def test_a_server_frozen_for_15_s_shows_as_15_s(tmp_path: Path, own_server: Served) -> None:
    """At a fixed rate p99 is about the length of the freeze, each arrival has its record, and none was held back."""
    with (
        running(tmp_path, own_server.url, HttpProfile(path="/ok", timeout_s=40)) as run,
        run.traffic.steady(rate_rps=50),
    ):
        wait_for_records(tmp_path, 25)
        own_server.process.send_signal(signal.SIGSTOP)
        frozen_ns = run.clock.now_ns()
        wait_until_past(run.clock, frozen_ns + round(FROZEN_S * NS))
        own_server.process.send_signal(signal.SIGCONT)
        wait_for_records(tmp_path, 25 + round(FROZEN_S * 50))
    finding = SloMet(SLOW)(run.history())
    assert finding.answer is Answer.FAIL
    assert FROZEN_S * 0.95 <= finding.values["times"]["latency"]["p99_s"] <= FROZEN_S + 2
    assert finding.values["arrivals"]["expected"] == finding.values["arrivals"]["recorded"] == finding.values["good"]
    assert not finding.values["arrivals"]["missing"]
    rows = records(tmp_path)
    during = [row for row in rows if frozen_ns + NS <= row["intended_ns"] < frozen_ns + 2 * NS]
    assert len(during) == 50
    assert all(row["sent_ns"] - row["intended_ns"] < NS for row in during)
    assert max(sample["in_flight"] for sample in samples(tmp_path)) >= 50 * (FROZEN_S - 2)


def test_an_outage_that_loses_25_requests_is_reported_as_25(tmp_path: Path, own_server: Served) -> None:
    """The server resets 25 requests in a row: 25 are bad, no more and no fewer, and the SLO turns on that number."""
    with (
        running(tmp_path, own_server.url, HttpProfile(path="/lose/60/25")) as run,
        run.traffic.steady(rate_rps=100, arrivals="poisson"),
    ):
        wait_for_records(tmp_path, 150)
    history, count = run.history(), len(records(tmp_path))
    assert outcomes(tmp_path) == {"ok": count - 25, "failed": 25}
    finding = SloMet(Slo(availability=1 - 24.5 / count))(history)
    assert (finding.answer, finding.values["bad"]) == (Answer.FAIL, 25)
    assert finding.reason == "availability: 25 bad requests, 24 allowed"
    assert SloMet(Slo(availability=1 - 25.5 / count))(history).values["error_budget"] == 25


def test_requests_start_before_other_work_of_the_host(tmp_path: Path, server: Served) -> None:
    """The generator has the highest priority of an ordinary process, or its log says that it may not have it."""
    with running(tmp_path, server.url, HttpProfile(path="/ok")) as run, run.traffic.steady(rate_rps=20):
        niceness = os.getpriority(os.PRIO_PROCESS, run.generator.pid)
    refused = "with the priority of any process" in (tmp_path / "generator.log").read_text()
    assert (niceness == -20) is not refused


VERSION_1 = pytest.mark.skipif(not CPU.is_dir(), reason="control groups are not version 1 here")


@pytest.mark.parametrize("held_to", [pytest.param(held_by_quota, marks=VERSION_1), held_by_stops])
def test_a_generator_held_to_a_tenth_of_a_core_decides_nothing(
    tmp_path: Path, server: Served, held_to: Callable[[int, float], AbstractContextManager[None]]
) -> None:
    """With a tenth of a core the server is well, the latencies are not, and the verdict on them is UNKNOWN."""
    with (
        running(tmp_path, server.url, HttpProfile(path="/ok")) as run,
        run.traffic.steady(rate_rps=1500),
        held_to(run.generator.pid, 0.1),
    ):
        wait_until_past(run.clock, run.clock.now_ns() + 4 * NS)
    history = run.history()
    finding = SloMet(Slo(latency_p99_s=0.5))(history)
    assert finding.answer is Answer.UNKNOWN
    assert "the generator started late" in finding.reason
    assert finding.values["arrivals"]["expected"] == finding.values["arrivals"]["recorded"]
    assert GeneratorHealthy()(history).answer is Answer.UNKNOWN
    assert RateOffered()(history).answer is Answer.UNKNOWN


def test_a_spike_is_offered_as_planned(tmp_path: Path, server: Served) -> None:
    """Each arrival of a fivefold spike is where its plan has it, by the generator's account and by the judge's."""
    with (
        running(tmp_path, server.url, HttpProfile(path="/ok")) as run,
        run.traffic.shape(Spike(20, 100, at_s=1, for_s=2, ramp_s=0.5)),
    ):
        wait_for_records(tmp_path, 320)
    finding = SloMet(Slo(availability=0.99))(run.history())
    assert finding.values["arrivals"]["expected"] == finding.values["arrivals"]["recorded"] == len(records(tmp_path))
    assert RateOffered(peak_rps=100, peak_s=2)(run.history()).values["planned"] == len(records(tmp_path))
    assert not finding.values["arrivals"]["missing"]
