"""Real vLLM on processors, unmodified, adopted by what `gameday init` wrote, with nothing edited: `make vllm`.

Two replicas of a tiny model. Behind a preStop sleep that is longer than its answers users lose nothing. Without one,
SIGTERM ends every answer under way in good order, with `abort`: both sides count them. Its /health asks nobody.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from adopted_by_init import adopted_by_init, tried
from adopted_session import own_lab
from plain_model import spec_with
from vllm_image import MODEL, VLLM, vllm_image

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer, Finding
from chaos.history import load_history
from chaos.lab import LabFacts
from chaos.progress import Terminal
from chaos.system import SystemSpec
from chaos.trial.config import read_config

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

STARTS_WITHIN_S = 600.0
"""About 45 s of one core each, and both start at once beside all else on this host."""

HEALTH = {"path": "/health", "period_s": 2}
SERVER: dict[str, Any] = {
    "replicas": 2,
    "port": 8000,
    "startup": {**HEALTH, "failure_threshold": 150},
    "readiness": {**HEALTH, "timeout_s": 2},
    "liveness": {**HEALTH, "period_s": 5, "timeout_s": 5, "failure_threshold": 5},
    "cpu_request": "200m",
    "cpu_limit": None,
    "memory_request": "1500Mi",
    "memory_limit": "4Gi",
}
PATIENT = {**SERVER, "pre_stop_sleep_s": 5}
BARE = {**SERVER, "grace_s": 60}
"""Without a preStop sleep: what SIGTERM does is what users get."""

OWN = "tests/vllm/vllm_scenarios.py"
HANG, SPIKE = f"{OWN}::test_an_engine_that_hangs_is_found", f"{OWN}::test_a_spike_is_answered"
KILL = "scenarios/test_pod_kill.py::test_killed_pods_are_replaced_within_the_slo[one-graceful]"
DRAIN = "scenarios/test_node_drain.py::test_a_drained_node_costs_no_request"
RELEASE = "scenarios/test_rollout.py::test_a_release_loses_no_request"
TERMINATION = "scenarios/test_termination.py::test_a_killed_replica_ends_its_streams[own-drain]"

ABORTED = re.compile(rb"aborting in-flight requests count=(\d+)")
"""What its engine writes when it is told to end."""


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[LabFacts, str]]:
    """A lab of two nodes that have vLLM's image, and the image's name."""
    image = vllm_image(Terminal())
    with own_lab(2, "vLLM") as (lab, facts):
        yield facts, lab.take_image(image, Terminal())


def spec_of(image: str, fields: dict[str, Any]) -> SystemSpec:
    """What a team runs of it."""
    return spec_with({**fields, "image": image})


def with_shared_memory(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Room for what its processes share, as its documentation has it for Kubernetes."""
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108  # in the container
    return objects


@pytest.fixture
def served(
    ground: tuple[LabFacts, str], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[LabFacts, Path, str]]:
    """The service with the fields of the test's parameter: the lab, the file of it, its namespace."""
    facts, image = ground
    namespace = f"team-vllm-{'bare' if request.param is BARE else 'patient'}"
    spec, folder = spec_of(image, request.param), tmp_path / "team"
    with adopted_by_init(facts, namespace, folder, spec, change=with_shared_memory, within_s=STARTS_WITHIN_S) as file:
        yield facts, file, namespace


def findings(run: Path) -> dict[str, Finding]:
    """What each check said of a run."""
    return {one.check: one for one in read_verdict(run).findings}


def runs(file: Path) -> list[Path]:
    """The folders of all runs that were judged, in order."""
    return sorted(path.parent for path in (file.parent / "runs").glob("*/verdict.json"))


@pytest.mark.parametrize("served", [PATIENT], indirect=True)
def test_behind_a_pre_stop_sleep_users_lose_nothing_and_a_hung_engine_is_a_zombie(
    served: tuple[LabFacts, Path, str],
) -> None:
    """Kill, drain, release and spike pass; while the engine hangs, /health goes on with 200, and it stays Ready."""
    facts, file, namespace = served
    traffic = read_config(file).traffic
    assert (traffic.engine, traffic.profile, traffic.canary) == ("vllm", "openai-chat", True)
    assert traffic.engine_version.startswith(VLLM)
    assert traffic.request["model"] == MODEL

    found = tried(facts, file, namespace, [KILL, DRAIN, RELEASE, SPIKE])
    assert {row.scenario: (row.result, row.reason) for row in found if row.result != "PASS"} == {}

    before = set(runs(file))
    (row,) = tried(facts, file, namespace, [HANG])
    assert row.result == "failure", row
    (run,) = set(runs(file)) - before
    zombie = findings(run)["zombie-found"]
    assert zombie.answer is Answer.FAIL, zombie.line()
    history = load_history(run)
    (fault,) = history.faults
    assert fault.begin_ns is not None
    ready = [
        condition["status"]
        for event in history.watch
        if event.kind == "Pod" and event.at_ns > fault.begin_ns and event.object["metadata"]["uid"] in victims(run)
        for condition in event.object.get("status", {}).get("conditions") or ()
        if condition["type"] == "Ready"
    ]
    assert "False" not in ready, "its probes found it after all"


def victims(run: Path) -> set[str]:
    """The UIDs of the pods that the faults of a run hit."""
    return {victim.uid for fault in load_history(run).faults for victim in fault.victims}


@pytest.mark.parametrize("served", [BARE], indirect=True)
def test_a_killed_replica_aborts_its_answers_and_both_sides_count_them(served: tuple[LabFacts, Path, str]) -> None:
    """What the canary held is cut off in good order; the engine's log says of how many requests."""
    facts, file, namespace = served
    (row,) = tried(facts, file, namespace, [TERMINATION])
    assert row.result == "failure", row
    (run,) = runs(file)
    ended = findings(run)["graceful-termination"]
    assert ended.answer is Answer.FAIL, ended.line()
    assert "finish what it has taken" in ended.reason, ended.line()
    history = load_history(run)
    assert history.canary is not None
    held = [one for one in history.canary.held if one.outcome == "truncated"]
    users = history.requests.filter(pl.col("outcome") == "truncated").height
    said = b"".join(path.read_bytes() for path in sorted((run / "logs").iterdir()))
    aborted = [int(count) for count in ABORTED.findall(said)]
    print(f"cut off: {sum(aborted)} by the engines' word, {len(held)} of the canary, {users} of users")  # noqa: T201
    assert held
    assert aborted
    # A request may come just as the engine counts.
    assert abs(sum(aborted) - len(held) - users) <= len(aborted)
