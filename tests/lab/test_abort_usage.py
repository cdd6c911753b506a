"""A limit on what a pod may use, by the metrics API of a real cluster: it stops the trial, which heals at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chaos import faults
from chaos.checks import Recovered
from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cluster import Cluster
from chaos.errors import NotProven
from chaos.faults import targets
from chaos.history import load_history
from chaos.lab import Lab
from chaos.progress import Terminal
from chaos.safety.abort_conditions import AbortLimits
from chaos.system import SystemSpec
from chaos.trial.environment import Environment
from chaos.trial.lab_environment import lab_environment
from chaos.trial.preflight.checks import ADOPTED_KINDS, require_metrics, require_served
from chaos.trial.request import Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, run_trial
from chaos.wait import until
from loadgen.profiles import OpenAiChatProfile

pytestmark = pytest.mark.root

LONG_S = 300.0
"""How long the fault would stand if nothing stopped the trial."""

NEW_VALUE_S = 60.0
"""For a pod that is new to have metrics: two readings of its kubelet, and metrics-server's own period of 10 s."""


@pytest.fixture(scope="module")
def environment(no_lab: Lab) -> Iterator[Environment]:
    """The lab with two nodes."""
    with lab_environment(nodes=2, keep=False, words="the tests of limits", progress=Terminal()) as stood:
        yield stood


@contextmanager
def model(environment: Environment, run: Path) -> Iterator[RunningTrial]:
    """A trial on two replicas of the reference model."""
    spec = SystemSpec(name="model", image=environment.reference_image, image_pull_policy="Never", profile="openai-chat")
    request = TrialRequest(
        scenario=ScenarioFacts("usage", "tests/usage", "A node may be drained.", seed=7),
        run=run,
        system=spec.having(replicas=2),
        profile=OpenAiChatProfile(model="smollm2", prompts=("Say hello.",), max_tokens=4),
    )
    with run_trial(environment, request, Output(lambda _line: None, lambda judged: judged.run)) as ready:
        yield ready


def known(cluster: Cluster, namespace: str, pods: list[str]) -> bool:
    """Whether the metrics API tells of all these pods."""
    told = {one["metadata"]["name"] for one in cluster.list("PodMetrics", namespace)}
    return told >= set(pods)


def test_a_pod_over_its_limit_stops_the_trial_and_heals(environment: Environment, tmp_path: Path) -> None:
    """A model holds more than 20 MiB: the trial stops, the node is open again, and the verdict is UNKNOWN."""
    limited = replace(environment, limits=AbortLimits(usage={"memory": "20Mi"}))
    run = tmp_path / "run"
    with model(limited, run) as ready:
        trial = ready.trial
        with ready.traffic.steady(rate_rps=2):
            trial.baseline(duration_s=2)
            with trial.fault(faults.NodeDrain(targets.fullest_node(ready.system), deadline_s=60)):
                trial.hold(duration_s=LONG_S)
            trial.recovery()
        with pytest.raises(NotProven, match=r"safety.abort_usage: model-.* of memory, over 20Mi"):
            trial.judge(Recovered())
    history = load_history(run)
    assert "safety.abort_usage" in history.stopped
    assert all(fault.healed_ns is not None for fault in history.faults)
    assert read_verdict(run).answer is Answer.UNKNOWN
    assert not any(node["spec"].get("unschedulable") for node in environment.cluster.list("Node"))


def test_the_lab_serves_and_tells_all_that_is_asked_for_first(environment: Environment, tmp_path: Path) -> None:
    """Every API version is there, and the metrics API comes to know pods that are new."""
    require_served(environment.cluster, ADOPTED_KINDS)
    with model(environment, tmp_path / "served") as ready:
        names = [pod.name for pod in ready.system.pods()]
        until(
            lambda: known(environment.cluster, ready.system.namespace, names),
            deadline_s=NEW_VALUE_S,
            awaited="metrics of new pods",
            poll_s=1,
        )
        require_metrics(environment.cluster, ready.system.namespace, names, why="this test")
