"""A replica is cut off from the network while its own kubelet finds it well."""

import pytest

from chaos import Slo, checks, faults, targets

# Probes come from the kubelet beside it, so nothing takes the replica out of the traffic: one of three takes its share
# of the requests for the 8 s of 30 s that it is cut off, and the few that it was answering.
A_THIRD_FOR_8_OF_30_S = Slo(availability=0.85)


@pytest.mark.system(replicas=3)
def test_a_replica_that_is_cut_off_costs_its_share_and_returns(trial, system, traffic):
    """A replica that nobody reaches takes its share of the traffic along, is not restarted, and comes back."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=12)
        with trial.fault(faults.NetworkPartition(targets.one(system))):
            trial.hold(duration_s=5)
        trial.recovery(settle_s=10)

    trial.judge(checks.SloMet(A_THIRD_FOR_8_OF_30_S), checks.NoNeedlessRestart(restarting=()))
