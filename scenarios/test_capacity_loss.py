"""One replica less than planned: the others must carry the load that was promised to be carried without it."""

import pytest

from chaos import Slo, checks, faults, targets

# A short answer takes a replica of half a core about 0.3 s: two of them carry three a second with room to spare.
STATED_RPS = 3
WINDOW_S = 40
"""A 99th percentile wants 100 requests."""

SLO = Slo(availability=1.0, latency_p99_s=5.0)


@pytest.mark.system(replicas=3)
def test_two_of_three_replicas_carry_the_stated_load(trial, system, traffic):
    """While one of three replicas is out of the traffic, users are inside the SLO all the same."""
    with traffic.steady(rate_rps=STATED_RPS):
        trial.baseline(duration_s=15, slo=SLO)
        with trial.fault(faults.NotReady(targets.one(system))):
            trial.hold(duration_s=WINDOW_S)
        trial.recovery()

    trial.judge(
        checks.SloMet(SLO),
        checks.SloMet(SLO, within=checks.InPhase("fault")),
        checks.RateOffered(peak_rps=STATED_RPS, peak_s=50),
        checks.GeneratorHealthy(SLO),
        checks.UnreadyLeavesEndpoints(),
        checks.NoNeedlessRestart(),
        checks.Recovered(),
    )
