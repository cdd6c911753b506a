"""Limits of the owner's that stop a trial: it heals at once, and the verdict is UNKNOWN unless a check proved more."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_trial import ApiTrial, Moments, api_trial
from simulated_cluster import SimulatedCluster

from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.cluster import LiveExecutor, NullJournal, mutations
from chaos.faults.undo import find_left
from chaos.objects.base import Ref

pytestmark = pytest.mark.timed

HOLD_S = 60.0
"""How long the fault would stand if nothing stopped the trial."""

SOON_S = 15.0
"""For the limit to be looked at (each second, a command every 2 s) and the node to be opened, on a busy machine."""


@pytest.fixture
def api(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[ApiTrial]:
    """A service of others."""
    with api_trial(simulated, tmp_path) as made:
        yield made


def users_down(api: ApiTrial) -> None:
    """The service fails its users from now on."""
    api.users.down = True


def test_a_spent_error_budget_stops_the_trial_and_heals(api: ApiTrial) -> None:
    """More bad requests than the owner grants: stopped with that reason; FAIL, as the SLO is broken beyond doubt."""
    ran = api.run(Moments(fault=users_down, hold_s=HOLD_S), abort_error_budget=2.0)
    (fault,) = ran.history.faults
    assert "safety.abort_error_budget" in ran.history.stopped
    assert "2 of the error budget of availability 0.99" in ran.history.stopped
    assert fault.healed_ns is not None
    assert (fault.healed_ns - fault.begin_ns) / NS < SOON_S
    answers = {finding.check: finding.answer for finding in ran.verdict.findings}
    assert (answers["slo-met"], answers["completed"]) == (Answer.FAIL, Answer.UNKNOWN)
    assert (ran.left, find_left(api.direct, api.namespace)) == ([], ())


def test_a_budget_that_is_not_spent_stops_nothing(api: ApiTrial) -> None:
    """With the same limit a service that answers its users comes to its end, and passes."""
    ran = api.run(Moments(), abort_error_budget=2.0)
    assert ran.verdict.answer is Answer.PASS, ran.words


def test_a_command_stops_the_trial_and_heals(api: ApiTrial, tmp_path: Path) -> None:
    """The owner's own word is the reason, and nothing else is said of the service than that it is not known."""
    spoilt = tmp_path / "spoilt"
    program = f"import pathlib, sys; print('paging'); sys.exit(pathlib.Path({str(spoilt)!r}).exists())"
    began = time.monotonic()
    moments = Moments(fault=lambda _api: spoilt.touch(), hold_s=HOLD_S)
    ran = api.run(moments, abort=[sys.executable, "-c", program], abort_every_s=2)
    (fault,) = ran.history.faults
    assert f"safety.abort: {sys.executable} says: paging" in ran.history.stopped
    assert fault.healed_ns is not None
    assert (fault.healed_ns - fault.begin_ns) / NS < SOON_S
    assert time.monotonic() - began < HOLD_S
    assert ran.verdict.answer is Answer.UNKNOWN, ran.words
    assert "safety.abort" in ran.verdict.findings[0].reason
    assert (ran.left, find_left(api.direct, api.namespace)) == ([], ())


def annotate(api: ApiTrial, kind: str, name: str, key: str, value: str | None) -> None:
    """An owner's own word, past the proxy; None takes it away again."""
    patch = {"metadata": {"annotations": {f"gameday.dev/{key}": value}}}
    ref = Ref(kind, "" if kind == "Namespace" else api.namespace, name)
    done = LiveExecutor(api.direct, NullJournal()).do(mutations.patch(ref, patch, field_manager="kubectl"))
    assert done.outcome == "ok"


@pytest.mark.parametrize(
    ("where", "word", "before", "reason"),
    [
        (("Namespace", "freeze"), "release week", None, "is frozen: release week"),
        (("Namespace", "adopt"), None, "enabled", "have not allowed faults"),
        (("Deployment", "allow"), "pod-kill", "node-drain", "node-drain is not allowed on"),
    ],
)
def test_owners_who_object_stop_the_trial_and_it_heals(
    api: ApiTrial, where: tuple[str, str], word: str | None, before: str | None, reason: str
) -> None:
    """A freeze, or consent that is taken back, while the fault stands: healed soon, UNKNOWN, and nothing is left."""
    kind, key = where
    name = api.namespace if kind == "Namespace" else "chat"
    moments = Moments(
        landed=lambda _api: annotate(api, kind, name, key, word),
        heal=lambda _api: annotate(api, kind, name, key, before),
        hold_s=HOLD_S,
    )
    ran = api.run(moments)
    (fault,) = ran.history.faults
    assert reason in ran.history.stopped
    assert fault.healed_ns is not None
    assert (fault.healed_ns - fault.begin_ns) / NS < SOON_S
    assert ran.verdict.answer is Answer.UNKNOWN, ran.words
    assert (ran.left, find_left(api.direct, api.namespace)) == ([], ())
