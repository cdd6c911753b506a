"""Containers hang, crash, start slowly, run out of memory: probes must notice what they should, and nothing else."""

import pytest

from chaos import Slo, checks, faults, targets

STALL_S, SELF_CHECK_S, GRACE_S = 5, 3, 10
SERVER = {"STALL_S": str(STALL_S), "SELF_CHECK_S": str(SELF_CHECK_S), "GRACE_S": str(GRACE_S)}
LIVENESS_PERIOD_S = 2

# An idle engine is asked for a token at the first look after the silence, and is stuck when that takes too long; the
# server counts in steps of 1 s. What the probe then needs to act on it is in the derived bound.
DETECTION_S = SELF_CHECK_S + LIVENESS_PERIOD_S + STALL_S + 1

# One of two replicas takes half of the requests until it turns not Ready, about DETECTION_S and three readiness periods
# of the 32 s or more that the trial lasts; those are lost. A container that fills its memory starves its server for the
# 7 s that this takes, too.
HALF_FOR_A_WHILE = Slo(availability=0.7)

# The kubelet sees the exit within 1 s; lost is what the engine was answering, and half of what comes until its endpoint
# is gone from the client's rules: some five of the 40 or more requests.
CUT_OFF = Slo(availability=0.85)

LOAD_EACH = 0.3
"""One of two replicas carries all of it while the other is away."""

PATIENT = {"path": "/livez", "period_s": LIVENESS_PERIOD_S, "timeout_s": 2, "failure_threshold": 30}

# Nobody is lost to a replica that only says that it is not ready: it serves whoever still comes.
NOTHING_LOST = Slo(availability=1.0)

LIVE_WHEN_STARTED = {"path": "/startupz", "period_s": 1, "failure_threshold": 3}
"""A liveness probe that fails while the weights load, as one does that asks the model itself; 3 s of patience."""


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
@pytest.mark.system(grace_s=GRACE_S, env=SERVER)
def test_a_hung_engine_is_restarted_by_its_liveness_probe(trial, system, traffic):
    """A replica whose engine hangs leaves the traffic, is restarted in place by its liveness probe, and returns."""
    hang = faults.ProcessHang(targets.one(system))
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(hang):
            trial.hold(until=hang.restarted)
        trial.recovery()

    trial.judge(
        checks.SloMet(HALF_FOR_A_WHILE),
        checks.RestartedByLiveness(detection_s=DETECTION_S),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.ZombieFound(detection_s=DETECTION_S),
        checks.RecoveredInTime(detection_s=DETECTION_S),
        checks.Recovered(),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_crashed_engine_is_restarted_in_place(trial, system, traffic):
    """A replica whose engine is killed is started anew in the same pod; the other one carries the traffic."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.ProcessCrash(targets.one(system))):
            trial.hold(duration_s=5)
        trial.recovery()

    trial.judge(
        checks.SloMet(CUT_OFF),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.RecoveredInTime(),
        checks.Recovered(),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
@pytest.mark.system(grace_s=GRACE_S, env=SERVER, liveness=PATIENT)
def test_a_hang_that_passes_costs_the_traffic_but_no_restart(trial, system, traffic):
    """A replica that is stuck for less than its liveness probe tolerates leaves the traffic, and returns as it was."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=DETECTION_S + 9)
        trial.recovery()

    trial.judge(
        checks.SloMet(HALF_FOR_A_WHILE),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(restarting=()),
        checks.ZombieFound(detection_s=DETECTION_S),
        checks.RecoveredInTime(detection_s=DETECTION_S),
        checks.Recovered(),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_replica_that_is_only_not_ready_is_not_restarted(trial, system, traffic):
    """A replica that says it is not ready leaves the traffic, is left alone, and returns when it says so."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.NotReady(targets.one(system))):
            trial.hold(duration_s=10)
        trial.recovery()

    trial.judge(
        checks.SloMet(NOTHING_LOST),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.NoRestartLoop(restarts_max=0),
        checks.Recovered(),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
@pytest.mark.system(liveness=LIVE_WHEN_STARTED)
def test_a_slow_start_is_shielded_by_the_startup_probe(trial, system, traffic):
    """Replicas whose weights take 8 s longer than liveness alone would wait start all the same, without a restart."""
    slow = faults.RollingUpdate(system.workload, env={"LOAD_DELAY_S": "8"})
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(slow):
            trial.hold(until=slow.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(NOTHING_LOST),
        checks.RolledOut(),
        checks.NoNeedlessRestart(),
        checks.NoRestartLoop(restarts_max=0),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_replica_that_runs_out_of_memory_is_restarted_in_place(trial, system, traffic):
    """A replica whose memory is used up is ended by the kernel, and started anew in the same pod."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.MemoryHog(targets.one(system))):
            trial.hold(duration_s=5)
        trial.recovery()

    trial.judge(
        checks.SloMet(HALF_FOR_A_WHILE),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.NoRestartLoop(),
        checks.Recovered(),
    )
