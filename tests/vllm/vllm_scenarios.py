"""What the ready-made scenarios do not ask of vLLM: an engine that hangs behind a well front, and a spike of its own.

test_vllm.py runs them as a user would; they are not collected with the other tests.
"""

import pytest

from chaos import Slo, checks, faults, targets
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

ENGINE = "VLLM::EngineCore"
"""The process that computes; the one that answers at /health is another."""

LOAD_EACH, SPIKE_EACH = 0.2, 1.2

# Beyond the bound of its readiness probe, its status and its endpoint: nobody says of it when it is stuck.
DETECTION_S, HUNG_S = 5, 40

# One of two replicas takes half of what comes while it hangs, and gives no answer.
HALF_FOR_A_WHILE = Slo(availability=0.3)
ALL_ANSWERED = Slo(availability=1.0)


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_an_engine_that_hangs_is_found(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A replica whose engine hangs gives no token, and its probes have to find that."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15)
        with trial.fault(faults.ProcessHang(targets.one(system), process=ENGINE)):
            trial.hold(duration_s=HUNG_S)
        trial.recovery()

    trial.judge(checks.SloMet(HALF_FOR_A_WHILE), checks.ZombieFound(detection_s=DETECTION_S))


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
def test_a_spike_is_answered(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """What is more than all replicas carry waits in their queues, and every request has its answer in the end."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15)
        with traffic.spike(load=SPIKE_EACH * system.replicas):
            trial.hold(duration_s=20)
        trial.hold(duration_s=20)

    trial.judge(checks.SloMet(ALL_ANSWERED), checks.RateOffered())
