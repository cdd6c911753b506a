"""Load from pods on the lab: one is killed in mid-run, and the report says what is missing, and whose fault it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.checks import GeneratorHealthy, SloMet
from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations, ref_of
from chaos.errors import NotProven
from chaos.faults.undo import find_left
from chaos.history import load_history
from chaos.lab import Lab
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.plugin.markers import allow_deploying
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted, SystemQuery, adopt
from chaos.system.deploy.apply import deploy
from chaos.system.deploy.namespace import journal_namespace, trial_namespace
from chaos.trial.environment import Environment
from chaos.trial.lab_environment import lab_environment
from chaos.trial.load_pods.job import INDEX, LOAD_LABEL
from chaos.trial.request import LoadSettings, Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, run_trial
from loadgen.profiles import HttpProfile
from reports import summarise
from reports.page.report import page

pytestmark = pytest.mark.root

SPEC = SystemSpec(name="model", image=MODEL_IMAGE, image_pull_policy="Never", replicas=2, profile="http")
RATE_RPS = 30.0
SLO = Slo(availability=0.99)


def kill_worker(admin: Cluster, number: int) -> str:
    """Delete the pod of a worker at once, and give its name."""
    pods = admin.list("Pod", None, selector=LOAD_LABEL)
    raw = next(one for one in pods if one["metadata"]["annotations"][INDEX] == str(number))
    assert LiveExecutor(admin, NullJournal()).do(mutations.delete_pod(ref_of(raw), grace_s=0)).outcome == "ok"
    return str(raw["metadata"]["name"])


def lose_one(ready: RunningTrial, admin: Cluster) -> str:
    """A trial of three workers, of which the second dies; the name of its pod."""
    with ready.traffic.steady(rate_rps=RATE_RPS):
        ready.trial.baseline(duration_s=6)
        killed = kill_worker(admin, 1)
        ready.trial.hold(duration_s=6)
    with pytest.raises(NotProven):
        ready.trial.judge(GeneratorHealthy(), SloMet(SLO))
    return killed


@pytest.fixture(scope="module")
def environment() -> Iterator[Environment]:
    """The lab, as an account with the rights of a trial whose load comes from pods, and no more."""
    with lab_environment(nodes=3, keep=False, words="the tests of load pods", progress=Terminal()) as stood:
        allow_deploying(stood, (), load_pods=True)
        yield stood


@pytest.fixture(scope="module")
def admin(environment: Environment) -> Iterator[Cluster]:  # the lab is up with it
    """The cluster as its administrator: what a test does to it, and looks at, is none of the account's doing."""
    facts = Lab().facts()
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster:
        yield cluster


@dataclass(slots=True)
class Book:
    """One trial's run folder, and the judgement that was drawn from it."""

    run: Path
    judged: list[Judgement] = field(default_factory=list)

    def draw(self, judgement: Judgement) -> Path:
        """Keep it."""
        self.judged.append(judgement)
        return self.run / "report.html"

    @contextmanager
    def trial(self, environment: Environment, workers: int, adopted: Adopted | None = None) -> Iterator[RunningTrial]:
        """A trial with so many load pods."""
        request = TrialRequest(
            scenario=ScenarioFacts("load_pods", "tests/load_pods", "a claim", seed=7),
            run=self.run,
            system=adopted or SPEC,
            profile=HttpProfile(path="/readyz"),
            load=LoadSettings(workers=workers, in_cluster=True),
        )
        with run_trial(environment, request, Output(say=print, draw=self.draw)) as ready:
            yield ready


def assert_nothing_left(admin: Cluster) -> None:
    """No Job, no load pod, and no promise."""
    assert not admin.list("Pod", None, selector=LOAD_LABEL)
    assert not admin.list("Job", None, selector=LOAD_LABEL)
    assert not find_left(admin, None)


def test_a_worker_that_is_killed_makes_the_generator_unknown_and_nothing_a_failure(
    environment: Environment, admin: Cluster, tmp_path: Path
) -> None:
    """The records of the other two are whole, what the killed one owed is counted and named, and nothing is left."""
    book = Book(tmp_path / "run")
    with book.trial(environment, 3) as ready:
        killed = lose_one(ready, admin)
    assert_nothing_left(admin)
    history, [judgement] = load_history(book.run), book.judged
    answers = {finding.check: finding for finding in judgement.verdict.findings}
    assert judgement.verdict.answer is Answer.UNKNOWN
    assert not [finding for finding in judgement.verdict.findings if finding.answer is Answer.FAIL]
    assert not history.stopped
    sound, met = answers["generator-healthy"], answers["slo-met"]
    assert f"worker 1 of the generator was lost, and {sound.values['arrivals']['lost']} arrivals" in sound.reason
    assert killed in sound.reason
    assert sound.values["arrivals"]["lost"] == sound.values["arrivals"]["missing"] > 3 * RATE_RPS / 3
    assert not met.values["bad"]
    expected = int(str(sound.values["arrivals"]["expected"]))
    for number in (0, 2):
        own = sorted(row["id"] for row in history.requests.iter_rows(named=True) if row["id"] % 3 == number)
        assert own == list(range(number, expected, 3))
    drawn = page(summarise(history, judgement.verdict, run=book.run))
    assert "3 pods in the cluster" in drawn
    assert "worker 1 of the generator was lost" in drawn


def test_the_clocks_of_pods_are_found_to_be_the_one_that_they_are(
    environment: Environment, admin: Cluster, tmp_path: Path
) -> None:
    """All nodes of the lab have one clock: what is measured through the API server is nothing, to within its error."""
    book = Book(tmp_path / "run")
    with (
        journal_namespace(admin, executor(admin), "gameday-load-pods-test", run="t"),
        trial_namespace(admin, executor(admin), "gameday-load-pods-test", run="t"),
        book.trial(environment, 2, deployed_by_others(admin, "gameday-load-pods-test")) as ready,
    ):
        with ready.traffic.steady(rate_rps=RATE_RPS):
            ready.trial.baseline(duration_s=8)
        pods = admin.list("Pod", None, selector=LOAD_LABEL)
        assert {one["metadata"]["namespace"] for one in pods} == {"gameday-load-pods-test"}
        with pytest.raises(NotProven):  # there was no fault
            ready.trial.judge(GeneratorHealthy(), SloMet(SLO))
    assert_nothing_left(admin)
    [judgement] = book.judged
    answers = {finding.check: finding.answer for finding in judgement.verdict.findings}
    assert answers["generator-healthy"] is answers["slo-met"] is Answer.PASS
    workers = load_history(book.run).load_workers
    assert len(workers) == 2
    for worker in workers:
        assert worker.drift_ns is not None
        assert abs(worker.drift_ns) <= worker.error_ns + worker.drift_error_ns
        assert worker.clock_error_ns < 50_000_000


def executor(admin: Cluster) -> LiveExecutor:
    """A hand that nobody keeps a journal of."""
    return LiveExecutor(admin, NullJournal())


def deployed_by_others(admin: Cluster, namespace: str) -> Adopted:
    """A system that runs in a namespace already, as it is found there."""
    deploy(executor(admin), SPEC, namespace, run="t")
    return adopt(admin, SystemQuery(namespace=namespace, kind="Deployment", name=SPEC.name))
