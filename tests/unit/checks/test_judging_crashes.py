"""Judging that goes wrong: a check that raises, evidence that none expected, and a fault that a second look forgets."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from autoscaler_stories import Scaling
from histories import Story, kill_story, pod
from probe_stories import covered, endpoints
from rollout_stories import Rolling
from saved_histories import saved

from chaos.checks import Completed, FaultsLanded, Recovered, ScaledDown, SloMet, SteadyBefore, UnreadyLeavesEndpoints
from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer, Check, Finding, Obligation, Verdict
from chaos.faults import Scale
from chaos.history import History
from chaos.objects.base import Ref
from chaos.plugin.session_report import draw_run
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.request import Output
from chaos.trial.run import rejudge_trial
from chaos.trial.trial import Trial

SERVED = SloMet(Slo(availability=0.99))


# --- evidence on which a check must not raise ---------------------------------------------------------------------


def endpoint_story() -> Story:
    """Two replicas in their Service's endpoints, everything watched."""
    return Story().replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice").has(covered_ns=covered())


def never_ready() -> Story:
    """`a` is killed at 30.2 s, and its replacement is not Ready by the end of the trial."""
    story = endpoint_story().fault("a").acted("delete-pod", 30.1, fault="pod-kill-1")
    return story.killed("a", 30.2).replaced("d", 30.3, ready_s=None).traffic()


def test_a_replacement_that_is_never_ready_can_be_judged() -> None:
    """A pod that was never Ready never turned unready either, and is no reason to raise."""
    finding = UnreadyLeavesEndpoints()(never_ready().history())
    assert finding.answer in {Answer.UNKNOWN, Answer.FAIL}, finding.line()


@pytest.mark.parametrize("failed_pod", [False, True], ids=["alone", "beside an evicted pod"])
def test_an_old_failed_pod_changes_nothing(failed_pod: bool) -> None:  # noqa: FBT001  # a parameter of the table
    """A pod that was evicted long ago and stands in the list as Failed does not hide a perfect course."""
    story = endpoint_story()
    if failed_pod:
        story.saw(0, "LISTED", {**pod("old"), "status": {"phase": "Failed", "reason": "Evicted"}})
    story.fault("a", name="not-ready").saw(33, "MODIFIED", pod("a", running=True))
    story.saw(33.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(50, "MODIFIED", pod("a", ready=True))
    story.saw(50.2, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    finding = UnreadyLeavesEndpoints()(story.traffic().history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_load_that_never_rose_leaves_a_scale_in_unknown() -> None:
    """Without a spike there is nothing from which an autoscaler could come down."""
    finding = ScaledDown()(Scaling(120).stands("a", "b").loaded(2, 0, 115).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- what is written down of such a trial -------------------------------------------------------------------------


class Raises:
    """A scenario's own check, which cannot do its work."""

    name = "own-check"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, history: History) -> Finding:  # noqa: ARG002  # a check's shape
        """Raise."""
        raise self.error


def drawn(judgement: Judgement) -> Path:
    """Write the report and the line in history.jsonl, as pytest does at the end."""
    draw_run(judgement)
    return judgement.run / "report.html"


def rejudged(run: Path, draw: Callable[[Judgement], Path]) -> Trial:
    """The trial over a saved run."""
    return rejudge_trial(run, SystemSpec(name="saved", image="saved"), Output(lambda _: None, draw)).trial


def closed(history: History, run: Path, *checks: Check) -> dict[str, Any]:
    """Judge a saved trial as a scenario does, close it as its stage does, and read what verdict.json says."""
    trial = rejudged(saved(history, run), drawn)
    with suppress(Exception, KeyboardInterrupt):
        trial.judge(*checks)
    trial.stop("the scenario raised")
    trial.abandon("the scenario ended without a verdict")
    told: dict[str, Any] = json.loads((run / "verdict.json").read_text())
    return told


def unserved(story: Story) -> History:
    """590 of the story's 1000 requests fail, from 31 s on."""
    return story.fate(range(310, 900), "failed").history()


def test_a_trial_whose_users_were_not_served_fails(tmp_path: Path) -> None:
    """Where no check raises, what the checks say is what is written down."""
    told = closed(unserved(never_ready()), tmp_path / "runs" / "one", SERVED, Recovered())
    assert told["answer"] == "FAIL"
    failed = {one["check"] for one in told["findings"] if one["answer"] == "FAIL"}
    assert failed == {"slo-met", "recovered", "end-state"}


def test_a_shipped_check_that_raises_leaves_no_pass(tmp_path: Path) -> None:
    """A trial whose users were not served, and one of whose checks raised, is a PASS nowhere in the record."""
    runs = tmp_path / "runs"
    told = closed(unserved(never_ready()), runs / "one", SERVED, Recovered(), UnreadyLeavesEndpoints())
    assert told["answer"] in {"UNKNOWN", "FAIL"}
    (line,) = (runs / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] == told["answer"]


@pytest.mark.parametrize("error", [KeyError("boom"), KeyboardInterrupt()], ids=["its own error", "Ctrl-C"])
def test_an_own_check_that_raises_leaves_no_pass(error: BaseException, tmp_path: Path) -> None:
    """Whatever ends the judging, a trial that was not judged to its end is not a PASS."""
    told = closed(unserved(kill_story()), tmp_path / "runs" / "one", SERVED, Raises(error))
    assert told["answer"] in {"UNKNOWN", "FAIL"}


def test_a_check_that_raises_is_a_finding_of_its_own(tmp_path: Path) -> None:
    """What could not be decided bears the check's name, and shows what went wrong."""
    told = closed(kill_story().history(), tmp_path / "runs" / "one", SERVED, Raises(KeyError("boom")))
    found = {one["check"]: one for one in told["findings"]}
    assert found["own-check"]["answer"] == "UNKNOWN"
    assert "boom" in json.dumps(found["own-check"])
    assert found["slo-met"]["answer"] == "PASS"


class Odd:
    """A scenario's own check whose name, or whose finding, is not what a check's is."""

    def __init__(self, finding: object, name: str | None = "own-check") -> None:
        self.finding = finding
        self._name = name

    @property
    def name(self) -> str:
        """Its name, if it has one."""
        if self._name is None:
            raise KeyError("no name")
        return self._name

    def __call__(self, history: History) -> Any:  # noqa: ARG002  # a check's shape
        """Give what it was given, or raise that."""
        if isinstance(self.finding, BaseException):
            raise self.finding
        return self.finding


def passing(**changes: Any) -> Finding:
    """A finding that passes, with something else in it."""
    kept = (Obligation("all"),)
    return replace(Finding("own-check", Answer.PASS, "All is well.", "-", "-", obligations=kept), **changes)


@pytest.mark.parametrize(
    "odd",
    [
        Odd(None),
        Odd(True),  # what a plain function may return
        Odd(passing(detail={1, 2})),
        Odd(passing(detail={"since": Path("/")})),
        Odd(passing(measured=object())),
        Odd(KeyError("boom"), name=None),
    ],
    ids=["nothing", "true", "a set", "a path", "an object", "no name"],
)
def test_what_cannot_be_written_down_leaves_no_pass(odd: Odd, tmp_path: Path) -> None:
    """A check that gives no finding, or none that verdict.json can hold, leaves a verdict, and it is no PASS."""
    told = closed(kill_story().history(), tmp_path / "runs" / "one", SERVED, odd)
    assert told["answer"] == "UNKNOWN"
    assert {one["check"] for one in told["findings"]} & {"own-check", "Odd"}


# --- judged live, and judged again --------------------------------------------------------------------------------


def missed() -> History:
    """A fault of a trial that measures was begun, and never landed."""
    history = Story().replicas("a", "b").fault("a", name="scale").traffic().history()
    (fault,) = history.faults
    return replace(history, faults=(replace(fault, landed_ns=None, proof=""),))


def test_a_fault_that_missed_leaves_a_measurement_unknown() -> None:
    """Judged live, a trial with a fault is judged with the premise that it landed."""
    checks: tuple[Check, ...] = (SERVED, Completed(), SteadyBefore(), FaultsLanded())
    assert Verdict.of(check(missed()) for check in checks).answer is Answer.UNKNOWN


def test_a_fault_that_missed_is_remembered_when_judged_again(tmp_path: Path) -> None:
    """A saved run comes to the same verdict as the live trial: the fault never landed."""
    trial = rejudged(saved(missed(), tmp_path / "runs" / "one"), lambda one: one.run)
    with suppress(AssertionError):
        trial.baseline(duration_s=20)
        with trial.fault(Scale(Ref("Deployment", "", ""), 1)):
            trial.hold(duration_s=1)
        trial.judge(SERVED, needs_fault=False)
    assert trial.judgement is not None
    found = {one.check: one.answer for one in trial.judgement.verdict.findings}
    assert found.get("fault-landed") is Answer.UNKNOWN
    assert trial.judgement.verdict.answer is Answer.UNKNOWN


def test_a_measurement_without_a_fault_is_judged_again_as_it_was(tmp_path: Path) -> None:
    """No fault was needed and none was made: that passes live, and when it is judged again."""
    history = Rolling().stands("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice").history()
    assert FaultsLanded(needed=False)(history).answer is Answer.PASS
    trial = rejudged(saved(history, tmp_path / "runs" / "one"), lambda one: one.run)
    trial.baseline(duration_s=20)
    trial.judge(SERVED, needs_fault=False)
    assert trial.judgement is not None
    assert trial.judgement.verdict.answer is Answer.PASS


class PassesWithoutProof:
    """A scenario's own check that passes and names nothing that it looked at."""

    name = "own-check"

    def __call__(self, history: History) -> Finding:  # noqa: ARG002  # a check's shape
        """Pass."""
        return Finding(self.name, Answer.PASS, rule="All is well.", limit="nothing", measured="nothing")


def test_a_pass_without_an_obligation_is_unknown(tmp_path: Path) -> None:
    """Nothing passes by saying nothing."""
    told = closed(kill_story().history(), tmp_path / "run", PassesWithoutProof())
    own = next(one for one in told["findings"] if one["check"] == "own-check")
    assert own["answer"] == told["answer"] == "UNKNOWN"
    assert "proved nothing" in own["reason"]
