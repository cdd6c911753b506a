"""What must be caught of engines that are not ours: an abort that looks whole, and a health that asks nobody."""

from dataclasses import replace

import pytest
from broken_servers import command_of

from chaos import SystemSpec, faults
from chaos.checks import GracefulTermination, SloMet, ZombieFound
from chaos.faults import targets
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from loadgen.profiles import OpenAiChatProfile

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROOM = {"SLOTS": "200"}
"""No answer waits for another, and a replica that hangs refuses nobody: its requests wait."""

HEALTH = ProbeSpec(path="/health", period_s=1, timeout_s=2)
DETECTION_S = 5
# Beyond the bound: detection, three readiness periods and a timeout, status report, allowance.
BEYOND_S = DETECTION_S + 5 + 10 + 5 + 4


@pytest.fixture(scope="session")
def system_spec(reference_model: SystemSpec) -> SystemSpec:
    """Another server in the reference image: it knows no signal of ours, and is process 1."""
    fields = reference_model.model_dump(exclude_unset=True)
    started = HEALTH.model_copy(update={"failure_threshold": 60})
    probes = {"startup": started, "readiness": HEALTH, "liveness": HEALTH}
    return SystemSpec(**{**fields, **probes, "command": command_of("broken_engine"), "replicas": 2})


@pytest.fixture(scope="session")
def request_profile(request_profile: OpenAiChatProfile) -> OpenAiChatProfile:
    """Give answers of six seconds, so that a preStop sleep of three leaves some under way."""
    return replace(request_profile, max_tokens=60)


def killed(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Delete one replica with its grace while it is answering, and judge."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=15)
        with trial.fault(faults.PodKill(targets.one(system))):
            trial.hold(duration_s=10)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=0.99)), GracefulTermination())


@pytest.mark.system(replicas=2, pre_stop_sleep_s=3, env={"BROKEN": "abort", **ROOM})
@pytest.mark.caught_by("graceful-termination", "FAIL")
def test_a_server_that_aborts_in_good_order(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Every answer under way ends with [DONE], and with a reason that says that it is not whole."""
    killed(trial, system, traffic)


@pytest.mark.system(replicas=2, env={"BROKEN": "lying", **ROOM})
@pytest.mark.caught_by("zombie-found", "FAIL")
def test_a_health_that_asks_nobody(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """The engine is the largest process and hangs; the front goes on saying that all is well."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=10)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=BEYOND_S)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=0.3)), ZombieFound(detection_s=DETECTION_S))
