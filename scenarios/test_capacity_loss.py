"""One replica less than planned: the others must carry the load that was promised to be carried without it."""

import pytest

from chaos import faults, targets
from chaos.checks import GeneratorSound, NoNeedlessRestart, RateOffered, Recovered, SloMet, UnreadyLeavesEndpoints
from chaos.checks.windows import InPhase
from chaos.slo import Slo

# An answer of six tokens takes a replica of 200m about 0.7 s when it is alone: two of them carry two a second.
STATED_RPS = 2
SLO = Slo(availability=1.0, latency_p99_s=5.0)


@pytest.mark.system(replicas=3, cpu_request="200m", cpu_limit="200m")
def test_two_of_three_replicas_carry_the_stated_load(trial, system, traffic):
    """While one of three replicas is out of the traffic, users are inside the SLO all the same."""
    with traffic.steady(rate_rps=STATED_RPS):
        trial.baseline(duration_s=15, slo=SLO)
        with trial.fault(faults.NotReady(targets.one(system))):
            trial.hold(duration_s=30)
        trial.recovery()

    trial.judge(
        SloMet(SLO),
        SloMet(SLO, within=InPhase("fault")),
        RateOffered(peak_rps=STATED_RPS, peak_s=50),
        GeneratorSound(SLO),
        UnreadyLeavesEndpoints(),
        NoNeedlessRestart(),
        Recovered(),
    )
