"""A job of load pods: begun together, read in pieces, whole at the end, and honest about a pod that is lost."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import Served, outcomes, records, samples, wait_for_records
from pods_here import JOB_UID, TOKEN, Meddle, ProxyHere, pods_here

from chaos.checks import GeneratorHealthy, SloMet
from chaos.checks.verdict import Answer as Verdict
from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.cluster.transport import Answer, Broken
from chaos.errors import HarnessBroken, UsageError
from chaos.history import History, load_history
from chaos.history.reading.run_folder import TRIAL_SCHEMA
from chaos.slo import Slo
from chaos.trial.load_pods.job import LoadPods
from chaos.trial.load_pods.workers import LoadJob
from chaos.trial.traffic import Traffic
from chaos.wait import until
from loadgen.plan import Plan
from loadgen.profiles import HttpProfile
from loadgen.shapes.users import Users

OK = HttpProfile(path="/ok")
PLACE = LoadPods(
    namespace="here", run="run", image="i", workers=2, lasts_s=60, target_namespace="t", target_labels={"app": "t"}
)


def plan_of(folder: Path, clock: Clock, url: str, profile: HttpProfile = OK) -> Plan:
    """A minute of load into a folder."""
    return Plan(
        run_folder=folder, clock=clock, url=url, profile=profile, seed=1, in_flight_max=2000, duration_max_s=60.0
    )


@dataclasses.dataclass(slots=True)
class Flow:
    """A run under way on two pods."""

    folder: Path
    proxy: ProxyHere
    traffic: Traffic

    def history(self) -> History:
        """What was recorded."""
        return load_history(self.folder)


@contextmanager
def flowing(folder: Path, url: str, profile: HttpProfile = OK, workers: int = 2) -> Iterator[Flow]:
    """Traffic from so many pods into a run folder; finished in order at the end of the block."""
    clock = Clock.start()
    system = {"namespace": "t", "workload": {"kind": "Deployment", "name": "server"}, "service": "server"}
    clocked = {"clock": dataclasses.asdict(clock), "system": system}
    trial = {"schema": TRIAL_SCHEMA, "scenario": "pods", "seed": 1, **clocked}
    (folder / "trial.json").write_text(json.dumps(trial))
    plan = Plan(
        run_folder=folder, clock=clock, url=url, profile=profile, seed=1, in_flight_max=2000, duration_max_s=60.0
    )
    with Journal(folder / "actions.jsonl", clock) as journal, pods_here(folder, workers) as proxy:
        job = LoadJob(proxy, journal, dataclasses.replace(PLACE, workers=workers), TOKEN, JOB_UID)  # type: ignore[arg-type]  # stands in
        traffic = Traffic(lambda: job.start(plan), journal, profile="http", origin="pods", url=url)
        try:
            yield Flow(folder, proxy, traffic)
            traffic.finish()
            journal.event("trial-end", wall_step_ns=0)
        finally:
            traffic.close()


def test_two_pods_send_each_arrival_once_and_their_records_are_one(tmp_path: Path, server: Served) -> None:
    """Every arrival has one record on the trial's clock, and the pods' own files say the same as the copies."""
    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=80):
        wait_for_records(tmp_path, 120)
    finding = SloMet(Slo(availability=0.99))(flow.history())
    assert finding.answer is Verdict.PASS, finding
    assert finding.values["arrivals"]["expected"] == finding.values["arrivals"]["recorded"] == len(records(tmp_path))
    assert {sample["worker"] for sample in samples(tmp_path) if sample.get("final")} == {0, 1}
    theirs = b"".join((pod.folder / "requests.jsonl").read_bytes() for pod in flow.proxy.pods.values())
    assert sorted(theirs.splitlines()) == sorted((tmp_path / "requests.jsonl").read_bytes().splitlines())
    assert GeneratorHealthy()(flow.history()).answer is Verdict.PASS


def test_the_clock_of_a_pod_on_this_host_is_known_to_be_this_one(tmp_path: Path, server: Served) -> None:
    """The offset that was measured is zero, give or take the error that was stated with it, at both ends."""
    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=20):
        wait_for_records(tmp_path, 10)
    for worker in flow.history().load_workers:
        step_ns = 20_000_000  # the two wall clocks are one, which may be slewed meanwhile
        assert abs(worker.offset_ns) <= worker.error_ns + step_ns
        assert worker.drift_ns is not None
        assert abs(worker.drift_ns) <= worker.error_ns + worker.drift_error_ns
        assert worker.clock_error_ns < 50_000_000


def test_records_come_while_the_pods_send(tmp_path: Path, server: Served) -> None:
    """A driver that is killed leaves what the pods had a moment before."""
    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=50):
        wait_for_records(tmp_path, 40)
        assert not flow.history().finished
        assert flow.history().requests.height >= 40


def kill(flow: Flow, name: str, number: int) -> None:
    """End a pod by a signal, and let the trial notice."""
    os.kill(flow.proxy.pods[name].process.pid, number)
    until(lambda: _lost(flow), deadline_s=20, awaited="the loss to be noticed")


def _lost(flow: Flow) -> bool:
    flow.traffic.check()
    return any(worker.lost_ns for worker in flow.history().load_workers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_lost_pod_owed_is_lost_by_the_generator(tmp_path: Path, server: Served, number: int) -> None:
    """The other's records are whole; the verdict is UNKNOWN and names the worker, and nothing counts as a failure."""
    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=80):
        wait_for_records(tmp_path, 60)
        kill(flow, "load-1", number)
        wait_for_records(tmp_path, len(records(tmp_path)) + 40)
    own = sorted(row["id"] for row in records(tmp_path) if row["id"] % 2 == 0)
    assert own == list(range(0, 2 * len(own), 2))
    assert outcomes(tmp_path).keys() <= {"ok", "unsent"}
    sound, met = GeneratorHealthy()(flow.history()), SloMet(Slo(availability=0.99))(flow.history())
    assert (sound.answer, met.answer) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert "worker 1 of the generator was lost, and" in sound.reason
    assert sound.values["arrivals"]["lost"] == sound.values["arrivals"]["missing"] > 0
    assert not met.values["bad"]
    odd = sum(row["id"] % 2 for row in records(tmp_path))
    assert sound.values["arrivals"]["lost"] == len(range(1, sound.values["arrivals"]["expected"], 2)) - odd


def test_a_job_that_is_all_lost_breaks_the_trial(tmp_path: Path, server: Served) -> None:
    """With nobody left to send there is nothing to go on with."""
    running = flowing(tmp_path, server.url)
    with pytest.raises(HarnessBroken, match="every worker"), running as flow, flow.traffic.steady(rate_rps=20):
        lose_all(flow)


def lose_all(flow: Flow) -> None:
    """Kill every pod, and look until that is noticed."""
    for pod in flow.proxy.pods.values():
        pod.process.kill()
    until(flow.traffic.check, deadline_s=20, awaited="the end of the last")


def test_fewer_pods_than_asked_for_are_no_job(tmp_path: Path) -> None:
    """The reason counts them and says what is missing."""
    plan = Plan(
        run_folder=tmp_path,
        clock=Clock.start(),
        url="http://x",
        profile=OK,
        seed=1,
        in_flight_max=2000,
        duration_max_s=60.0,
    )
    with Journal(tmp_path / "actions.jsonl", plan.clock) as journal, pods_here(tmp_path, 1) as proxy:
        job = LoadJob(proxy, journal, PLACE, TOKEN, JOB_UID)  # type: ignore[arg-type]  # stands in
        with pytest.raises(HarnessBroken, match="1 of 2 load workers were ready within 1 s: the Job made 1 pods"):
            job.start(plan, deadline_s=1.0)


def test_a_pod_obeys_its_own_driver_only(tmp_path: Path) -> None:
    """Without the token nothing is done, and the message says so."""
    plan = Plan(
        run_folder=tmp_path,
        clock=Clock.start(),
        url="http://x",
        profile=OK,
        seed=1,
        in_flight_max=2000,
        duration_max_s=60.0,
    )
    with Journal(tmp_path / "actions.jsonl", plan.clock) as journal, pods_here(tmp_path, 2) as proxy:
        job = LoadJob(proxy, journal, PLACE, "another's", JOB_UID)  # type: ignore[arg-type]  # stands in
        with pytest.raises(HarnessBroken, match=r"0 of 2 load workers .* not this pod's token"):
            job.start(plan, deadline_s=1.0)


def test_an_image_of_another_version_is_refused(tmp_path: Path) -> None:
    """Its records would be others than those that are read."""

    def older(action: str, _told: object, answer: Answer) -> Answer:
        return Answer(200, b'{"code": "of last week"}') if action == "hello" else answer

    plan = Plan(
        run_folder=tmp_path,
        clock=Clock.start(),
        url="http://x",
        profile=OK,
        seed=1,
        in_flight_max=2000,
        duration_max_s=60.0,
    )
    with Journal(tmp_path / "actions.jsonl", plan.clock) as journal, pods_here(tmp_path, 2) as proxy:
        proxy.meddle = older
        with pytest.raises(HarnessBroken, match="another version"):
            LoadJob(proxy, journal, PLACE, TOKEN, JOB_UID).start(plan)  # type: ignore[arg-type]  # stands in


def test_users_of_a_locustfile_stay_on_this_host(tmp_path: Path, server: Served) -> None:
    """Their file is not in the pod, and the message says what to leave out."""
    with (
        pytest.raises(UsageError, match="runs on this host only"),
        flowing(tmp_path, server.url) as flow,
        flow.traffic.shape(Users("our_load.py", users=2)),
    ):
        pass


def test_answers_that_are_lost_or_spoilt_on_the_way_are_asked_for_again(tmp_path: Path, server: Served) -> None:
    """Every third answer is cut, spoilt or an error of the proxy: no command is done twice, and no record is lost."""
    count = 0

    def spoil(_deed: str, _told: object, answer: Answer) -> Answer:
        nonlocal count
        count += 1
        if count % 3:
            return answer
        return [
            Answer(200, answer.body[: len(answer.body) // 2]),
            Answer(503, b'{"kind": "Status", "message": "error trying to reach service"}'),
            Answer(200, answer.body.replace(b'\\"ok\\"', b'\\"late\\"')),
        ][count // 3 % 3]

    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=60):
        flow.proxy.meddle = spoil
        wait_for_records(tmp_path, 200)
        assert count > 9
    assert outcomes(tmp_path).keys() == {"ok"}
    finding = SloMet(Slo(availability=0.99))(flow.history())
    assert finding.answer is Verdict.PASS, finding


def test_a_pod_whose_records_are_never_right_is_lost(tmp_path: Path, server: Served) -> None:
    """What cannot be trusted is not taken, and the reason is the digest."""

    def lie(action: str, _told: object, answer: Answer) -> Answer:
        return Answer(200, answer.body.replace(b'\\"ok\\"', b'\\"failed\\"')) if action == "read" else answer

    with flowing(tmp_path, server.url) as flow, flow.traffic.steady(rate_rps=40):
        wait_for_records(tmp_path, 20)
        flow.proxy.meddle = _one_pod_lies(lie)
        until(lambda: _lost(flow), deadline_s=20, awaited="the loss to be noticed")
    assert outcomes(tmp_path).keys() == {"ok"}
    assert "do not match the digest that was sent with them" in GeneratorHealthy()(flow.history()).reason
    assert SloMet(Slo(availability=0.99))(flow.history()).answer is Verdict.UNKNOWN


def _one_pod_lies(lie: Meddle) -> Meddle:
    """Lie about the records of worker 1, which are known by their odd numbers."""

    def meddle(action: str, told: Mapping[str, object], answer: Answer) -> Answer:
        if action != "read" or not (lines := answer.json()["pages"]["requests.jsonl"]["text"].splitlines()):
            return answer
        return lie(action, told, answer) if json.loads(lines[0])["id"] % 2 else answer

    return meddle


def test_an_outage_of_the_way_to_the_pods_costs_none_of_them(
    tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pods recorded meanwhile is there afterwards, and the time is not counted against an answer."""
    monkeypatch.setattr("loadgen.driver.driver.ANSWER_WITHIN_S", 0.5)
    down = threading.Event()

    def cut(_deed: str, _told: object, answer: Answer) -> Answer:
        if down.is_set():
            raise Broken("the API server is away")
        return answer

    with flowing(tmp_path, server.url) as flow:
        with flow.traffic.steady(rate_rps=40):
            wait_for_records(tmp_path, 20)
            flow.proxy.meddle = cut
            down.set()
            threading.Timer(2.0, down.clear).start()
        assert not down.is_set()
    assert not any(worker.lost for worker in flow.history().load_workers)
    finding = SloMet(Slo(availability=0.99))(flow.history())
    assert finding.answer is Verdict.PASS, finding
    assert finding.values["arrivals"]["recorded"] == finding.values["arrivals"]["expected"]
