"""One replica less than planned: the others must carry the load that was promised to be carried without it."""

import pytest

from chaos import Slo, checks, faults, targets

# What is stated leaves each of the others a third to spare.
LOAD_EACH = 0.6
WINDOW_S = 40

SLO = Slo(availability=1.0, latency_p99_s=5.0)


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3)
def test_one_replica_less_carries_the_stated_load(trial, system, traffic):
    """While one replica is out of the traffic, users are inside the SLO all the same."""
    stated = LOAD_EACH * (system.replicas - 1)
    with traffic.steady(load=stated):
        trial.baseline(duration_s=15, slo=SLO)
        with trial.fault(faults.NotReady(targets.one(system))):
            trial.hold(duration_s=WINDOW_S, slo=SLO)
        trial.recovery()

    trial.judge(
        checks.SloMet(SLO),
        checks.SloMet(SLO, within=checks.InPhase("fault")),
        checks.RateOffered(peak_rps=0.99 * traffic.rps(stated), peak_s=50),
        checks.GeneratorHealthy(SLO),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.Recovered(),
    )
