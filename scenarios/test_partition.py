"""A replica is cut off from the network while its own kubelet finds it well."""

import pytest

from chaos import Slo, checks, faults, targets

LOAD_EACH = 0.3


def share_for_8_of_30_s(system):
    """What users have to get.

    Probes come from the kubelet beside it, so nothing takes the replica out of the traffic: it takes its share of the
    requests for the 8 s of 30 s that it is cut off, and the few that it was answering.
    """
    return Slo(availability=round(1 - 8 / 30 / system.replicas - 0.06, 2))


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3)
def test_a_replica_that_is_cut_off_costs_its_share_and_returns(trial, system, traffic):
    """A replica that nobody reaches takes its share of the traffic along, is not restarted, and comes back."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=12)
        with trial.fault(faults.NetworkPartition(targets.one(system))):
            trial.hold(duration_s=5)
        trial.recovery(settle_s=10)

    trial.judge(checks.SloMet(share_for_8_of_30_s(system)), checks.NoNeedlessRestart(restarting=()))
