"""An hour of the same load, and a fault every few minutes: nothing may add up."""

import pytest

from chaos import Slo, checks, faults, targets

# A killed process takes along what it was answering, one or two requests each time.
SLO = Slo(availability=0.99)
LOAD_EACH = 0.15
QUIET_S = (60, 180)
STANDS_S = 15


FAULTS = (
    lambda system: faults.NodeDrain(targets.fullest_node(system)),
    lambda system: faults.PodKill(targets.one(system)),
    lambda system: faults.PodKill(targets.one(system), grace_s=0),
    lambda system: faults.Evict(targets.one(system)),
    lambda system: faults.ProcessCrash(targets.one(system)),
    lambda system: faults.NotReady(targets.one(system)),
)


@pytest.fixture(scope="session")
def soak_s(pytestconfig):
    """For how long to soak, in seconds; without the option the scenario is skipped, as it takes an hour."""
    if (given := pytestconfig.getoption("gameday_soak_s")) is None:
        pytest.skip("takes an hour: give --gameday-soak-s 3600")
    return given


def rounds(rng):
    """Every fault once, a node's drain first, and then again and again, each time in another order."""
    yield FAULTS[0]
    yield from rng.sample(FAULTS[1:], len(FAULTS) - 1)
    while True:
        yield from rng.sample(FAULTS, len(FAULTS))


@pytest.mark.needs(replicas_min=2, evictable_min=1, nodes=2)
@pytest.mark.deployed(replicas=4)
def test_an_hour_of_steady_load_with_trouble_every_few_minutes(trial, system, traffic, soak_s):
    """Users stay inside the SLO, and every replica comes back, however often something happens to one of them."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=30)
        left_s = soak_s
        for fault in rounds(system.rng):
            quiet_s = min(left_s, system.rng.uniform(*QUIET_S))
            trial.hold(duration_s=quiet_s)
            with trial.fault(fault(system)):
                trial.hold(duration_s=STANDS_S)
            trial.recovery()
            left_s -= quiet_s + STANDS_S
            if left_s <= 0:
                break

    trial.judge(
        checks.SloMet(SLO),
        checks.BudgetHeld(),
        checks.Drained(),
        checks.Recovered(),
        checks.NoNeedlessRestart(),
        checks.NoRestartLoop(restarts_max=10),
    )
