"""A system that somebody else deployed: found, tried, and left as it was."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from plain_service import apply_all, plain_namespace, service_of, shared_namespace, snapshot
from trial_room import Room

from chaos import faults
from chaos.checks import Recovered, Witnessed
from chaos.checks.verdict import Answer
from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.errors import NotProven, UsageError
from chaos.faults import targets
from chaos.history import load_history
from chaos.objects.base import Ref
from chaos.system.adopt.find import SystemQuery, adopt
from chaos.system.deploy.manifest_folder import read_manifests
from chaos.trial.run import RunningTrial

pytestmark = pytest.mark.timed


def test_all_that_scenarios_need_is_read_from_the_live_objects(cluster: Cluster) -> None:
    """Only the workload is named; its Service, budget, probes and bounds are found, and the neighbour's are not."""
    with shared_namespace(cluster) as namespace:
        found = adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat", tolerance=1))
        system, spec = found.system, found.system.spec
        assert (system.service, system.port, dict(system.selector)) == ("chat", 80, {"app": "chat"})
        assert {ref.name for ref in system.objects} == {"chat", "chat-pdb"}
        assert (spec.replicas, spec.port, spec.service_port, spec.grace_s) == (4, 8000, 80, 1)
        assert spec.readiness is not None
        assert (spec.readiness.path, spec.readiness.period_s) == ("/health", 2)
        assert (spec.startup, spec.liveness, spec.autoscale) == (None, None, None)
        assert spec.disruption_budget is not None
        assert (spec.disruption_budget.max_unavailable, spec.losses_tolerated) == (1, 1)


def test_what_is_missing_or_ambiguous_is_named(cluster: Cluster) -> None:
    """A wrong name, a workload without a Service and one with two are each an error that names what there is."""
    with plain_namespace(cluster) as namespace:
        workload, service, budget = service_of("chat", replicas=1)
        apply_all(cluster, namespace, [workload, budget])
        query = SystemQuery(namespace=namespace, kind="Deployment", name="chat")
        with pytest.raises(UsageError, match="no Service in namespace"):
            adopt(cluster, query)
        second = {**service, "metadata": {"name": "chat-too"}}
        apply_all(cluster, namespace, [service, second])
        with pytest.raises(UsageError, match=r"chat, chat-too(.|\n)*name one as system\.service"):
            adopt(cluster, query)
        named = SystemQuery(namespace=namespace, kind="Deployment", name="chat", service="chat-too")
        assert adopt(cluster, named).system.service == "chat-too"
        with pytest.raises(UsageError, match=r"no Deployment chap(.|\n)*name one of chat"):
            adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chap"))
        with pytest.raises(UsageError, match="there is no namespace nowhere"):
            adopt(cluster, SystemQuery(namespace="nowhere", kind="Deployment", name="chat"))


def kill_one(ready: RunningTrial) -> None:
    """A whole scenario: one pod dies and is replaced."""
    with ready.traffic.steady(rate_rps=10):
        ready.trial.baseline(duration_s=2)
        with ready.trial.fault(faults.PodKill(targets.one(ready.system), grace_s=0)):
            ready.trial.hold(duration_s=1)
        ready.trial.recovery()
    ready.trial.judge(Recovered(), Witnessed("delete-pod", outcome="ok"))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_trial_leaves_an_adopted_system_as_it_was(room: Room, kind: str) -> None:
    """The claim is proved, and afterwards every object is the same one and reads the same; no neighbour was seen."""
    with shared_namespace(room.cluster, kind=kind) as namespace:
        before = snapshot(room.cluster, namespace)
        others = {pod["metadata"]["uid"] for pod in room.cluster.list("Pod", namespace, selector="app=other")}
        found = adopt(
            room.cluster,
            SystemQuery(namespace=namespace, kind="Deployment" if kind == "Deployment" else "StatefulSet", name="chat"),
        )
        with room.trial("adopted", found) as ready:
            assert len(ready.system.pods()) == 4
            kill_one(ready)
        assert room.judged[-1].verdict.answer is Answer.PASS
        assert snapshot(room.cluster, namespace) == before
        assert {pod["metadata"]["uid"] for pod in room.cluster.list("Pod", namespace, selector="app=other")} == others
        history = load_history(room.runs / "adopted")
        assert (history.facts.workload_kind, history.facts.raw["system"]["adopted"]) == (kind, True)
        seen = {event.object["metadata"]["labels"]["app"] for event in history.watch if event.kind == "Pod"}
        assert seen == {"chat"}


def test_a_rollout_on_an_adopted_system_is_put_back(room: Room) -> None:
    """After a release by annotation the template is what it was, the annotation gone, and the journal empty."""
    with shared_namespace(room.cluster) as namespace:
        before = snapshot(room.cluster, namespace)
        found = adopt(room.cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        with room.trial("rolled", found) as ready, ready.traffic.steady(rate_rps=10):
            ready.trial.baseline(duration_s=2)
            release = faults.RollingUpdate(ready.system.workload)
            with ready.trial.fault(release):
                ready.trial.hold(until=release.ended)
            ready.trial.recovery()
            ready.trial.judge(Witnessed("roll-out", outcome="ok"))
        assert snapshot(room.cluster, namespace) == before


def test_manifests_of_a_folder_are_deployed_and_tried(room: Room, tmp_path: Path) -> None:
    """What plain manifests say is deployed into a trial's namespace, tried, and taken away with it."""
    folder = tmp_path / "written"
    folder.mkdir()
    (folder / "all.yaml").write_text(yaml.safe_dump_all(service_of("chat", replicas=3)))
    with room.trial("manifests", read_manifests(folder)) as ready:
        namespace = ready.system.namespace
        assert namespace.startswith("gameday-")
        kill_one(ready)
    assert room.judged[-1].verdict.answer is Answer.PASS
    assert namespace not in room.namespaces()


def test_a_neighbours_pod_is_outside_the_blast_radius(room: Room) -> None:
    """A fault aimed at a pod of another workload in the same namespace is refused before anything is done."""
    with shared_namespace(room.cluster) as namespace:
        found = adopt(room.cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        other = room.cluster.list("Pod", namespace, selector="app=other")[0]["metadata"]
        aimed = targets.Targets("the neighbour", (Ref("Pod", namespace, other["name"], other["uid"]),))

        def scenario(ready: RunningTrial) -> None:
            with ready.traffic.steady(rate_rps=10):
                ready.trial.baseline(duration_s=2)
                with ready.trial.fault(faults.PodKill(aimed)):
                    pass

        with pytest.raises(UsageError, match="is not part of the system"), room.trial("aimed", found) as ready:
            scenario(ready)
        assert room.cluster.get("Pod", namespace, other["name"]) is not None


def test_a_node_with_a_neighbour_is_not_lost_without_a_word(room: Room) -> None:
    """A pod of another workload in the service's namespace is counted and named before the node is switched off."""
    with shared_namespace(room.cluster) as namespace:
        found = adopt(room.cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        with room.trial("neighbour", found) as ready:
            aim = targets.fullest_node(ready.system)
            spec = {
                "nodeName": aim.nodes[0].name,
                "automountServiceAccountToken": False,
                "containers": [{"name": "c", "image": "none"}],
            }
            metadata = {"name": "debug", "namespace": namespace}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            assert LiveExecutor(room.cluster, NullJournal()).do(mutations.create(pod)).outcome == "ok"
            with (
                pytest.raises(UsageError, match=rf"{namespace}/debug(.|\n)*whole_namespace=True"),
                ready.trial.fault(faults.NodeDown(aim)),
            ):
                pass
    assert not any(action.name == "node-off" for action in load_history(room.runs / "neighbour").actions)


def test_a_lost_lease_stops_the_trial_and_heals(room: Room) -> None:
    """Once the lease is lost nothing more is done, the fault that stands is healed, and the verdict is UNKNOWN."""
    with shared_namespace(room.cluster) as namespace:
        before = snapshot(room.cluster, namespace)
        found = adopt(room.cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        lost: list[str] = []
        with room.trial("lost", found, lost=lambda: "".join(lost)) as ready, ready.traffic.steady(rate_rps=10):
            ready.trial.baseline(duration_s=2)
            with ready.trial.fault(faults.BudgetChange(ready.system.disruption_budget, max_unavailable=2)):
                lost.append("the lease is held by another run now")
                ready.trial.hold(duration_s=30)
            with ready.trial.fault(faults.PodKill(targets.one(ready.system))):
                ready.trial.hold(duration_s=30)
            with pytest.raises(NotProven, match="the lease is held by another run now"):
                ready.trial.judge()
        assert room.judged[-1].verdict.answer is Answer.UNKNOWN
        assert snapshot(room.cluster, namespace) == before


def test_pods_of_another_owner_under_the_same_labels_are_refused(cluster: Cluster) -> None:
    """A bare pod that the selector matches could be taken for a replica, so it is named and nothing is adopted."""
    with shared_namespace(cluster) as namespace:
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "canary", "namespace": namespace, "labels": {"app": "chat", "track": "canary"}},
            # A ReplicaSet adopts a pod without a controller that matches its own selector, so it must have one.
            "spec": {"containers": [{"name": "server", "image": "registry.example/chat:2"}]},
        }
        owner = cluster.get("Service", namespace, "chat") or {}
        pod["metadata"] |= {
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "chat",
                    "uid": owner["metadata"]["uid"],
                    "controller": True,
                }
            ]
        }
        assert LiveExecutor(cluster, NullJournal()).do(mutations.create(pod)).outcome == "ok"
        with pytest.raises(UsageError, match="so does the owner of canary"):
            adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))


def test_a_scaled_down_system_cannot_be_adopted(cluster: Cluster) -> None:
    """There is nothing to test in a workload of no replica."""
    with plain_namespace(cluster) as namespace:
        apply_all(cluster, namespace, service_of("chat", replicas=1))
        found = adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        LiveExecutor(cluster, NullJournal()).do(mutations.scale(found.system.workload, 0))
        with pytest.raises(UsageError, match="is scaled to zero"):
            adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
