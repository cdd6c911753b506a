"""Mutations on a real API server: what happened, what did not, and what nobody can know."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_room import Room, config_map, pod, read_lines, room
from fault_proxy import Answer, Delay, Drop, FaultProxy, Swallow
from simulated_cluster import SimulatedCluster

from chaos.clock import Clock
from chaos.cluster import DryRunExecutor, Journal, LiveExecutor, Recorder, Scope, connect, mutations, ref_of
from chaos.objects.base import Ref


@pytest.fixture
def here(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace, directly on the server."""
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        yield made


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy before the server."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


@pytest.fixture
def through(proxy: FaultProxy, tmp_path: Path) -> Iterator[LiveExecutor]:
    """A hand that reaches the server through the proxy; its journal is `through.jsonl`."""
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        Journal(tmp_path / "through.jsonl", Clock.start()) as journal,
    ):
        yield LiveExecutor(cluster, journal)


def _running(here: Room, *names: str) -> list[Ref]:
    """Make pods and wait until simulated nodes run them and they are Ready."""
    for name in names:
        here.make(pod(here, name))
    scope = Scope("Pod", here.namespace)
    with Recorder(here.cluster, here.clock, here.folder / f"{names[0]}.jsonl", [scope]) as recorder:

        def ready() -> list[Ref]:
            pods = [obj for obj in recorder.objects("Pod") if _is_ready(obj)]
            return [ref_of(obj) for obj in pods] if len(pods) == len(names) else []

        refs = recorder.wait(ready, deadline_s=30, awaited="pods ready")
    return sorted(refs, key=lambda ref: ref.name)


def _is_ready(obj: dict[str, object]) -> bool:
    conditions = obj["status"].get("conditions", ())  # type: ignore[attr-defined]  # raw API object
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _budget(here: Room, name: str, min_available: int) -> None:
    """Make a disruption budget for the model's pods and wait until its controller has counted them."""
    here.make(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": here.namespace},
            "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": "model"}}},
        }
    )
    scope = Scope("PodDisruptionBudget", here.namespace)
    with Recorder(here.cluster, here.clock, here.folder / f"{name}.jsonl", [scope]) as recorder:
        assert recorder.wait_for(
            lambda: any(
                obj["metadata"]["name"] == name and obj["status"].get("currentHealthy", 0) > 0
                for obj in recorder.objects("PodDisruptionBudget")
            ),
            20,
        )


def test_what_happened_is_ok_and_journalled_before_and_after(here: Room) -> None:
    """An answered mutation leaves a begin and an end that say what was asked, of whom, and what came of it."""
    made = here.make(config_map(here, "one", colour="blue"))
    begin, end = here.actions()[-2:]
    assert (begin["event"], begin["action"], begin["id"]) == ("action-begin", "create", end["id"])
    assert begin["target"] == {"kind": "ConfigMap", "namespace": here.namespace, "name": "one", "uid": ""}
    assert begin["detail"]["body"]["data"] == {"colour": "blue"}
    assert (end["event"], end["outcome"]) == ("action-end", "ok")
    assert end["detail"]["uid"] == made["metadata"]["uid"]
    assert begin["at_ns"] <= end["at_ns"]


def test_the_contents_of_a_secret_stay_out_of_the_journal(here: Room) -> None:
    """A Secret is made, and what is in it is nowhere in the run folder."""
    metadata = {"name": "key", "namespace": here.namespace}
    here.make({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"word": "open-sesame"}})
    assert "open-sesame" not in (here.folder / "actions.jsonl").read_text()


def test_applying_twice_changes_only_what_is_said(here: Room) -> None:
    """Server-side apply creates, then changes, and a field that another manager owns stays as it is."""
    wanted = config_map(here, "applied", colour="blue")
    assert here.executor.do(mutations.apply(wanted)).status == 201
    other = here.executor.do(mutations.patch(Ref("ConfigMap", here.namespace, "applied"), {"data": {"size": "big"}}))
    assert other.outcome == "ok"
    assert here.executor.do(mutations.apply(config_map(here, "applied", colour="red"))).status == 200
    now = here.cluster.get("ConfigMap", here.namespace, "applied")
    assert now is not None
    assert now["data"] == {"colour": "red", "size": "big"} or now["data"] == {"colour": "red"}


def test_a_successor_of_the_same_name_does_not_die(here: Room) -> None:
    """A delete carries the victim's UID: the pod that took its name in the meantime is refused, and lives."""
    first = ref_of(here.make(pod(here, "model-0", scheduled=False)))
    assert here.executor.do(mutations.delete_pod(first, grace_s=0)).outcome == "ok"
    second = ref_of(here.make(pod(here, "model-0", scheduled=False)))
    late = here.executor.do(mutations.delete_pod(first, grace_s=0))
    assert (late.outcome, late.status) == ("fail", 409)
    assert "409" in here.actions()[-1]["detail"]["reason"]
    now = here.cluster.get("Pod", here.namespace, "model-0")
    assert now is not None
    assert ref_of(now) == second
    evicted = here.executor.do(mutations.evict_pod(first))
    assert (evicted.outcome, evicted.status) == ("fail", 409)


def test_a_patch_meant_for_another_object_is_refused(here: Room) -> None:
    """Patches and scaling name the object by UID too, and leave a successor as it is."""
    made = ref_of(here.make(config_map(here, "patched", colour="blue")))
    stranger = replace(made, uid="7d7f0f0e-0000-4000-8000-000000000000")
    refused = here.executor.do(mutations.patch(stranger, {"data": {"colour": "red"}}))
    assert (refused.outcome, refused.status) == ("fail", 422)
    assert "metadata.uid" in refused.reason
    assert here.executor.do(mutations.patch(made, {"data": {"colour": "red"}})).outcome == "ok"
    labels = {"matchLabels": {"app": "none"}}
    template = {"metadata": {"labels": {"app": "none"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "scaled", "namespace": here.namespace},
        "spec": {"replicas": 0, "selector": labels, "template": template},
    }
    made = ref_of(here.make(deployment))
    assert here.executor.do(mutations.scale(replace(made, uid=stranger.uid), 1)).outcome == "fail"
    assert here.executor.do(mutations.scale(made, 2)).outcome == "ok"
    now = here.cluster.get("Deployment", here.namespace, "scaled")
    assert now is not None
    assert now["spec"]["replicas"] == 2


def test_a_spent_disruption_budget_refuses_an_eviction(here: Room) -> None:
    """The eviction answers 429 with the budget as the cause: it did not happen, and the pod is not being deleted."""
    (victim,) = _running(here, "model-0")
    _budget(here, "tight", 1)
    refused = here.executor.do(mutations.evict_pod(victim))
    assert (refused.outcome, refused.status, refused.budget_refused) == ("fail", 429, True)
    assert here.actions()[-1]["detail"]["causes"] == ["DisruptionBudget"]
    now = here.cluster.get("Pod", here.namespace, "model-0")
    assert now is not None
    assert "deletionTimestamp" not in now["metadata"]


def test_an_eviction_within_the_budget_happens(here: Room) -> None:
    """With one pod to spare an eviction is granted once; a dry run before it spends nothing."""
    first, second = _running(here, "model-0", "model-1")
    _budget(here, "roomy", 1)
    assert here.executor.do(mutations.evict_pod(first, dry_run=True)).outcome == "ok"
    assert here.executor.do(mutations.evict_pod(first)).outcome == "ok"
    assert here.executor.do(mutations.evict_pod(second)).budget_refused


def test_two_disruption_budgets_on_a_pod_refuse_its_eviction(here: Room) -> None:
    """A pod in two budgets cannot be evicted: the server's 500 without a reason is a refusal, not a doubt."""
    (victim,) = _running(here, "model-0")
    _budget(here, "one", 0)
    _budget(here, "two", 0)
    refused = here.executor.do(mutations.evict_pod(victim))
    assert (refused.outcome, refused.budget_refused) == ("fail", False)
    assert "more than one PodDisruptionBudget" in refused.reason
    assert here.cluster.get("Pod", here.namespace, "model-0") is not None


def test_what_is_not_there_cannot_be_deleted(here: Room) -> None:
    """A 404 is a fail with the server's words, and raises nothing."""
    gone = here.executor.do(mutations.delete(Ref("ConfigMap", here.namespace, "never")))
    assert (gone.outcome, gone.status) == ("fail", 404)
    assert "not found" in gone.reason


def test_an_answer_that_never_came_leaves_it_unknown(here: Room, proxy: FaultProxy, through: LiveExecutor) -> None:
    """The server did it, the connection broke before its answer: info, and not asked a second time."""
    proxy.trouble(Swallow(), path="/configmaps", method="POST")
    done = through.do(mutations.create(config_map(here, "swallowed")))
    assert (done.outcome, done.status) == ("info", None)
    assert here.cluster.get("ConfigMap", here.namespace, "swallowed") is not None
    end = read_lines(here.folder / "through.jsonl")[-1]
    assert (end["event"], end["outcome"]) == ("action-end", "info")
    assert "broke" in end["detail"]["reason"]
    assert sum(line.startswith("POST") for line in proxy.seen) == 1


def test_a_server_that_is_too_slow_leaves_it_unknown(here: Room, proxy: FaultProxy, through: LiveExecutor) -> None:
    """A timeout after sending is info: what was sent may still be done."""
    proxy.trouble(Delay(3), path="/configmaps", method="POST")
    slow = mutations.create(config_map(here, "slow"))
    done = through.do(replace(slow, timeout_s=0.5))
    assert done.outcome == "info"
    assert "silent" in done.reason


def test_a_connection_broken_before_the_answer_leaves_it_unknown(
    here: Room, proxy: FaultProxy, through: LiveExecutor
) -> None:
    """Nothing happened, but this side cannot know that: info."""
    proxy.trouble(Drop(), path="/configmaps", method="POST")
    assert through.do(mutations.create(config_map(here, "dropped"))).outcome == "info"
    assert here.cluster.get("ConfigMap", here.namespace, "dropped") is None


def test_a_refused_connection_means_it_did_not_happen(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Nothing was sent, so nothing happened: fail, with the reason."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as gone:
        cluster = connect(kubeconfig=gone.kubeconfig, context=gone.context)
    with cluster, Journal(tmp_path / "actions.jsonl", Clock.start()) as journal:
        done = LiveExecutor(cluster, journal).do(mutations.delete(Ref("ConfigMap", "default", "any")))
    assert (done.outcome, done.status) == ("fail", None)
    assert "Connection refused" in done.reason


def test_a_busy_server_is_not_a_spent_budget(here: Room, proxy: FaultProxy, through: LiveExecutor) -> None:
    """A 429 without the budget as its cause did not happen, is no budget's refusal, and is not tried again."""
    proxy.trouble(
        Answer(429, b'{"kind":"Status","status":"Failure","reason":"TooManyRequests","code":429}'), path="/pods"
    )
    ref = Ref("Pod", here.namespace, "any", "7d7f0f0e-0000-4000-8000-000000000000")
    done = through.do(mutations.evict_pod(ref))
    assert (done.outcome, done.status, done.budget_refused) == ("fail", 429, False)
    assert sum(line.startswith("POST") for line in proxy.seen) == 1


def test_a_gateways_error_leaves_it_unknown(here: Room, proxy: FaultProxy, through: LiveExecutor) -> None:
    """A 500 that is no word of the API server may have come after the action: info."""
    proxy.trouble(Answer(500, b"upstream went away"), path="/configmaps", method="POST")
    done = through.do(mutations.create(config_map(here, "gateway")))
    assert (done.outcome, done.status) == ("info", 500)


def test_a_dry_run_hand_does_nothing(here: Room, tmp_path: Path) -> None:
    """A dry run writes down what it would have done, and the cluster stays as it is."""
    made = here.make(config_map(here, "kept"))
    with Journal(tmp_path / "dry_run.jsonl", here.clock) as journal:
        done = DryRunExecutor(journal).do(mutations.delete(ref_of(made), fault="loss-1"))
    assert (done.outcome, done.reason) == ("fail", "dry_run: nothing was done")
    begin, end = read_lines(tmp_path / "dry_run.jsonl")
    assert (begin["action"], begin["fault"], end["outcome"]) == ("delete", "loss-1", "fail")
    assert here.cluster.get("ConfigMap", here.namespace, "kept") is not None


def test_many_hands_write_one_journal(here: Room) -> None:
    """Concurrent mutations keep whole lines, matched pairs and times that never go backwards."""
    threads = [threading.Thread(target=here.make, args=(config_map(here, f"map-{n}"),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = here.actions()
    begun = [line["id"] for line in lines if line["event"] == "action-begin"]
    ended = [line["id"] for line in lines if line["event"] == "action-end"]
    assert len(set(begun)) == len(begun) == 21
    assert sorted(begun) == sorted(ended)
    times = [line["at_ns"] for line in lines]
    assert times == sorted(times)
