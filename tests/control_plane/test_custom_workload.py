"""A workload of a kind that others added to the API: adopted by its scale, tried under the printed identity, judged."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_sets import KIND, RESOURCE, Controller, controlled, define, make_set, owner_of, pod_spec, remove, say_status
from plain_service import plain_namespace, service_of
from simulated_cluster import SimulatedCluster
from staging_ground import Staging, role_kubeconfig
from trial_room import Room, answering
from typer.testing import CliRunner

from chaos import faults
from chaos.checks import Recovered, Witnessed
from chaos.checks.verdict import Answer
from chaos.cli.app import app
from chaos.cli.plan.index import ClusterIndex
from chaos.cli.plan.listing import gather
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.errors import UsageError
from chaos.faults import targets
from chaos.history import load_history
from chaos.objects.base import Ref
from chaos.system.adopt.find import SystemQuery, adopt
from chaos.trial.config import read_config
from chaos.wait import until

pytestmark = pytest.mark.timed

pytest_plugins = ["pytester"]

SETTLED_S = 90.0
"""The disruption controller learns of a new kind within half a minute."""

SCENARIOS = """
import pytest
from chaos import faults, targets
from chaos.checks import BudgetHeld, Recovered, Witnessed

def test_kill(trial, system, traffic):
    '''One pod may be killed.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            trial.hold(duration_s=1)
        trial.recovery()
    trial.judge(Recovered(), Witnessed("delete-pod"))

def test_evict(trial, system, traffic):
    '''The disruption budget lets one pod go, and counts as many as the scale says.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.Evict(targets.one(system))):
            trial.hold(duration_s=1)
        trial.recovery()
    trial.judge(BudgetHeld(ready_min=2), Recovered(), Witnessed("evict-pod", outcome="ok"))

def test_release(trial, system, traffic):
    '''Nobody knows how to release a new version of this kind.'''
    with trial.fault(faults.RollingUpdate(system.workload)):
        pass
"""


@pytest.fixture
def cluster(simulated: SimulatedCluster) -> Iterator[Cluster]:
    """A connection, on a cluster to which the kind was added."""
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as made:
        define(made)
        yield made


def guard(cluster: Cluster, namespace: str) -> None:
    """A Service and a disruption budget over the pods of `chat`, and an autoscaler that leaves them as they are."""
    _, service, budget = service_of("chat")
    target = {"apiVersion": "serving.example.com/v1beta1", "kind": "ModelSet", "name": "chat"}
    scaler: dict[str, Any] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat"},
        "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4},
    }
    executor = LiveExecutor(cluster, NullJournal())
    for one in (service, budget, scaler):
        one["metadata"]["namespace"] = namespace
        done = executor.do(mutations.apply(one, field_manager="kubectl"))
        assert done.outcome == "ok", done.reason


def count(cluster: Cluster, namespace: str, expected: int) -> None:
    """Wait until the disruption controller has counted that many pods, all healthy, by the scale of their controller.

    It learns of a new kind within half a minute, and counts anew when the budget changes.
    """
    executor, asked = LiveExecutor(cluster, NullJournal()), itertools.count()

    def status() -> dict[str, Any]:
        found: dict[str, Any] = (cluster.get("PodDisruptionBudget", namespace, "chat-pdb") or {}).get("status", {})
        return found

    def settled() -> bool:
        if (status().get("expectedPods"), status().get("currentHealthy")) == (expected, expected):
            return True
        again = {"metadata": {"annotations": {"counted": str(next(asked))}}}
        executor.do(mutations.patch(Ref("PodDisruptionBudget", namespace, "chat-pdb"), again))
        return False

    until(
        settled,
        deadline_s=SETTLED_S,
        awaited="the disruption budget's count",
        last_seen=lambda: f"{status()}; {len(cluster.list('Pod', namespace))} pods",
        poll_s=1,
    )


@pytest.fixture
def kept(cluster: Cluster) -> Iterator[tuple[str, Controller]]:
    """The namespace of a ModelSet `chat` of three pods with its Service, budget and autoscaler; and its controller."""
    with plain_namespace(cluster) as namespace, controlled(cluster, namespace, replicas=3) as controller:
        guard(cluster, namespace)
        count(cluster, namespace, 3)
        yield namespace, controller


@pytest.fixture
def staging(simulated: SimulatedCluster, cluster: Cluster, kept: tuple[str, Controller]) -> Iterator[Staging]:
    """That service, allowed by its owners, as a session sees it."""
    with answering() as url:
        named = {"workload": f"{RESOURCE}/chat"}
        made = Staging(cluster, simulated, kept[0], url, Path(), named, RESOURCE)
        made.allow("pod-kill,evict,rolling-update")
        yield made


def session(pytester: pytest.Pytester, staging: Staging, *select: str) -> pytest.RunResult:
    """Run the scenarios as the identity that `gameday rbac` prints for them, with no other right."""
    scenarios = pytester.makepyfile(test_scenarios=SCENARIOS)
    least = role_kubeconfig(staging, pytester.path, str(scenarios))
    pytester.path.joinpath("gameday.toml").write_text(staging.file(cluster={"kubeconfig": str(least)}))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *select, timeout=150)


def test_scenarios_run_on_it_as_on_a_deployment(pytester: pytest.Pytester, staging: Staging) -> None:
    """A kill and an eviction under a budget that counts through the scale pass; what needs a Deployment is skipped."""
    result = session(pytester, staging)
    result.assert_outcomes(passed=2, skipped=1)
    assert f"rolling-update changes a Deployment, and the system is a {KIND}" in " ".join(result.stdout.str().split())
    runs = [one.parent for one in pytester.path.glob("runs/*/trial.json")]
    assert len(runs) == 2
    for run in runs:
        facts = load_history(run).facts
        assert (facts.workload_kind, facts.workload.replicas_path) == (KIND, ("spec", "count"))


def test_a_controller_that_does_not_replace_a_killed_pod_fails(
    pytester: pytest.Pytester, staging: Staging, kept: tuple[str, Controller]
) -> None:
    """Broken on purpose: the pod is not made anew, and that is told, within the bound of the slowest of Kubernetes'."""
    kept[1].replaces = False
    result = session(pytester, staging, "-k", "test_kill")
    result.assert_outcomes(failed=1)
    assert "FAIL    recovered" in result.stdout.str()


def test_without_consent_the_command_names_the_resource(pytester: pytest.Pytester, staging: Staging) -> None:
    """The annotation goes on the object of the kind that was adopted."""
    staging.allow("evict")
    result = session(pytester, staging, "-k", "test_kill")
    result.assert_outcomes(skipped=1)
    assert f"kubectl annotate {RESOURCE} chat -n {staging.namespace} --overwrite" in " ".join(
        result.stdout.str().split()
    )


def test_init_names_it_and_all_around_it_is_found(
    cluster: Cluster, simulated: SimulatedCluster, kept: tuple[str, Controller], tmp_path: Path
) -> None:
    """The file that init writes reads back; replicas, pods, budget and autoscaler are those of the kind."""
    namespace, file = kept[0], tmp_path / "gameday.toml"
    words = ["init", "--kube-context", simulated.context, "--kubeconfig", str(simulated.kubeconfig)]
    named = [*words, "--namespace", namespace, "--output", str(file), "--workload", f"{RESOURCE}/chat"]
    made = CliRunner().invoke(app, named)
    assert made.exit_code == 0, made.output
    query = read_config(file).system.query()
    assert (query.kind, query.name, query.disruption_budget, query.autoscaler) == (RESOURCE, "chat", "chat-pdb", "chat")
    system = adopt(cluster, query).system
    assert (system.workload.kind, system.spec.replicas, system.spec.grace_s) == (KIND, 3, 1)
    assert system.spec.autoscale is not None
    assert (system.workload_kind.through, dict(system.selector)) == ((), {"app": "chat"})


def test_a_wrong_name_is_told_with_the_right_one(cluster: Cluster, kept: tuple[str, Controller]) -> None:
    """The singular, an unknown group, a kind without a scale and a missing object are each named."""
    namespace = kept[0]
    for kind, name, words in (
        ("modelset.serving.example.com", "chat", f"write {RESOURCE}"),
        ("modelsets.serving.example", "chat", r"no group serving\.example is served"),
        ("customresourcedefinitions.apiextensions.k8s.io", RESOURCE, "has no scale subresource"),
        (RESOURCE, "chap", "name one of chat"),
    ):
        with pytest.raises(UsageError, match=words):
            adopt(cluster, SystemQuery(namespace=namespace, kind=kind, name=name))


def test_a_plan_counts_its_budget_through_the_scale(cluster: Cluster, kept: tuple[str, Controller]) -> None:
    """`gameday plan` counts as the disruption controller does, though it never lists objects of that kind."""
    guard_ = ClusterIndex.of(gather(cluster)).budgets[f"{kept[0]}/chat-pdb"]
    assert (guard_.unknown, guard_.state.healthy, guard_.state.desired, guard_.state.allowed) == ("", 3, 2, 1)


def below(kind: str, owner: dict[str, Any] | None) -> dict[str, Any]:
    """A controller of Kubernetes' own with three pods of `chat`, below another or by itself."""
    labels = {"app": "chat"}
    selector: dict[str, Any] = labels if kind == "ReplicationController" else {"matchLabels": labels}
    spec = {"replicas": 3, "selector": selector, "template": {"metadata": {"labels": labels}, "spec": pod_spec()}}
    if kind == "StatefulSet":
        spec |= {"serviceName": "chat", "podManagementPolicy": "Parallel"}
    metadata = {"name": "chat", **({"ownerReferences": [owner_of(owner)]} if owner else {})}
    return {
        "apiVersion": "v1" if kind == "ReplicationController" else "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("kind", "through"),
    [
        ("ReplicaSet", ()),
        ("ReplicationController", ()),
        (RESOURCE, ("ReplicaSet",)),
        (RESOURCE, ("StatefulSet",)),
    ],
    ids=["ReplicaSet", "ReplicationController", "through a ReplicaSet", "through a StatefulSet"],
)
def test_pods_are_followed_up_to_the_workload(
    simulated: SimulatedCluster, cluster: Cluster, tmp_path: Path, kind: str, through: tuple[str, ...]
) -> None:
    """A bare ReplicaSet, a ReplicationController, and kinds that leave their pods to controllers of Kubernetes' own."""
    with plain_namespace(cluster) as namespace, answering() as url:
        made = make_set(cluster, namespace, replicas=3) if through else None
        manifest = below(through[0] if through else kind, made)
        manifest["metadata"]["namespace"] = namespace
        executor = LiveExecutor(cluster, NullJournal())
        applied = executor.do(mutations.apply(manifest, field_manager="kubectl"))
        assert applied.outcome == "ok", applied.reason
        if through:
            say_status(cluster, namespace, 3)
        guard(cluster, namespace)
        count(cluster, namespace, 3)
        room = Room(simulated, url, tmp_path)
        with room.cluster:
            found = adopt(room.cluster, SystemQuery(namespace=namespace, kind=kind, name="chat"))
            assert found.system.workload_kind.through == through
            with room.trial("followed", found) as ready:
                with ready.traffic.steady(rate_rps=10):
                    ready.trial.baseline(duration_s=2)
                    with ready.trial.fault(faults.PodKill(targets.one(ready.system), grace_s=0)):
                        ready.trial.hold(duration_s=1)
                    ready.trial.recovery()
                ready.trial.judge(Recovered(), Witnessed("delete-pod", outcome="ok"))
        assert room.judged[-1].verdict.answer is Answer.PASS
        executor.do(mutations.delete(Ref(through[0] if through else kind, namespace, "chat")))
        if made:
            remove(cluster, namespace, made)
