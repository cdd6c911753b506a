"""The plain parts of faults: how long they wait, what they write, what they refuse."""

from typing import Any, cast

import pytest
from autoscaler_stories import hpa
from histories import NAMESPACE, WORKLOAD, pod

from chaos.cluster import Done
from chaos.errors import UsageError
from chaos.faults import (
    BadRollout,
    BudgetChange,
    Evict,
    FaultContext,
    Injection,
    MemoryHog,
    NodeDrain,
    RollingPoolDrain,
    RollingUpdate,
    Scale,
)
from chaos.faults.rollouts import _never_ready, _without_image
from chaos.faults.support.node_eviction import LEAST_S, _pause_s, patience_s
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.semantics import KUBERNETES

BUDGET: dict[str, Any] = {"details": {"causes": [{"reason": "DisruptionBudget"}]}}
NOBODY = Targets("nobody", ())
MODEL = Ref("Deployment", "ns", "model", "uid")


def test_a_refusal_by_a_budget_waits_as_kubectl_does() -> None:
    """Five seconds, whatever Retry-After says: kubectl takes no notice of it."""
    assert _pause_s(Done("fail", 429, BUDGET, "full", retry_after_s=10)) == 5.0


def test_a_busy_server_says_how_long_to_wait() -> None:
    """A 429 without that cause waits for its own Retry-After, or a second where it has none."""
    assert _pause_s(Done("fail", 429, {}, "busy", retry_after_s=7)) == 7.0
    assert _pause_s(Done("fail", 429, {}, "busy")) == 1.0


def test_what_cannot_be_known_is_asked_again_after_five_seconds() -> None:
    """An answer that never came is no sign of a busy server."""
    assert _pause_s(Done("info", None, reason="no answer")) == 5.0


@pytest.mark.parametrize(
    ("image", "bad"),
    [
        ("model", "model:gameday-no-such-image"),
        ("registry.example:5000/team/model", "registry.example:5000/team/model:gameday-no-such-image"),
        ("registry.example:5000/team/model:1.2", "registry.example:5000/team/model:gameday-no-such-image"),
        ("team/model@sha256:0123", "team/model:gameday-no-such-image"),
        ("team/model:1.2@sha256:0123", "team/model:gameday-no-such-image"),
    ],
)
def test_the_image_that_does_not_exist_is_in_the_same_repository(image: str, bad: str) -> None:
    """Only the tag changes: a registry's port is no tag, and a digest goes."""
    template = {"spec": {"containers": [{"name": "a", "image": image}, {"name": "b", "image": "other"}]}}
    assert [one["image"] for one in _without_image(template)["spec"]["containers"]] == [bad, "other"]
    assert template["spec"]["containers"][0]["image"] == image


def test_the_probe_that_never_passes_keeps_the_former_times() -> None:
    """Only how it asks changes, so it is as quick to notice as the former one, and no second handler is left."""
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 2}
    template = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 8080}], "readinessProbe": probe}]}}
    assert _never_ready(template)["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"path": "/gameday-never-ready", "port": 8080},
        "periodSeconds": 1,
        "failureThreshold": 2,
    }


@pytest.mark.parametrize(
    "written",
    [
        lambda: NodeDrain(NOBODY, deadline_s=0),
        lambda: NodeDrain(NOBODY, max_in_flight=0),
        lambda: RollingPoolDrain(NOBODY, node_deadline_s=-1),
        lambda: RollingUpdate(MODEL, deadline_s=0),
        lambda: BadRollout(MODEL, kind="image", deadline_s=0),
        lambda: BudgetChange(MODEL),
        lambda: BudgetChange(MODEL, min_available=1, max_unavailable=1),
    ],
)
def test_numbers_that_mean_nothing_are_refused_as_they_are_written(written: Any) -> None:
    """The error names the fault and the number."""
    with pytest.raises(UsageError, match=r"NodeDrain|RollingPoolDrain|RollingUpdate|BadRollout|BudgetChange"):
        written()


def test_every_fault_can_be_written_over_a_saved_run() -> None:
    """When a saved run is judged again there are no victims, and words and deadlines are there all the same."""
    nothing = Ref("Deployment", "", "")
    for fault in (Evict(NOBODY), NodeDrain(NOBODY), RollingPoolDrain(NOBODY), RollingUpdate(nothing)):
        assert fault.words
        assert fault.landing_deadline_s > 0
    for slow in (NodeDrain(NOBODY), RollingPoolDrain(NOBODY), RollingUpdate(nothing), BadRollout(nothing, "probe")):
        assert (slow.ended.fault, slow.ended.name) == (slow, "ended")


def test_a_drain_waits_as_long_as_the_pods_may_take() -> None:
    """Three replicas, each of which loads for up to ten minutes and has a grace of two, go one after the other."""
    probe = {"periodSeconds": 10, "failureThreshold": 60}
    slow = {"terminationGracePeriodSeconds": 120, "containers": [{"name": "m", "startupProbe": probe}]}
    pods = [PodView({"metadata": {"name": name}, "spec": slow}) for name in "abc"]
    assert patience_s(pods, KUBERNETES) > 3 * (600 + 120)
    assert patience_s([], KUBERNETES) == LEAST_S


def test_the_journal_has_what_a_fault_was_made_with() -> None:
    """Numbers, words and switches by name; nothing of its inside."""
    assert NodeDrain(NOBODY, deadline_s=12, max_in_flight=1).parameters == {
        "deadline_s": 12,
        "max_in_flight": 1,
        "grace_s": None,
        "leave_foreign": False,
        "whole_namespace": False,
    }


def test_only_a_fault_that_says_so_leaves_others_alone() -> None:
    """A fault without the switch takes along whatever is on its node."""
    assert NodeDrain(NOBODY, leave_foreign=True).leaves_foreign_pods
    assert not NodeDrain(NOBODY).leaves_foreign_pods
    assert not Evict(NOBODY).leaves_foreign_pods


@pytest.mark.parametrize("piece_mib", [0, -16, 24])
def test_memory_is_used_up_in_pieces_of_a_power_of_two(piece_mib: int) -> None:
    """A shell makes its piece by doubling a string."""
    with pytest.raises(UsageError, match="power of two"):
        MemoryHog(NOBODY, piece_mib=piece_mib)


class Pods:
    """A recorder that has seen these objects."""

    def __init__(self, pods: list[dict[str, Any]], *scalers: dict[str, Any]) -> None:
        self.kinds = {"Pod": pods, "HorizontalPodAutoscaler": list(scalers)}

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        return self.kinds[kind]


class Scaled:
    """A cluster with one Deployment, whose replicas are set as asked."""

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """The Deployment as it was."""
        metadata = {"name": name, "namespace": namespace, "uid": "d-1"}
        return {"kind": kind, "metadata": metadata, "spec": {"replicas": 4}}

    def do(self, order: Any) -> Done:
        """Set the number."""
        return Done("ok", 200, {"metadata": {"uid": "d-1"}, "spec": {"replicas": order.body[-1]["value"]}})


def scaled(recorder: Pods) -> Injection:
    """A change of a Deployment's replicas to two."""
    cluster, nothing = cast("Any", Scaled()), cast("Any", None)
    scale = Scale(Ref("Deployment", NAMESPACE, WORKLOAD, "d-1"), 2)
    return scale.inject(FaultContext(cluster, cluster, nothing, "scale-1", cast("Any", recorder), "ns"))


def test_a_number_of_replicas_has_landed_when_just_so_many_pods_are_left() -> None:
    """Neither while one still ends, nor while one is not Ready."""
    ready = [pod("a", ready=True), pod("b", ready=True)]
    assert scaled(Pods(ready)).landed() == "2 left, all Ready"
    assert not scaled(Pods([*ready, pod("c", ready=True, deleting=True)])).landed()
    assert not scaled(Pods([ready[0], pod("b")])).landed()
    assert not scaled(Pods(ready[:1])).landed()


def test_a_number_that_an_autoscaler_owns_is_not_changed() -> None:
    """It would be taken back at once; an autoscaler of another workload is none of its business."""
    assert scaled(Pods([], hpa(2))).missed == "the autoscaler model owns the number of replicas"
    with pytest.raises(UsageError, match="at least 1"):
        Scale(MODEL, 0)
