"""What the termination scenarios must catch: graces that are too short, servers that do not finish their answers."""

from dataclasses import replace

import pytest

from chaos import faults
from chaos.checks import GracefulTermination
from chaos.faults import targets
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from loadgen.profiles import OpenAiChatProfile

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROOM = {"SLOTS": "8"}
"""No answer waits for another, so that all take about as long."""


@pytest.fixture(scope="session")
def request_profile(request_profile: OpenAiChatProfile) -> OpenAiChatProfile:
    """Give answers of ten seconds and more."""
    return replace(request_profile, max_tokens=128, ignore_eos=True, timeout_s=60.0)


def killed(trial: Trial, system: SystemUnderTest, traffic: Traffic, *, grace_s: int | None = None) -> None:
    """Delete both replicas while they are answering, so that some answer has only just begun, and judge."""
    with traffic.steady(rate_rps=0.5):
        trial.baseline(duration_s=30)
        with trial.fault(faults.PodKill(targets.every(system), grace_s=grace_s)):
            trial.hold(duration_s=2)
    trial.judge(GracefulTermination())


@pytest.mark.system(replicas=2, grace_s=3, env=ROOM)
@pytest.mark.caught_by("graceful-termination", "FAIL")
def test_a_grace_shorter_than_the_longest_answer(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """The server would finish its answers, but SIGKILL comes first."""
    killed(trial, system, traffic)


@pytest.mark.system(replicas=2, grace_s=4, pre_stop_sleep_s=4, env=ROOM)
@pytest.mark.caught_by("graceful-termination", "FAIL")
def test_a_pre_stop_sleep_that_uses_up_the_grace(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """The sleep is part of the grace: the two seconds that remain after it are too few for a long answer."""
    killed(trial, system, traffic)


@pytest.mark.system(replicas=2, env={**ROOM, "SETTLE_S": "0", "GRACE_S": "1"})
@pytest.mark.caught_by("graceful-termination", "FAIL")
def test_a_server_that_closes_at_once_cuts_its_answers(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """No preStop and no drain: a long grace does not help a server that does not use it."""
    killed(trial, system, traffic)


@pytest.mark.system(replicas=2, env=ROOM)
@pytest.mark.caught_by("graceful-termination", "UNKNOWN")
def test_a_forced_kill_proves_nothing_of_grace(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """With a grace of 0 answers are cut by design, which says nothing against the system."""
    killed(trial, system, traffic, grace_s=0)
