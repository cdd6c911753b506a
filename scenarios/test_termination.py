"""Replicas end while long answers are being streamed: every answer that a replica has begun, it brings to its end."""

from dataclasses import replace

import pytest

from chaos import faults, targets
from chaos.checks import GracefulTermination, Recovered, RolledOut, SloMet, Witnessed
from chaos.slo import Slo

ALL_ANSWERED = Slo(availability=1.0)

PRE_STOP = {"pre_stop_sleep_s": 7, "env": {"SETTLE_S": "0", "GRACE_S": "23"}}


@pytest.fixture(params=["own-drain", pytest.param("pre-stop", marks=pytest.mark.system(**PRE_STOP))], autouse=True)
def stays_open(request):
    """Say what keeps a replica open until every node knows that it ends: the server itself, or a preStop sleep."""
    return request.param


@pytest.fixture(scope="session")
def request_profile(request_profile):
    """Give answers of some seconds, each of the same length, so that there are always some under way."""
    return replace(request_profile, max_tokens=64, ignore_eos=True, timeout_s=60.0)


@pytest.mark.system(replicas=2)
def test_a_killed_replica_ends_its_streams(trial, system, traffic):
    """A replica that is deleted answers in full what it had begun, and the other takes what comes."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with trial.fault(faults.PodKill(targets.one(system))):
            trial.hold(duration_s=5)
        trial.recovery()

    trial.judge(GracefulTermination(), SloMet(ALL_ANSWERED), Recovered(), Witnessed("delete-pod", outcome="ok"))


@pytest.mark.system(replicas=2)
def test_a_release_ends_every_stream(trial, system, traffic):
    """While a release replaces every replica, no answer is cut short, however long it takes."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()

    trial.judge(GracefulTermination(), SloMet(ALL_ANSWERED), RolledOut(), Witnessed("roll-out", outcome="ok"))
