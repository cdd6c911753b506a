"""A baseline waits for the answers to its own requests, and for none longer than a request may take."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from histories import Story, at
from trial_contexts import context_with

from chaos.history import History, Phase
from chaos.trial import trial as trials
from chaos.trial.preflight.consent import Consent
from chaos.trial.request import Output
from chaos.trial.trial import Trial

BEGIN_S, END_S, ANSWER_S = 13.0, 15.0, 16.0
"""The baseline, after 13 s of traffic; its first request, meant as it begins, is answered 16 s later."""

OF_BASELINE = range(26, 30)
TIMEOUT_S = 20.0


class Cluster:
    """A cluster in which nothing happens but that time passes: `now_s` of the trial, all at once."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def monotonic(self) -> float:
        """The clock of whoever waits."""
        return self.now_s

    def wait_for(self, until: Any, timeout_s: float) -> bool:
        """As the recorder waits, at once."""
        self.now_s += timeout_s
        return bool(until())

    def prove(self) -> None:
        """The watch has nothing to add."""


def recorded(now_s: float, latency_s: float, outcome: str) -> History:
    """What of the trial has a record by then: two requests a second, each only once it has ended."""
    story = Story(now_s + 0.1).replicas("a", "b").traffic(rate_rps=2, latency_s=latency_s).fate(OF_BASELINE, outcome)
    story.rows = [row for row in story.rows if row["end_ns"] <= at(now_s)]
    (stream,) = story.parts["streams"]
    phases = (Phase("baseline", at(BEGIN_S), at(END_S)),)
    return story.has(streams=(replace(stream, end_ns=None),), phases=phases, finished=False).history()


@pytest.mark.parametrize(
    ("latency_s", "outcome", "until_s", "stopped"),
    [
        pytest.param(0.1, "ok", END_S, "", id="answered at once"),
        pytest.param(ANSWER_S, "ok", BEGIN_S + ANSWER_S, "", id="answered later"),
        pytest.param(ANSWER_S, "failed", BEGIN_S + ANSWER_S + 1, "were not answered in full", id="failed later"),
        pytest.param(1000, "ok", END_S + TIMEOUT_S + 2, "had no answer yet", id="never answered"),
    ],
)
def test_a_baseline_waits_for_its_own_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, latency_s: float, outcome: str, *, until_s: float, stopped: str
) -> None:
    """Answers that take longer than the baseline are awaited; such as fail or never come stop the trial."""
    cluster, said = Cluster(), list[str]()
    monkeypatch.setattr(trials, "time", cluster)
    monkeypatch.setattr(trials, "load_history", lambda _run: recorded(cluster.now_s, latency_s, outcome))
    context = context_with(
        environment=SimpleNamespace(stop_reason=lambda: ""),
        consent=Consent(),
        abort_conditions=SimpleNamespace(objection=lambda: ""),
        recorder=cluster,
        journal=SimpleNamespace(event=lambda *_words, **_more: None),
        data=SimpleNamespace(profile=SimpleNamespace(longest_s=TIMEOUT_S)),
    )
    traffic = SimpleNamespace(long_enough=lambda duration_s, _slo: (duration_s, ""), check=lambda: None)
    trial = Trial(tmp_path, context, cast("Any", traffic), Output(said.append, lambda judged: judged.run))
    trial.baseline(duration_s=END_S - BEGIN_S)
    reasons = [line for line in said if line.startswith("stopped: unsteady baseline")]
    assert cluster.now_s == until_s
    assert [stopped in line for line in reasons] == [True] * bool(stopped)
