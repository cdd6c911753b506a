"""Replicas die one by one and half at a time; users must hardly notice, and every replica must come back."""

import pytest

from chaos import checks, faults, targets


@pytest.mark.quick
@pytest.mark.system(replicas=4)
@pytest.mark.parametrize("grace_s", [None, 0], ids=["graceful", "forced"])
@pytest.mark.parametrize("part", [0.25, 0.5], ids=["one", "half"])
def test_killed_pods_are_replaced_within_the_slo(trial, system, traffic, slo, part, grace_s):
    """Up to half the replicas may be killed at once; the rest carry the traffic until they are back."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=15, slo=slo)
        with trial.fault(faults.PodKill(targets.share(system, part), grace_s=grace_s)):
            trial.hold(duration_s=10)
        trial.recovery()

    trial.judge(
        checks.SloMet(slo), checks.Recovered(), checks.RecoveredInTime(), checks.Witnessed("delete-pod", outcome="ok")
    )
