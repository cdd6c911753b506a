"""Replicas end while long answers are being streamed: every answer that a replica has begun, it brings to its end."""

from dataclasses import replace

import pytest

from chaos import Slo, checks, faults, targets

ALL_ANSWERED = Slo(availability=1.0)

ROOM = {"SLOTS": "8"}
"""No answer waits for another, so that all take about as long."""

KILLS = 3
"""About one replica in ten has no answer under way when it is told to end; all of three, one trial in a thousand."""

GRACE_S, SLEEP_S = 60, 7
"""While one replica is away, the other one's answers take several times as long: half a minute on a slow machine."""

OWN_DRAIN = pytest.mark.deployed(grace_s=GRACE_S, env={**ROOM, "GRACE_S": str(GRACE_S)})
PRE_STOP = (
    pytest.mark.deployed(grace_s=GRACE_S, env={**ROOM, "SETTLE_S": "0", "GRACE_S": str(GRACE_S - SLEEP_S)}),
    pytest.mark.system(pre_stop_sleep_s=SLEEP_S),
)

LOAD_EACH = 0.8
"""So that most of the time some answer is under way; while one replica is away, what comes waits for the other."""


@pytest.fixture(
    params=[pytest.param("own-drain", marks=OWN_DRAIN), pytest.param("pre-stop", marks=PRE_STOP)], autouse=True
)
def stays_open(request):
    """Say what keeps a replica open until every node knows that it ends: the server itself, or a preStop sleep."""
    return request.param


@pytest.fixture(scope="session")
def request_profile(request_profile):
    """Give answers of some seconds, each of the same length, so that there are mostly some under way.

    While one replica is away the other has to end all of them within its grace.
    """
    return replace(request_profile, max_tokens=64, ignore_eos=True, timeout_s=60.0)


@pytest.fixture(scope="session")
def slo():
    """What such answers take a replica that is not overloaded: a load is a share of what it carries within this."""
    return Slo(availability=0.99, latency_p99_s=30.0)


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_killed_replica_ends_its_streams(trial, system, traffic):
    """Each replica that is deleted answers in full what it had begun, and the other takes what comes."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=20)
        for _ in range(KILLS):
            with trial.fault(faults.PodKill(targets.one(system))):
                trial.hold(duration_s=2)
            trial.recovery()

    trial.judge(
        checks.GracefulTermination(),
        checks.SloMet(ALL_ANSWERED),
        checks.Recovered(),
        checks.Witnessed("delete-pod", outcome="ok"),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_release_ends_every_stream(trial, system, traffic):
    """While a release replaces every replica, no answer is cut short, however long it takes."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=20)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()

    trial.judge(
        checks.GracefulTermination(),
        checks.SloMet(ALL_ANSWERED),
        checks.RolledOut(),
        checks.Witnessed("roll-out", outcome="ok"),
    )
