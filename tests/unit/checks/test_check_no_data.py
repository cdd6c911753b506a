"""No data is never PASS: every check, on a history in which nothing was recorded, or nothing was seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autoscaler_stories import at_maximum, spike_story
from budget_stories import drain_story, guarded
from capacity_stories import BOUNDS, bracketed
from data_stories import survived_story
from echo_stories import echo_story
from engine_stories import disconnected_story, served_story
from histories import Story, facts, kill_story, nothing
from node_loss_stories import node_loss_story, outage
from probe_stories import hang_story
from recovery_stories import replaced_story, restarted_story
from rollout_stories import bad_story, kept_story, update_story
from routing_stories import away_story
from saved_histories import saved
from termination_stories import drained_story
from zero_stories import blind_story, from_zero, timed_zero, to_zero

import chaos.checks
from chaos.checks import Completed, FaultsLanded, Recovered, SloMet, SteadyBefore, Witnessed
from chaos.checks.judge import judge_run, read_verdict
from chaos.checks.verdict import Answer, Check
from chaos.slo import Slo

ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    "CapacityFound": BOUNDS,
    "SloMet": (Slo(availability=0.99, latency_p99_s=2.0),),
    "StayedInPool": ("pool", "blue"),
    "Witnessed": ("delete-pod",),
}
WITHOUT_WATCH = {"AnswersRight", "Completed", "GeneratorHealthy", "RateOffered", "SloMet", "Witnessed"}

STORIES = {
    "AnswersRight": echo_story,
    "BudgetHeld": drain_story,
    "ColdStart": from_zero,
    "CapacityFound": bracketed,
    "DataSurvived": survived_story,
    "DecisionsRecomputed": spike_story,
    "Drained": drain_story,
    "EndState": kept_story,
    "EngineAgrees": served_story,
    "GracefulTermination": drained_story,
    "HeldAtMaximum": at_maximum,
    "HeldBlind": blind_story,
    "NoFlapping": spike_story,
    "NothingEvicted": outage,
    "RecoveredInTime": replaced_story,
    "Rescheduled": node_loss_story,
    "RoutedToReady": away_story,
    "RestartedByLiveness": hang_story,
    "RollbackSafe": bad_story,
    "RolledOut": update_story,
    "ScaledDown": spike_story,
    "ScaledToZero": lambda: timed_zero(to_zero()),
    "ScaledUp": spike_story,
    "SlotsFreed": disconnected_story,
    "Spread": guarded,
    "StayedInPool": drain_story,
    "UnreadyLeavesEndpoints": hang_story,
    "WithinLimits": spike_story,
    "ZombieFound": restarted_story,
}
"""The story in which a check's claim holds, where that is not the story of a kill."""


def story_of(check: Check) -> Story:
    """The story in which the check's claim holds."""
    return STORIES.get(title(check), kill_story)()


def every_check() -> list[Check]:
    """One of each check that chaos.checks offers."""
    # Windows are what a check is held to, and a role whom it is about; of roles there are stories beside them.
    names = [name for name in chaos.checks.__all__ if name not in ("InPhase", "WhileRaised", "InRole", "LostWhileAway")]
    return [getattr(chaos.checks, name)(*ARGUMENTS.get(name, ())) for name in names]


def title(check: Check) -> str:
    """The name of the check's class."""
    return type(check).__name__


@pytest.mark.parametrize("check", every_check(), ids=title)
def test_an_empty_history_is_unknown(check: Check) -> None:
    """A check that has no data says UNKNOWN, and says why and what would settle it."""
    finding = check(nothing())
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason
    assert finding.settle


@pytest.mark.parametrize("check", every_check(), ids=title)
def test_the_story_itself_passes(check: Check) -> None:
    """The story that the other tests spoil is one in which every claim holds."""
    finding = check(story_of(check).history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize("check", [one for one in every_check() if title(one) not in WITHOUT_WATCH], ids=title)
def test_a_gap_over_everything_is_unknown(check: Check) -> None:
    """A check that rests on the watch log says UNKNOWN if the watch of pods was one long gap."""
    finding = check(story_of(check).gap(0, 120).gap(0, 120, "Deployment").history())
    assert finding.answer is Answer.UNKNOWN


@pytest.mark.parametrize("check", [one for one in every_check() if title(one) not in WITHOUT_WATCH], ids=title)
def test_an_unwatched_cluster_is_unknown(check: Check) -> None:
    """A check that rests on the watch log says UNKNOWN if no kind was ever covered."""
    story = story_of(check).has(covered_ns={})
    story.events.clear()
    assert check(story.history()).answer is Answer.UNKNOWN


@pytest.mark.parametrize("check", [Completed(), FaultsLanded(), Witnessed("delete-pod")], ids=title)
def test_a_dry_run_proves_nothing(check: Check) -> None:
    """A dry_run trial cannot pass, whatever its journal says."""
    assert check(kill_story().has(facts=facts(dry_run=True)).history()).answer is Answer.UNKNOWN


@pytest.mark.parametrize("check", [Recovered(), SteadyBefore(), SloMet(Slo(availability=0.5))], ids=title)
def test_findings_hold_both_sides_of_the_comparison(check: Check) -> None:
    """Every finding says the rule, the limit and what was measured, and keeps the numbers as plain data."""
    finding = check(kill_story().history())
    assert finding.rule
    assert finding.limit
    assert finding.measured
    assert finding.values


@pytest.mark.parametrize("check", [one for one in every_check() if hasattr(one, "Detail")], ids=title)
def test_a_typed_detail_survives_verdict_json(check: Check, tmp_path: Path) -> None:
    """What a check found is read back from verdict.json in its own type, with the same values."""
    run = saved(story_of(check).history(), tmp_path / "run")
    (found,) = judge_run(run, [check]).verdict.findings
    (read,) = read_verdict(run).findings
    assert read.detail == found.detail
    assert type(read.detail) is getattr(check, "Detail")  # noqa: B009  # not every check has one
