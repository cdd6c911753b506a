"""Trial namespaces on a real control plane: made, taken down, held up, swept."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from simulated_cluster import SimulatedCluster
from system_ground import MODEL, connected

from chaos.cluster import Cluster, Executor, mutations
from chaos.errors import ClusterRefused, TimedOut, UsageError
from chaos.faults.undo import undo_of_deployed
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.owner import Owner
from chaos.safety.sign_of_life import last_sign, sign_of_life
from chaos.safety.undo_journal import own_namespace
from chaos.system import delete_namespace, deploy, namespace_of_trial, sweep, trial_namespace
from chaos.system.deploy.namespace import journal_namespace, namespace_manifest
from chaos.wait import until


@pytest.fixture(scope="module")
def executors(simulated: SimulatedCluster) -> Iterator[tuple[Cluster, Executor]]:
    """A connection and a hand."""
    with connected(simulated) as both:
        yield both


@pytest.fixture
def dead() -> Owner:
    """A process of this host that has ended."""
    with subprocess.Popen(["/bin/true"]) as child:
        pass
    return replace(Owner.this_process(), pid=child.pid, started=1)


class TrialBroke(Exception):
    """What a trial may raise."""


def make(executor: Executor, name: str, owner: Owner, **metadata: Any) -> Ref:
    """Create a namespace as `owner` would; `metadata` replaces what it says of itself."""
    manifest = namespace_manifest(name, run="run-1", owner=owner, created_ns=time.time_ns())
    manifest["metadata"].update(metadata)
    done = executor.do(mutations.create(manifest))
    assert isinstance(done.body, dict)
    return Ref("Namespace", "", name, done.body["metadata"]["uid"])


def test_a_trials_namespace_is_marked_and_goes_with_it(executors: tuple[Cluster, Executor]) -> None:
    """The namespace says whose it is while the trial runs, and is gone afterwards, also when the trial raised."""
    cluster, executor = executors
    name = namespace_of_trial("test_pod_kill[one]", "run-1")
    with contextlib.suppress(TrialBroke), trial_namespace(cluster, executor, name, run="run-1") as ref:
        raw = cluster.get("Namespace", None, name)
        assert raw is not None
        assert raw["metadata"]["uid"] == ref.uid
        assert raw["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "gameday"
        assert raw["metadata"]["annotations"]["gameday.dev/run-id"] == "run-1"
        assert Owner.read(raw["metadata"]["annotations"]) == Owner.this_process()
        raise TrialBroke
    assert cluster.get("Namespace", None, name) is None


def test_a_kept_namespace_stays(executors: tuple[Cluster, Executor]) -> None:
    """A namespace that people want to look at is still there after the trial."""
    cluster, executor = executors
    with trial_namespace(cluster, executor, namespace_of_trial("kept", "run-1"), run="run-1", keep=True) as ref:
        pass
    assert cluster.get("Namespace", None, ref.name) is not None
    delete_namespace(cluster, executor, ref)


def test_waiting_for_the_pods_only_leaves_no_pod(executors: tuple[Cluster, Executor]) -> None:
    """With `pods_only` the wait ends when the last pod is gone, and the namespace is on its way out."""
    cluster, executor = executors
    name = namespace_of_trial("pods-only", "run-1")
    with trial_namespace(cluster, executor, name, run="run-1", pods_only=True):
        system = deploy(executor, MODEL, name, run="run-1")
        assert system.objects
        until(lambda: len(cluster.list("Pod", name)) == 3, deadline_s=10, awaited="three pods")
    assert cluster.list("Pod", name) == []
    raw = cluster.get("Namespace", None, name)
    assert raw is None or "deletionTimestamp" in raw["metadata"]


def test_a_name_that_is_taken_is_refused(executors: tuple[Cluster, Executor]) -> None:
    """Two trials never share a namespace: making one that exists is refused with its name."""
    cluster, executor = executors
    with (
        trial_namespace(cluster, executor, "gameday-taken", run="run-1"),
        pytest.raises(ClusterRefused, match=r"Namespace gameday-taken was not created: .*already exists"),
        trial_namespace(cluster, executor, "gameday-taken", run="run-2"),
    ):
        raise AssertionError("the second namespace was made")


def test_what_holds_a_namespace_is_said(executors: tuple[Cluster, Executor]) -> None:
    """A namespace that does not go in time is told with the finalizer that holds it."""
    cluster, executor = executors
    ref = make(executor, namespace_of_trial("held", "run-1"), Owner.this_process())
    held = Ref("ConfigMap", ref.name, "held")
    metadata = {"name": "held", "namespace": ref.name, "finalizers": ["example.org/hold"]}
    executor.do(mutations.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
    with pytest.raises(TimedOut) as raised:
        delete_namespace(cluster, executor, ref, deadline_s=10)
    assert f"namespace {ref.name} to be gone: not within 10 s" in str(raised.value)
    assert "example.org/hold" in str(raised.value)
    executor.do(mutations.patch(held, {"metadata": {"finalizers": None}}))
    delete_namespace(cluster, executor, ref)
    assert cluster.get("Namespace", None, ref.name) is None


def test_a_namespace_that_is_not_ours_is_not_deleted(executors: tuple[Cluster, Executor]) -> None:
    """Without our label a namespace is refused, whoever asks."""
    cluster, executor = executors
    with pytest.raises(UsageError, match="namespace default does not bear the label"):
        delete_namespace(cluster, executor, Ref("Namespace", "", "default"))
    assert cluster.get("Namespace", None, "default") is not None


def test_a_successor_of_the_same_name_is_not_deleted(executors: tuple[Cluster, Executor]) -> None:
    """A namespace made under the old name since is another one, and stays."""
    cluster, executor = executors
    ref = make(executor, "gameday-successor", Owner.this_process())
    delete_namespace(cluster, executor, replace(ref, uid="an-older-one"))
    raw = cluster.get("Namespace", None, ref.name)
    assert raw is not None
    assert "deletionTimestamp" not in raw["metadata"]
    delete_namespace(cluster, executor, ref)


def test_a_journal_outlives_its_trial_until_it_is_empty(executors: tuple[Cluster, Executor]) -> None:
    """What a heal could not undo is still known when the trial's namespace is gone; the next session undoes it."""
    cluster, executor = executors
    name = namespace_of_trial("journal", "run-1")
    node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
    with (
        journal_namespace(cluster, executor, name, run="run-1") as ref,
        trial_namespace(cluster, executor, name, run="run-1"),
    ):
        log = ClusterUndoLog(executor, name, "run-1", deadline_s=-1)
        assert log.record(UndoEntry("uncordon", node, "", fault="f-1")) == ""
        executor.do(mutations.patch(node, {"spec": {"unschedulable": True}}))
    assert cluster.get("Namespace", None, name) is None
    raw = cluster.get("Namespace", None, ref.name)
    assert raw is not None
    assert "deletionTimestamp" not in raw["metadata"]
    (done,) = undo_of_deployed(cluster)
    assert (done.result, done.words) == ("undone", f"node {node.name} is open again")
    delete_namespace(cluster, executor, ref)
    with journal_namespace(cluster, executor, name, run="run-2") as empty:
        pass
    raw = cluster.get("Namespace", None, empty.name)
    assert raw is None or "deletionTimestamp" in raw["metadata"]


def test_a_sweep_leaves_what_is_to_be_undone(executors: tuple[Cluster, Executor], dead: Owner) -> None:
    """The journal of a dead run goes once nothing is left in it, not before."""
    cluster, executor = executors
    name = namespace_of_trial("swept", "run-1")
    ref = make(executor, own_namespace(name), dead)
    node = next(Ref("Node", "", one["metadata"]["name"], one["metadata"]["uid"]) for one in cluster.list("Node"))
    assert ClusterUndoLog(executor, name, "run-1", deadline_s=-1).record(UndoEntry("uncordon", node, "")) == ""
    sweep(cluster, executor)
    assert "deletionTimestamp" not in (cluster.get("Namespace", None, ref.name) or {})["metadata"]
    assert [one.result for one in undo_of_deployed(cluster)] == ["nothing"]
    sweep(cluster, executor)
    assert cluster.get("Namespace", None, ref.name) is None


def test_a_sweep_takes_only_what_dead_runs_left(executors: tuple[Cluster, Executor], dead: Owner) -> None:
    """Of a dead run, a living run, other hosts and a stranger only what is known to be dead goes; the rest is told."""
    cluster, executor = executors
    left = make(executor, "gameday-left", dead)
    living = make(executor, "gameday-living", Owner.this_process())
    elsewhere, silent = (make(executor, f"gameday-{name}", replace(dead, host=name)) for name in ("soak", "silent"))
    stranger = make(executor, "gameday-stranger", dead, labels={"app.kubernetes.io/managed-by": "Helm"})
    all_five = {left.name, living.name, elsewhere.name, silent.name, stranger.name}

    def there() -> set[str]:
        return all_five & {one["metadata"]["name"] for one in cluster.list("Namespace")}

    said: list[str] = []
    with sign_of_life(executor, elsewhere.name):
        until(lambda: last_sign(cluster, elsewhere.name), deadline_s=30, awaited="a sign of life")
        sweep(cluster, executor, said.append)
    assert there() == {living.name, elsewhere.name, silent.name, stranger.name}
    assert f"kubectl delete namespace {silent.name}" in said[0]
    order = mutations.patch(
        Ref("ConfigMap", elsewhere.name, "gameday-alive"),
        {"metadata": {"annotations": {"gameday.dev/renewed": "2026-01-01T00:00:00.000Z"}}},
    )
    assert executor.do(order).outcome == "ok"
    sweep(cluster, executor)
    assert there() == {living.name, silent.name, stranger.name}
    executor.do(mutations.delete(stranger))
    for ref in (living, silent):
        delete_namespace(cluster, executor, ref)
