"""A run that dies at any moment leaves its undo entries in the cluster, and the next command executes them all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from dying import BELOW_THE_API, FAULTS, IN_CONTAINERS, die_at
from plain_service import apply_all, plain_namespace, service_of, settle, snapshot
from recorded_infrastructure import recorded, taken
from simulated_cluster import SimulatedCluster
from typer.testing import CliRunner

from chaos import faults
from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.faults.undo import find_left, undo_all
from chaos.faults.undo.find import Left
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.lease import LEASE_NAME
from chaos.safety.owner import Owner
from chaos.safety.undo_journal import OURS

LINES_MAX = 80

HOSTS: Mapping[str, Callable[[Owner], Owner]] = {
    "the same": lambda here: here,
    "another": lambda here: replace(here, host="runner-2"),
    "the same after a reboot": lambda here: replace(here, scope="boot-2/pid:[4026531836]"),
    "a CronJob's after the deadline": lambda here: replace(here, host="undo-1"),
}
EACH_HOST = [pytest.param((one,), id=one, marks=pytest.mark.slow) for one in HOSTS]
LONG_AGO = "2026-01-01T00:00:00.000000Z"

KILLED = (*FAULTS, *BELOW_THE_API)

NOT_UNDONE = {"ClusterUpgrade", "AutoscalerRestart"}
"""What goes forward only; what an upgrade closes, and how that is opened, is the pool's drain."""

OF_THE_LAB = {"MetricsDown"}
"""Programs of the lab's control plane: `gameday lab up` lets them go on, whatever became of the run."""


def test_every_fault_is_enumerated() -> None:
    """A new fault cannot be forgotten here: each is killed at its steps, on simulated nodes or in the lab."""
    known = {fault.__name__ for fault in faults.ALL_FAULTS}
    below = {name.partition(" ")[0] for name in BELOW_THE_API}
    assert known == set(FAULTS) | set(IN_CONTAINERS) | below | NOT_UNDONE | OF_THE_LAB


def found_from(host: str, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Left, ...]:
    """What a process finds that runs where the dead run ran, or elsewhere: there its lease tells, or its deadline."""
    with monkeypatch.context() as patched:
        here = HOSTS[host](Owner.this_process())
        patched.setattr(Owner, "this_process", lambda: here)
        left = find_left(cluster, namespace)
        if host == "the same" or not left:
            return left
        if host == "a CronJob's after the deadline":
            assert all(one.alive for one in left)
            late_ns = max(entry.deadline_ns for one in left for entry in one.entries) + 1
            patched.setattr(time, "time_ns", lambda: late_ns)
            return find_left(cluster, namespace)
        assert all("nothing is known before its deadline" in one.alive for one in left)
        spec = {"holderIdentity": f"{left[0].owner}, since then", "leaseDurationSeconds": 15, "renewTime": LONG_AGO}
        lease = Ref("Lease", namespace, LEASE_NAME)
        metadata = {"name": lease.name, "namespace": namespace}
        made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        executor = LiveExecutor(cluster, NullJournal())
        assert executor.do(mutations.create(made)).outcome == "ok"
        left = find_left(cluster, namespace)
        executor.do(mutations.delete(lease))
        return left


@pytest.mark.parametrize("hosts", [pytest.param(tuple(HOSTS), id="in turns"), *EACH_HOST])
@pytest.mark.parametrize("fault", KILLED)
def test_a_kill_at_each_journalled_step_is_healed(  # noqa: PLR0917  # fixtures
    simulated: SimulatedCluster,
    cluster: Cluster,
    tmp_path: Path,
    fault: str,
    hosts: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after each line in turn, and found on its host or elsewhere: undone, once and for all.

    Where takes turns, from another place on for each fault; `make safety` tries each line from each place.
    """
    executor = LiveExecutor(cluster, NullJournal())
    healed = found_taken = 0
    first = KILLED.index(fault)
    infrastructure = recorded(tmp_path)
    with plain_namespace(cluster) as namespace:
        apply_all(cluster, namespace, service_of("chat", replicas=3))
        before = snapshot(cluster, namespace)
        for line in range(1, LINES_MAX):
            died = die_at(simulated, namespace, fault, line, tmp_path)
            left = found_from(hosts[(first + line) % len(hosts)], cluster, namespace, monkeypatch)
            assert died or left == (), "a run that came to its end left something"
            assert all(one.alive == "" for one in left)
            found_taken += bool(taken(cluster, namespace, tmp_path))
            results = undo_all(cluster, executor, left, infrastructure=infrastructure)
            assert [one.words for one in results if one.result == "left"] == []
            assert taken(cluster, namespace, tmp_path) == [], f"killed after line {line}"
            healed += sum(one.result == "undone" for one in results)
            assert snapshot(cluster, namespace) == before, f"killed after line {line}"
            again = undo_all(cluster, executor, find_left(cluster, namespace), infrastructure=infrastructure)
            assert again == ()
            settle(cluster, namespace)
            if not died:
                break
        else:
            pytest.fail(f"{fault} never came to its end within {LINES_MAX} lines")
    assert line > 1
    if fault not in ("PodKill", "Evict"):
        assert healed > 0, "no kill left anything to heal, so nothing was proved"
    assert (found_taken > 0) == (fault in BELOW_THE_API)


def test_a_policy_that_cuts_a_pod_off_is_taken_away(cluster: Cluster) -> None:
    """Gone after the first undoing; an entry of one that was never made is nothing."""
    executor = LiveExecutor(cluster, NullJournal())
    with plain_namespace(cluster) as namespace:
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        for name in ("gameday-cut-1", "gameday-cut-2"):
            policy = Ref("NetworkPolicy", namespace, name)
            assert log.record(UndoEntry("delete-policy", policy, f"kubectl delete networkpolicy {name}")) == ""
        made = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "gameday-cut-1", "namespace": namespace, "labels": dict(OURS)},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        }
        assert executor.do(mutations.create(made)).outcome == "ok"
        results = undo_all(cluster, executor, find_left(cluster, namespace))
        assert sorted(one.result for one in results) == ["nothing", "undone"]
        assert cluster.get("NetworkPolicy", namespace, "gameday-cut-1") is None
        assert find_left(cluster, namespace) == ()


def test_one_that_cannot_be_undone_stops_no_other(cluster: Cluster) -> None:
    """A part that somebody else changed since is left and told; the node after it is opened; forgetting ends it."""
    executor = LiveExecutor(cluster, NullJournal())
    with plain_namespace(cluster) as namespace:
        apply_all(cluster, namespace, service_of("chat", replicas=1))
        raw = cluster.get("PodDisruptionBudget", namespace, "chat-pdb")
        assert raw is not None
        budget = Ref("PodDisruptionBudget", namespace, "chat-pdb", raw["metadata"]["uid"])
        node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        wanted = {**raw["spec"], "maxUnavailable": 2}
        detail = {"path": "/spec", "before": raw["spec"], "wanted": wanted}
        assert log.record(UndoEntry("uncordon", node, f"kubectl uncordon {node.name}", fault="f-1")) == ""
        assert log.record(UndoEntry("restore-part", budget, "kubectl edit pdb chat-pdb", detail, "f-2")) == ""
        executor.do(mutations.patch(node, {"spec": {"unschedulable": True}}))
        executor.do(mutations.patch(budget, {"spec": {"maxUnavailable": 3}}))
        first = undo_all(cluster, executor, find_left(cluster, namespace))
        assert [(one.entry.fault, one.result) for one in first] == [("f-2", "left"), ("f-1", "undone")]
        assert "changed by somebody else" in first[0].words
        assert f"run: kubectl edit poddisruptionbudget -n {namespace} chat-pdb" in first[0].words
        (left,) = find_left(cluster, namespace)
        assert [one.fault for one in left.entries] == ["f-2"]
        undo_all(cluster, executor, [left], forget=True)
        assert find_left(cluster, namespace) == ()


def test_a_living_run_is_left_alone(simulated: SimulatedCluster, cluster: Cluster) -> None:
    """What a run that is at work has recorded is its own, until its deadline; `gameday undo` says so."""
    executor = LiveExecutor(cluster, NullJournal())
    options = ["--kubeconfig", str(simulated.kubeconfig), "--kube-context", simulated.context]
    with plain_namespace(cluster) as namespace:
        node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
        entry = UndoEntry("uncordon", node, f"kubectl uncordon {node.name}", fault="node-drain-1")
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=3600)
        assert log.record(entry) == ""
        executor.do(mutations.patch(node, {"spec": {"unschedulable": True}}))
        (left,) = find_left(cluster, namespace)
        assert "of this host runs" in left.alive
        status = CliRunner().invoke(app, ["status", *options])
        assert f"node-drain-1: uncordon Node -/{node.name}" in status.stdout
        undo = CliRunner().invoke(app, ["undo", *options])
        assert (undo.exit_code, "left alone: run-1" in undo.stdout) == (1, True)
        forced = CliRunner().invoke(app, ["undo", "--force", *options])
        assert (forced.exit_code, f"node {node.name} is open again" in forced.stdout) == (0, True)
        again = CliRunner().invoke(app, ["undo", *options])
        assert (again.exit_code, again.stdout) == (0, "nothing is left to undo\n")
        late = ClusterUndoLog(executor, namespace, "run-2", deadline_s=-1)
        assert late.record(entry) == ""
        (left,) = find_left(cluster, namespace)
        assert left.alive == ""
        assert [one.result for one in undo_all(cluster, executor, [left])] == ["nothing"]


def test_a_node_that_an_operator_closed_since_is_left_closed(cluster: Cluster) -> None:
    """After our cordon was opened and an operator closed the node, undoing leaves it to them, and says so."""
    executor = LiveExecutor(cluster, NullJournal())
    node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
    with plain_namespace(cluster) as namespace:
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        assert log.record(UndoEntry("uncordon", node, "", fault="f-1")) == ""
        try:
            for closed, who in ((True, "gameday"), (None, "gameday"), (True, "kubectl-cordon")):
                executor.do(mutations.patch(node, {"spec": {"unschedulable": closed}}, field_manager=who))
            (done,) = undo_all(cluster, executor, find_left(cluster, namespace))
            assert (done.result, "closed anew by kubectl-cordon" in done.words) == ("nothing", True)
            assert ((cluster.get("Node", None, node.name) or {})["spec"]).get("unschedulable") is True
            assert find_left(cluster, namespace) == ()
        finally:
            executor.do(mutations.patch(node, {"spec": {"unschedulable": None}}))


def test_nothing_is_done_that_cannot_be_written_down(cluster: Cluster) -> None:
    """Where the undo journal cannot be written, the fault says so and the object stays as it is."""
    executor = LiveExecutor(cluster, NullJournal())
    node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
    log = ClusterUndoLog(executor, "nowhere", "run-1", deadline_s=60)
    told = log.record(UndoEntry("uncordon", node, "", fault="f-1"))
    assert "the undo journal cannot be written" in told
    assert "nowhere" in told


def test_what_is_no_entry_of_ours_is_reported(cluster: Cluster) -> None:
    """An entry that cannot be read is neither undone nor thrown away."""
    executor = LiveExecutor(cluster, NullJournal())
    with plain_namespace(cluster) as namespace:
        node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        assert log.record(UndoEntry("uncordon", node, "", fault="f-1")) == ""
        (left,) = find_left(cluster, namespace)
        executor.do(mutations.patch(left.where, {"data": {"0009": "{}"}}))
        (spoilt,) = find_left(cluster, namespace)
        assert spoilt.refused == ("0009: KeyError: 'kind'",)
        undo_all(cluster, executor, [replace(spoilt)])
        (kept,) = find_left(cluster, namespace)
        assert (kept.entries, kept.refused) == ((), spoilt.refused)
