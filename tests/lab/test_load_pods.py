"""Load from pods on the lab: one is killed in mid-run, and the report says what is missing, and whose fault it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos.checks import GeneratorSound, SloMet
from chaos.cluster import NullJournal, OpenHand, mutations, ref_of
from chaos.crew.place import CREW, INDEX
from chaos.facts import ScenarioFacts
from chaos.ground import Ground, on_lab
from chaos.history import load_history
from chaos.judgement import Judgement
from chaos.lab.model_image import MODEL_IMAGE
from chaos.load import LoadWish
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.stage import Callbacks, Staged, staged
from chaos.system import SystemSpec
from chaos.verdict import Answer, NotProven
from loadgen.profiles import HttpProfile
from reports import summarise
from reports.html import page

pytestmark = pytest.mark.root

SPEC = SystemSpec(name="model", image=MODEL_IMAGE, image_pull_policy="Never", replicas=2, profile="http")
RATE_RPS = 30.0
SLO = Slo(availability=0.99)


def kill_worker(ground: Ground, number: int) -> str:
    """Delete the pod of a worker at once, and give its name."""
    pods = ground.cluster.list("Pod", None, selector=CREW)
    raw = next(one for one in pods if one["metadata"]["annotations"][INDEX] == str(number))
    assert OpenHand(ground.cluster, NullJournal()).do(mutations.delete_pod(ref_of(raw), grace_s=0)).outcome == "ok"
    return str(raw["metadata"]["name"])


def lose_one(ready: Staged, ground: Ground) -> str:
    """A trial of three workers, of which the second dies; the name of its pod."""
    with ready.traffic.steady(rate_rps=RATE_RPS):
        ready.trial.baseline(duration_s=6)
        killed = kill_worker(ground, 1)
        ready.trial.hold(duration_s=6)
    with pytest.raises(NotProven):
        ready.trial.judge(GeneratorSound(), SloMet(SLO))
    return killed


def test_a_worker_that_is_killed_makes_the_generator_unknown_and_nothing_a_failure(tmp_path: Path) -> None:
    """The records of the other two are whole, what the killed one owed is counted and named, and nothing is left."""
    run = tmp_path / "run"
    judged: list[Judgement] = []

    def draw(judgement: Judgement) -> Path:
        judged.append(judgement)
        return run / "report.html"

    with on_lab(nodes=3, keep=False, words="the tests of load pods", progress=Terminal()) as ground:
        with staged(
            ground,
            SPEC,
            HttpProfile(path="/readyz"),
            ScenarioFacts("load_pods", "tests/load_pods", "a claim", seed=7),
            run=run,
            leashed=False,
            pods_max=None,
            load_wish=LoadWish(workers=3, in_cluster=True),
            keep_namespace=False,
            callbacks=Callbacks(say=print, draw=draw),
        ) as ready:
            killed = lose_one(ready, ground)
        assert not ground.cluster.list("Pod", None, selector=CREW)
        assert not ground.cluster.list("Job", None, selector=CREW)
    history = load_history(run)
    [judgement] = judged
    answers = {finding.check: finding for finding in judgement.verdict.findings}
    assert judgement.verdict.answer is Answer.UNKNOWN
    assert not [finding for finding in judgement.verdict.findings if finding.answer is Answer.FAIL]
    assert not history.stopped
    sound, met = answers["generator-sound"], answers["slo-met"]
    assert f"worker 1 of the generator was lost, and {sound.values['arrivals_lost']} arrivals" in sound.reason
    assert killed in sound.reason
    assert sound.values["arrivals_lost"] == sound.values["arrivals_missing"] > 3 * RATE_RPS / 3
    assert not met.values["bad"]
    expected = sound.values["arrivals_expected"]
    for number in (0, 2):
        own = sorted(row["id"] for row in history.requests.iter_rows(named=True) if row["id"] % 3 == number)
        assert own == list(range(number, int(str(expected)), 3))
    for worker in history.load_workers:
        # One machine, one clock: what was measured of it is known to be nothing.
        assert abs(worker.drift_ns or 0) <= worker.error_ns + worker.drift_error_ns
        assert worker.clock_error_ns < 50_000_000
    assert json.loads((run / "trial.json").read_text())["system"]["vantage"].startswith("3 pods in the cluster")
    drawn = page(summarise(history, judgement.verdict, run=run))
    assert "3 pods in the cluster" in drawn
    assert "worker 1 of the generator was lost" in drawn
