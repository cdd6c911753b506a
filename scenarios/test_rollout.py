"""Releases under traffic: a good one costs no request, a bad one halts by itself and is rolled back."""

import pytest

from chaos import Slo, checks, faults

RELEASE_EACH, LOAD_EACH = 0.5, 0.4

ALL_ANSWERED = Slo(availability=1.0)


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3, spread={"hostname": "DoNotSchedule"})
def test_a_release_loses_no_request(trial, system, traffic):
    """Every replica is replaced while answers are being streamed, no answer is cut short, and all stay spread."""
    with traffic.steady(load=RELEASE_EACH * system.replicas):
        trial.baseline(duration_s=10)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.RolledOut(),
        checks.Spread(),
        checks.NoRestartLoop(),
        checks.Witnessed("roll-out"),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3)
@pytest.mark.system(rollout={"progress_deadline_s": 15})
@pytest.mark.parametrize("kind", ["image", "probe"])
def test_a_bad_release_halts_and_is_rolled_back(trial, system, traffic, kind):
    """A release whose pods never become Ready takes no replica away, is called stuck, and is rolled back."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        release = faults.BadRollout(system.workload, kind=kind)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()

    trial.judge(checks.SloMet(ALL_ANSWERED), checks.RollbackSafe(), checks.Witnessed("restore-template"))
