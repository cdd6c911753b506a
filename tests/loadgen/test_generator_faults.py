"""The generator under trouble: a frozen or killed server, too much in flight, and its own death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import (
    Served,
    assert_all_accounted_for,
    outcomes,
    records,
    samples,
    started,
    wait_for_records,
    wait_until_past,
)

from chaos.clock import NS, Clock
from chaos.errors import HarnessBroken, UsageError
from chaos.wait import until
from loadgen.driver.driver import Generator
from loadgen.profiles import HttpProfile
from loadgen.shapes import Steady

OK = HttpProfile(path="/ok")


def test_a_server_killed_in_mid_run_loses_no_arrival(tmp_path: Path, own_server: Served) -> None:
    """Answers before the kill, refusals after it, and a record for each arrival in between."""
    with started(tmp_path, own_server.url, HttpProfile(path="/slow/50", timeout_s=3)) as generator:
        generator.begin(Steady(50), "steady-1")
        wait_for_records(tmp_path, 20)
        own_server.process.kill()
        until(lambda: outcomes(tmp_path)["refused"] >= 10, deadline_s=20, awaited="refusals")
        stream = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(tmp_path, finished, stream)
    assert outcomes(tmp_path).keys() <= {"ok", "refused", "failed"}
    assert outcomes(tmp_path)["ok"] >= 20


def test_a_killed_generator_leaves_whole_records_and_a_plan_that_names_the_missing(
    tmp_path: Path, server: Served
) -> None:
    """SIGKILL loses no decided record: what is missing was due in the last moments, and the driver says it died."""
    clock = Clock.start()
    with started(tmp_path, server.url, OK, clock=clock) as generator:
        stream = generator.begin(Steady(200), "steady-1")
        wait_for_records(tmp_path, 100)
        wait_until_past(clock, clock.now_ns() + round(1.5 * NS))  # long enough for a buffer to show as a hole
        os.kill(generator.pid, signal.SIGKILL)
        killed_ns = clock.now_ns()
        until(lambda: not _alive(generator), deadline_s=10, awaited="the generator's end")
        with pytest.raises(HarnessBroken, match=r"ended with code -9"):
            generator.check()
    assert (tmp_path / "requests.jsonl").read_bytes().endswith(b"\n")
    due = {k for k, _ in stream.shape.arrivals_ns(stream.begin_ns, killed_ns)}
    decided_before = {k for k, at_ns in stream.shape.arrivals_ns(stream.begin_ns, killed_ns - NS)}
    recorded = [row["id"] for row in records(tmp_path)]
    assert len(recorded) == len(set(recorded))
    assert decided_before <= set(recorded) <= due


def _alive(generator: Generator) -> bool:
    try:
        generator.check()
    except HarnessBroken:
        return False
    return True


def test_arrivals_above_the_in_flight_limit_are_recorded_as_unsent(tmp_path: Path, server: Served) -> None:
    """The limit is the generator's own fault: such arrivals are `unsent`, never dropped in silence."""
    with started(tmp_path, server.url, HttpProfile(path="/stall", timeout_s=1), in_flight_max=5) as generator:
        generator.begin(Steady(50), "steady-1")
        until(lambda: outcomes(tmp_path)["unanswered"] >= 10, deadline_s=20, awaited="two rounds of requests")
        stream = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(tmp_path, finished, stream)
    assert outcomes(tmp_path).keys() == {"unanswered", "unsent"}
    assert max(sample["in_flight"] for sample in samples(tmp_path)) == 5


def test_what_is_in_flight_when_the_generator_stops_is_not_held_against_the_service(
    tmp_path: Path, server: Served
) -> None:
    """A drain shorter than the time limit leaves requests that nobody can judge: they are `unsent`."""
    with started(tmp_path, server.url, HttpProfile(path="/stall", timeout_s=30)) as generator:
        generator.begin(Steady(50), "steady-1")
        until(lambda: (newest := generator.latest()) and newest.in_flight >= 20, deadline_s=20, awaited="20 in flight")
        stream = generator.end("steady-1")
        finished = generator.finish(drain_s=0.1)
    assert_all_accounted_for(tmp_path, finished, stream)
    assert outcomes(tmp_path).keys() == {"unsent"}
    assert {row["error"] for row in records(tmp_path)} == {"the generator stopped first"}


def test_two_streams_flow_side_by_side(tmp_path: Path, server: Served) -> None:
    """A spike is a second stream over the first: each keeps its own count and its own times."""
    with started(tmp_path, server.url, OK) as generator:
        generator.begin(Steady(20), "steady-1")
        generator.begin(Steady(33.3), "spike-1")
        wait_for_records(tmp_path, 40)
        spike = generator.end("spike-1")
        wait_for_records(tmp_path, len(records(tmp_path)) + 10)
        with pytest.raises(UsageError, match="steady-1"):
            generator.begin(Steady(1), "steady-1")
        steady = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(tmp_path, finished, steady, spike)
    assert outcomes(tmp_path).keys() == {"ok"}


def test_the_hard_limit_ends_a_generator_that_nobody_ends(tmp_path: Path, server: Served) -> None:
    """After `duration_max_s` the process ends by itself, and the driver says why."""
    with started(tmp_path, server.url, OK, duration_max_s=1.0) as generator:
        stream = generator.begin(Steady(50), "steady-1")
        until(lambda: not _alive(generator), deadline_s=20, awaited="the generator's end")
        with pytest.raises(HarnessBroken):
            generator.end("steady-1")
    rows = records(tmp_path)
    assert [row["id"] for row in sorted(rows, key=lambda row: row["id"])] == list(range(len(rows)))
    assert stream.shape.count(NS) * 0.5 < len(rows) <= 50
    assert samples(tmp_path)[-1]["final"]


ORPHAN = """
import json, signal, sys
from pathlib import Path
from chaos.clock import Clock
from loadgen.driver.driver import Generator
from loadgen.profiles import HttpProfile
from loadgen.shapes import Steady

generator = Generator.start(run_folder=Path(sys.argv[1]), clock=Clock.start(), profile=HttpProfile(path="/ok"),
                            url=sys.argv[2], seed=1, duration_max_s=60)
generator.begin(Steady(50), "steady-1")
print(generator.pid, flush=True)
signal.pause()
"""


def test_a_generator_whose_parent_died_ends_in_order(tmp_path: Path, server: Served) -> None:
    """It drains, records everything that was due, writes its last line and exits."""
    command = [sys.executable, "-c", ORPHAN, str(tmp_path), server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        wait_for_records(tmp_path, 20)
        parent.kill()
    until(lambda: samples(tmp_path) and samples(tmp_path)[-1].get("final"), deadline_s=20, awaited="its last line")
    last, rows = samples(tmp_path)[-1], records(tmp_path)
    assert last["due"] == last["done"] == len(rows)
    assert [row["id"] for row in sorted(rows, key=lambda row: row["id"])] == list(range(len(rows)))


def test_a_listener_of_locust_sees_every_request(
    tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module named as listener can use Locust's request event as anywhere else."""
    seen = tmp_path / "seen"
    (tmp_path / "my_listener.py").write_text(
        "import locust\n"
        "@locust.events.request.add_listener\n"
        f"def note(name, response_time, **_):\n    open({str(seen)!r}, 'a').write(f'{{name}} {{response_time}}\\n')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started(tmp_path, server.url, OK, listeners=("my_listener",)) as generator:
        generator.begin(Steady(50), "steady-1")
        wait_for_records(tmp_path, 5)
        generator.finish()
    assert [line.split()[0] for line in seen.read_text().splitlines()] == ["/ok"] * len(records(tmp_path))


def test_a_plan_that_cannot_start_says_why(tmp_path: Path, server: Served) -> None:
    """A listener that is not there breaks the start, with its name in the message."""
    with pytest.raises(HarnessBroken, match="no_such_module"):
        started(tmp_path, server.url, OK, listeners=("no_such_module",))


def test_a_generator_that_cannot_record_stops(tmp_path: Path, server: Served) -> None:
    """A full disk ends the process and breaks the trial: nothing is sent that could not be written down."""
    (tmp_path / "requests.jsonl").symlink_to("/dev/full")
    with started(tmp_path, server.url, OK) as generator:
        generator.begin(Steady(50), "steady-1")
        until(lambda: not _alive(generator), deadline_s=20, awaited="the generator's end")
        with pytest.raises(HarnessBroken, match=r"requests\.jsonl cannot be written: .*No space left"):
            generator.check()


def test_a_host_that_allows_too_few_descriptors_is_refused(tmp_path: Path, server: Served) -> None:
    """Rather than run out of them in mid-trial, the generator does not start."""
    few = ["prlimit", "--nofile=256:256"]
    with pytest.raises(HarnessBroken, match="the host allows 256"):
        started(tmp_path, server.url, OK, wrap=lambda command: [*few, *command])


def test_a_generator_that_was_stalled_says_so(tmp_path: Path, server: Served) -> None:
    """A stop of the generator itself shows as lag in its own samples, with every arrival made up for."""
    clock = Clock.start()
    with started(tmp_path, server.url, OK, clock=clock) as generator:
        generator.begin(Steady(50), "steady-1")
        wait_for_records(tmp_path, 10)
        os.kill(generator.pid, signal.SIGSTOP)
        wait_until_past(clock, clock.now_ns() + round(1.5 * NS))
        os.kill(generator.pid, signal.SIGCONT)
        until(lambda: max(_lags(tmp_path), default=0) > NS, deadline_s=20, awaited="a sample with the lag")
        stream = generator.end("steady-1")
        finished = generator.finish()
    assert_all_accounted_for(tmp_path, finished, stream)
    assert max(row["sent_ns"] - row["intended_ns"] for row in records(tmp_path)) > NS


def _lags(folder: Path) -> list[int]:
    path = folder / "generator.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [sample["lag_max_ns"] for sample in map(json.loads, lines) if sample["lag_max_ns"] is not None]


def test_records_and_samples_have_the_fields_of_the_contract(tmp_path: Path, server: Served) -> None:
    """requests.jsonl and generator.jsonl hold exactly the fields that docs/run-folder.md lists, in its order."""
    with started(tmp_path, server.url, OK) as generator:
        generator.begin(Steady(50), "steady-1")
        until(generator.latest, deadline_s=20, awaited="a sample")
        generator.finish()
    contract = (Path(__file__).parents[2] / "docs" / "run-folder.md").read_text()
    text = contract.partition("## requests.jsonl")[2].partition("## verdict.json")[0]
    table = [cell.strip() for line in text.splitlines() if line.startswith("| `") for cell in line.split("|")[1:2]]
    fields = [name.strip(" `") for cell in table for name in cell.split(",")]
    assert [list(row) for row in records(tmp_path)] == [fields] * len(records(tmp_path))
    first = json.loads((tmp_path / "generator.jsonl").read_text().splitlines()[0])
    assert all(f"`{name}`" in text for name in first)
