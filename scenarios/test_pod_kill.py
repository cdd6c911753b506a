"""Replicas die one by one and half at a time; users must hardly notice, and every replica must come back."""

import pytest

from chaos import checks, faults, targets

LOAD_EACH = 0.3
"""While half of the replicas are away the others carry twice as much, and have room to spare."""


def half(system):
    """Half of the replicas, or as many as may be down at once."""
    return targets.share(system, 0.5)


HALF = pytest.param(half, marks=pytest.mark.needs(replicas_min=4, at_once_min=2), id="half")
"""Of fewer it is one, which is tried already."""


@pytest.mark.quick
@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=4)
@pytest.mark.parametrize("grace_s", [None, 0], ids=["graceful", "forced"])
@pytest.mark.parametrize("pick", [pytest.param(targets.one, id="one"), HALF])
def test_killed_pods_are_replaced_within_the_slo(trial, system, traffic, slo, pick, grace_s):
    """Up to half the replicas may be killed at once; the rest carry the traffic until they are back."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15, slo=slo)
        with trial.fault(faults.PodKill(pick(system), grace_s=grace_s)):
            trial.hold(duration_s=10)
        trial.recovery()

    trial.judge(
        checks.SloMet(slo),
        checks.Recovered(),
        checks.RecoveredInTime(),
        checks.NoRestartLoop(),
        checks.Witnessed("delete-pod", outcome="ok"),
    )
