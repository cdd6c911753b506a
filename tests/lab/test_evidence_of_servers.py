"""On the lab: of a trial with a kill is kept what the servers say of themselves, and what their containers wrote."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chaos import faults
from chaos.checks import EngineAgrees, Recovered
from chaos.checks.judge import judge_run
from chaos.checks.verdict import Answer
from chaos.errors import NotProven
from chaos.faults import targets
from chaos.history import load_history
from chaos.history.facts.engine_counts import engine_lives
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.lab import Lab
from chaos.progress import Terminal
from chaos.system import SystemSpec
from chaos.trial.lab_environment import lab_environment
from chaos.trial.request import Output, ScenarioFacts, TrialRequest
from chaos.trial.run import run_trial
from loadgen.profiles import OpenAiChatProfile
from reports import summarise

pytestmark = pytest.mark.root

PROMPT = "Tell me of the canary in the coal mine."


def test_metrics_and_logs_of_every_replica_are_kept(no_lab: Lab, tmp_path: Path) -> None:
    """Of the victim up to its end, of its replacement from its begin; the counts of both sides agree."""
    run = tmp_path / "run"
    with lab_environment(nodes=2, keep=False, words="the tests of evidence", progress=Terminal()) as environment:
        image = environment.reference_image
        spec = SystemSpec(name="model", image=image, image_pull_policy="Never", profile="openai-chat")
        request = TrialRequest(
            scenario=ScenarioFacts("evidence", "tests/evidence", "A replica may be killed.", seed=7),
            run=run,
            system=spec.having(replicas=3),
            profile=OpenAiChatProfile(model="smollm2", prompts=(PROMPT,), max_tokens=4),
        )
        with run_trial(environment, request, Output(lambda _line: None, lambda judged: judged.run)) as ready:
            trial = ready.trial
            with ready.traffic.steady(rate_rps=2):
                trial.baseline(duration_s=10)
                with trial.fault(faults.PodKill(targets.one(ready.system), grace_s=0)):
                    trial.hold(duration_s=5)
                trial.recovery()
            try:
                trial.judge(Recovered(), EngineAgrees())
            except NotProven:  # of answers that ended as the victim was killed nobody knows
                assert trial.judgement is not None
                assert trial.judgement.verdict.answer is Answer.UNKNOWN, trial.judgement.text()
    history = load_history(run)
    replicas = {life.name for life in pod_lives(history) if life.ready_spans}
    lives = {life.pod: life for life in engine_lives(history)}
    assert set(lives) >= replicas
    assert all(lives[name].readings[-1].whole is not None for name in replicas)
    assert {life.engine for life in lives.values()} == {"gameday's reference server"}
    assert {log.pod for log in history.logs} >= replicas
    assert any(log.tail for log in history.logs)
    for path in (run / "logs").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert PROMPT.encode() not in path.read_bytes()
    verdict = judge_run(run, [EngineAgrees()]).verdict
    assert verdict.findings[0].answer is not Answer.FAIL, verdict.lines()
    report = summarise(history, verdict, run=run)
    assert {series.quantity for series in report.engines} >= {"running", "waiting", "tokens"}
    assert any(one.pod in replicas for one in report.last_words)
