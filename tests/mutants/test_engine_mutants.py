"""What must be caught of engines that are not ours: aborts that look whole, health that asks nobody, leaks, mix-ups."""

from dataclasses import replace

import pytest
from broken_servers import command_of

from chaos import SystemSpec, faults
from chaos.checks import AnswersRight, GracefulTermination, SloMet, SlotsFreed, ZombieFound
from chaos.faults import targets
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from loadgen.profiles import Disconnects, OpenAiChatProfile

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


WITHIN_S = 10.0
LEAVING = Disconnects(share=0.3, after_tokens=2)


@pytest.fixture
def request_profile(request: pytest.FixtureRequest, request_profile: OpenAiChatProfile) -> OpenAiChatProfile:
    """Give answers of six seconds, so that a preStop sleep of three leaves some under way; and what a mutant asks."""
    asks = request.node.get_closest_marker("asks")
    return replace(request_profile, max_tokens=60, **(asks.kwargs if asks else {}))


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
        trial.baseline(duration_s=20)  # answers take six seconds, and it must be known that they do
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=BEYOND_S)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=0.3)), ZombieFound(detection_s=DETECTION_S))


@pytest.mark.system(replicas=2, env={"BROKEN": "foreign", **ROOM})
@pytest.mark.asks(nonce=True)
@pytest.mark.caught_by("answers-right", "FAIL", "another user's")
def test_an_engine_that_answers_anothers_prompt(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Whole answers in good order, each of them to the request before."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=15)
        with trial.fault(faults.PodKill(targets.one(system))):
            trial.hold(duration_s=10)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=0.5)), AnswersRight())


@pytest.mark.system(replicas=2, env={"BROKEN": "leak", **ROOM})
@pytest.mark.asks(disconnects=LEAVING)
@pytest.mark.caught_by("slots-freed", "FAIL", "without a client")
def test_an_engine_that_keeps_the_slots_of_clients_that_left(trial: Trial, traffic: Traffic) -> None:
    """Each client that goes away leaves its request running for good."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.spike(rate_rps=3):
            trial.hold(duration_s=20)
    trial.hold(duration_s=WITHIN_S + 10)  # users are gone: what still runs has no client
    trial.judge(SloMet(Slo(availability=0.9)), SlotsFreed(within_s=WITHIN_S))
