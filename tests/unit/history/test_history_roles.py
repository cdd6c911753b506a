"""A system of several workloads: each has its own record of the trial, and its own verdicts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import WORKLOAD, at, deployment, kill_story, killed, pod, replica_set, request
from run_folders import TRIAL, Folder

from chaos.checks import InRole, Recovered
from chaos.checks.verdict import Answer
from chaos.history import History, load_history

ROUTER = "router"


def listed(raw: dict[str, Any], kind: str) -> tuple[float, str, str, dict[str, Any]]:
    """One object when the watch began."""
    return (0.0, kind, "LISTED", {"object": raw})


def folder_with_router(path: Path) -> Folder:
    """A run with the engine's pods `a` and `b`, and a router's pod `r`, which a fault killed."""
    folder = Folder(path)
    victims = [{"kind": "Pod", "namespace": "n", "name": "model-r", "uid": "r"}]
    fault = {"fault": "pod-kill-1", "name": "pod-kill", "words": "kill", "victims": victims, "parameters": {}}
    other = {**fault, "fault": "pod-kill-2", "victims": [{**victims[0], "uid": "a"}]}
    folder.actions((1, "fault-begin", fault), (2, "fault-begin", other))
    folder.watch(listed(deployment(2), "Deployment"), listed(pod("a", ready=True), "Pod"))
    inner = path / "roles" / ROUTER
    inner.mkdir(parents=True)
    below = Folder(inner)
    system = {**TRIAL["system"], "workload": {"kind": "Deployment", "name": ROUTER}, "service": "front"}  # type: ignore[dict-item]
    (inner / "trial.json").write_text(json.dumps({**TRIAL, "system": system, "role": ROUTER}))
    below.watch(listed(replica_set(1), "ReplicaSet"), listed(pod("r", ready=True), "Pod"))
    return folder


def test_each_workload_has_its_own_record(tmp_path: Path) -> None:
    """The main record is as it was; the router's has its own pods, Service and faults, and all the requests."""
    history = folder_with_router(tmp_path).load()
    assert (history.facts.workload_name, [fault.id for fault in history.faults]) == (
        WORKLOAD,
        ["pod-kill-1", "pod-kill-2"],
    )
    router = history.roles[ROUTER]
    assert (router.facts.workload_name, router.facts.service) == (ROUTER, "front")
    assert [fault.id for fault in router.faults] == ["pod-kill-1"]
    assert {event.object["metadata"]["uid"] for event in router.watch if event.kind == "Pod"} == {"r"}
    assert router.requests.equals(history.requests)
    assert (router.began_ns, router.ended_ns, router.roles) == (history.began_ns, history.ended_ns, {})


@pytest.mark.parametrize(("own", "named"), [("10.0.0.9", "model-r"), ("10.0.0.1", None)])
def test_an_address_may_be_that_of_a_pod_of_another_workload(own: str, named: str | None, tmp_path: Path) -> None:
    """A header that gives the router's address names the router; one that it shares with an engine's pod, nobody."""
    folder = folder_with_router(tmp_path)
    engine, router = pod("a", ready=True), pod("r", ready=True)
    engine["status"] |= {"podIP": "10.0.0.1"}
    router["status"] |= {"podIP": own}
    folder.watch(listed(deployment(2), "Deployment"), listed(engine, "Pod"))
    Folder(tmp_path / "roles" / ROUTER).watch(listed(replica_set(1), "ReplicaSet"), listed(router, "Pod"))
    row = request(0, "steady-1", at(1)) | {"replica": f"{own}:8000"}
    (tmp_path / "requests.jsonl").write_text(json.dumps(row) + "\n")
    history = load_history(tmp_path)
    assert history.requests["replica"].to_list() == [named]
    assert history.roles[ROUTER].requests["replica"].to_list() == [named]


def test_a_fault_without_victims_is_one_of_each_workload(tmp_path: Path) -> None:
    """The controller that scales is started anew for all of them."""
    folder = folder_with_router(tmp_path)
    anew = {"fault": "autoscaler-restart-1", "name": "autoscaler-restart", "words": "restart", "victims": []}
    folder.actions((3, "fault-begin", {**anew, "parameters": {}}))
    history = folder.load()
    assert [fault.id for fault in history.faults][-1:] == ["autoscaler-restart-1"]
    assert [fault.id for fault in history.roles[ROUTER].faults][-1:] == ["autoscaler-restart-1"]


def test_an_older_run_has_no_roles(tmp_path: Path) -> None:
    """Without such a folder there is only the engine."""
    assert Folder(tmp_path).load().roles == {}
    assert load_history(tmp_path).roles == {}


def test_a_check_of_a_role_judges_that_workload() -> None:
    """Its replica never came back, though the engine's did; and under its own name."""
    history = _with(kill_story().history(), killed().history())
    finding = InRole(ROUTER, Recovered())(history)
    assert (finding.check, finding.answer) == ("recovered-router", Answer.FAIL)
    assert Recovered()(history).answer is Answer.PASS


def test_a_role_that_was_not_recorded_is_unknown() -> None:
    """What nobody saw is never PASS, and the words say which roles there are."""
    history = _with(killed().history(), killed().history())
    finding = InRole("prefill", Recovered())(history)
    assert finding.answer is Answer.UNKNOWN
    assert "no workload of the system had the role prefill; recorded: router" in finding.reason


def _with(history: History, router: History) -> History:
    return replace(history, roles={ROUTER: router})
