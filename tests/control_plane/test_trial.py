"""A whole trial on a real control plane: what it does, in which order, and what is left however it ends."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cluster_room import limit
from simulated_cluster import SimulatedCluster
from trial_room import SPEC, Room, answering

from chaos import faults
from chaos.checks import Recovered, Witnessed
from chaos.checks.judge import judge_run, read_verdict
from chaos.checks.verdict import Answer
from chaos.cluster import LiveExecutor, NullJournal, mutations
from chaos.errors import HarnessBroken, NotProven, UsageError
from chaos.faults import targets
from chaos.history import load_history
from chaos.trial.request import Output
from chaos.trial.run import RunningTrial, rejudge_trial
from chaos.trial.trial import SETTLE_S
from chaos.wait import until

pytestmark = pytest.mark.timed

CHECKS = (Recovered(), Witnessed("delete-pod", outcome="ok"))


def answers(run: Path) -> dict[str, str]:
    """What each check said, as verdict.json has it."""
    return {finding.check: finding.answer.name for finding in read_verdict(run).findings}


def test_a_killed_pod_is_replaced_and_the_verdict_is_pass(room: Room) -> None:
    """A kill under traffic, recovered from, passes every check, and the trial's namespace is gone afterwards."""
    with room.trial("kill") as running:
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=2)
            with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
                running.trial.hold(duration_s=1)
            running.trial.recovery()
        running.trial.judge(*CHECKS)
    assert set(answers(room.runs / "kill").values()) == {"PASS"}
    assert room.namespaces() == []


def test_a_replica_that_is_lost_again_after_recovery_is_waited_for_again(room: Room) -> None:
    """A pod that goes once all are back, and may not be made while the traffic settles, is there at the end."""
    executor, said = LiveExecutor(room.cluster, NullJournal()), room.said
    with room.trial("again") as running, ThreadPoolExecutor(1) as aside:
        namespace = running.system.namespace

        def lose_again() -> None:
            until(
                lambda: "recovery" in said and len(running.system.ready_pods()) == 2, deadline_s=60, awaited="recovery"
            )
            quota = limit(room.cluster, executor, namespace, {"pods": "0"})
            executor.do(mutations.delete(running.system.ready_pods()[0].ref, grace_s=0))
            # Longer than the traffic settles.
            threading.Event().wait(SETTLE_S + 2)
            executor.do(mutations.delete(quota, grace_s=0))

        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=2)
            with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
                running.trial.hold(duration_s=1)
            lost = aside.submit(lose_again)
            running.trial.recovery()
            lost.result()
        running.trial.judge(Witnessed("delete-pod"))
    assert answers(room.runs / "again")["end-state"] == "PASS"


def test_the_same_seed_chooses_the_same_rank(room: Room) -> None:
    """Victims are picked by rank from the trial's seed, so the fault's victim is one of the ready pods by UID."""
    with room.trial("seed") as running:
        first, again = targets.one(running.system), {pod.uid for pod in running.system.ready_pods()}
        assert first.refs[0].uid in again
        assert len(first.refs) == 1


def test_a_dry_run_trial_kills_nobody_and_cannot_pass(room: Room) -> None:
    """A dry run writes the kill down as not done; every pod lives, and the verdict is UNKNOWN."""
    with room.trial("dry_run", dry_run=True) as running:
        before = {pod.uid for pod in running.system.ready_pods()}
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            with running.trial.fault(faults.PodKill(targets.every(running.system), grace_s=0)):
                running.trial.hold(duration_s=1)
        with pytest.raises(NotProven):
            running.trial.judge(*CHECKS)
        assert {pod.uid for pod in running.system.ready_pods()} == before
    assert answers(room.runs / "dry_run")["witnessed"] == "UNKNOWN"


def test_a_baseline_without_an_answer_stops_the_trial_before_any_fault(room: Room) -> None:
    """No request in the baseline: the trial is stopped, nobody is killed, the verdict is UNKNOWN."""
    with room.trial("unsteady") as running:
        running.trial.baseline(duration_s=1)
        with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
            running.trial.hold(duration_s=60)
        running.trial.recovery()
        with pytest.raises(NotProven):
            running.trial.judge(*CHECKS)
    history = load_history(room.runs / "unsteady")
    assert history.faults == ()
    assert not any(action.name == "delete-pod" for action in history.actions)
    assert answers(room.runs / "unsteady")["completed"] == "UNKNOWN"


def test_a_baseline_waits_for_answers_that_outlast_it(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Answers of 4 s and a baseline of 2 s: none is there as it ends, all are awaited, and it was steady."""
    with answering(takes_s=4) as url:
        room = Room(simulated, url, tmp_path)
        with closing(room.cluster), room.trial("slow") as running:
            with running.traffic.steady(rate_rps=5):
                running.trial.baseline(duration_s=2)
            running.trial.judge(needs_fault=False)
    assert answers(room.runs / "slow")["steady-state"] == "PASS"


def test_after_a_fault_that_missed_nothing_is_held_or_done_any_more(room: Room) -> None:
    """Nothing can switch a node off: the trial does not wait for its loss, kills nobody either, and says UNKNOWN."""
    with room.trial("missed") as running:
        began = time.monotonic()
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            down = faults.NodeDown(targets.fullest_node(running.system), leave_foreign=True)
            with running.trial.fault(down):
                running.trial.hold(until=down.replaced)
            with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
                running.trial.hold(duration_s=300)
            running.trial.recovery(settle_s=1)
        with pytest.raises(NotProven):
            running.trial.judge()
        assert time.monotonic() - began < 300
    history = load_history(room.runs / "missed")
    assert [(fault.name, fault.healed_ns is not None) for fault in history.faults] == [("node-down", True)]
    assert [phase.name for phase in history.phases] == ["baseline", "fault", "recovery"]
    found = answers(room.runs / "missed")
    assert {check for check, answer in found.items() if answer != "PASS"} == {"fault-landed"}


def test_a_scenario_that_raises_is_judged_unknown_and_leaves_nothing(room: Room) -> None:
    """An error in the scenario's body heals the fault, closes the record and removes the namespace."""

    def scenario(running: RunningTrial) -> None:
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        room.run("raises", scenario)
    history = load_history(room.runs / "raises")
    assert history.faults[0].healed_ns is not None
    assert history.finished
    assert room.judged[0].verdict.answer is Answer.UNKNOWN
    assert room.namespaces() == []


def test_a_generator_that_dies_breaks_the_trial_in_words(room: Room) -> None:
    """The load generator killed in mid-trial ends the trial as a broken harness, and the verdict is not PASS."""

    def scenario(running: RunningTrial) -> None:
        with running.traffic.steady(rate_rps=20):
            assert running.traffic.generator is not None
            os.kill(running.traffic.generator.pids[0], signal.SIGKILL)
            running.trial.hold(duration_s=30)

    with pytest.raises(HarnessBroken, match="load generator ended"):
        room.run("dead", scenario)
    assert room.judged[0].verdict.answer is Answer.UNKNOWN
    assert "load generator" in load_history(room.runs / "dead").stopped


def test_a_system_that_never_becomes_available_is_evidence_not_an_error(room: Room) -> None:
    """A system that no node can hold stops the trial with the scheduler's words in the verdict."""
    spec = SPEC.having(node_selector={"no-such": "node"}, startup=None, readiness=None, liveness=None)
    spec = spec.having(rollout={"progress_deadline_s": 5})
    with room.trial("unschedulable", spec) as running:
        running.trial.baseline(duration_s=60)
        with pytest.raises(NotProven, match="didn't match Pod's node affinity/selector"):
            running.trial.judge(*CHECKS)


def test_more_pods_than_the_blast_radius_allows_are_refused(room: Room) -> None:
    """A fault aimed at more pods than allowed is refused before it does anything."""
    with room.trial("radius") as running:
        victims = targets.every(running.system)
        twice = targets.Targets("twice the system", victims.refs + victims.refs)
        with pytest.raises(UsageError, match="blast radius"), running.trial.fault(faults.PodKill(twice, grace_s=0)):
            pass
    assert not any(action.name == "delete-pod" for action in load_history(room.runs / "radius").actions)


def test_a_saved_run_can_be_judged_again_with_no_cluster(room: Room) -> None:
    """The same checks over the saved run give the same findings, and the inert trial touches nothing."""
    with room.trial("saved") as running:
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            with running.trial.fault(faults.PodKill(targets.one(running.system), grace_s=0)):
                running.trial.hold(duration_s=1)
            running.trial.recovery()
        running.trial.judge(*CHECKS)
    run = room.runs / "saved"
    first = json.loads((run / "verdict.json").read_text())
    again = rejudge_trial(run, SPEC, Output(say=room.said.append, draw=lambda judged: judged.run))
    with again.traffic.steady(rate_rps=20):
        again.trial.baseline(duration_s=1000)
        with again.trial.fault(faults.PodKill(targets.one(again.system), grace_s=0)):
            again.trial.hold(duration_s=1000)
        again.trial.recovery()
    again.trial.judge(*CHECKS)
    assert json.loads((run / "verdict.json").read_text()) == first
    assert judge_run(run, CHECKS).verdict.answer is Answer.PASS
