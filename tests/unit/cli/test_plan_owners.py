"""Plans for clusters as people report them: budgets that never let go, devices without a spare, other owners."""

import io
from typing import Any

import pytest
from cluster_objects import Obj, budget, deployment, node, owner, pod, workload
from plan_clusters import answer_of, codes, plan_of, spread_out
from rich.console import Console

from chaos.cli.plan.command import show
from chaos.cli.plan.results import Answer
from chaos.semantics import DrainOptions

ONE_AWAY = {"maxUnavailable": 1}
FORCED = DrainOptions(ignore_daemonsets=True, force=True)


def single(**given: Any) -> dict[str, Any]:
    """A cluster with one replica of `web`, on n1."""
    return {"pods": [pod("web-0", node="n1", **given)], "controllers": deployment("web", 1)}


def three_on_n1(**given: Any) -> dict[str, Any]:
    """A cluster with three replicas of `web`, all on n1."""
    return {"pods": spread_out(3, nodes=["n1"], **given)}


def bare() -> dict[str, Any]:
    """A cluster with one pod that nobody made, on n1."""
    return {"pods": [pod("web-0", node="n1", by={})], "controllers": []}


def crashing() -> dict[str, Any]:
    """Two replicas, neither of them Ready."""
    pods = [pod("web-0", node="n1", ready=False), pod("web-1", node="n2", ready=False)]
    return {"pods": pods, "controllers": deployment("web", 2)}


def without_selector() -> Obj:
    """A budget that lets one go and has no selector at all."""
    raw = budget(**ONE_AWAY)
    del raw["spec"]["selector"]
    return raw


TWO_WEBS = {"pods": spread_out(2), "controllers": deployment("web", 2)}
ALL_ALWAYS = budget(**ONE_AWAY, unhealthyPodEvictionPolicy="AlwaysAllow")


@pytest.mark.parametrize(
    ("cluster", "budgets", "answer", "code"),
    [
        (single(), [budget(minAvailable=1)], Answer.DEADLOCKS, "all-must-stay"),
        (single(), [budget(maxUnavailable="20%")], Answer.FINISHES, ""),
        (TWO_WEBS, [budget(minAvailable="90%")], Answer.DEADLOCKS, "all-must-stay"),
        (three_on_n1(), [budget(maxUnavailable="40%")], Answer.WAITS, "one-after-another"),
        ({}, [budget("a", **ONE_AWAY), budget("b", **ONE_AWAY)], Answer.DEADLOCKS, "two-budgets"),
        ({}, [budget(minAvailable="1")], Answer.DEADLOCKS, "not-countable"),
        (crashing(), [budget(**ONE_AWAY)], Answer.DEADLOCKS, "unready"),
        (crashing(), [ALL_ALWAYS], Answer.FINISHES, ""),
        (three_on_n1(), [without_selector()], Answer.FINISHES, ""),
        (three_on_n1(), [budget(**ONE_AWAY, selector={})], Answer.WAITS, "one-after-another"),
    ],
    ids=[
        "one must stay of one",
        "a fifth of one is one",
        "nine tenths of two are two",
        "two fifths of three are two",
        "two budgets over the same pods",
        "a number written as text",
        "all are crashing",
        "all are crashing and may always go",
        "no selector selects nothing",
        "an empty selector selects all",
    ],
)
def test_what_a_budget_makes_of_a_drain(cluster: dict[str, Any], budgets: list[Obj], answer: Answer, code: str) -> None:
    """Percentages are rounded up, and each budget is read as the disruption controller and the eviction API do."""
    found = answer_of(**cluster, budgets=budgets)
    assert found.answer is answer
    assert codes(found) == ([code] if code else [])


def test_a_scratch_volume_needs_a_flag_of_kubectl() -> None:
    """Servers that share memory by an emptyDir are not drained without --delete-emptydir-data."""
    shared = [{"name": "shm", "emptyDir": {"medium": "Memory"}}]
    found = answer_of(pods=spread_out(3, volumes=shared), budgets=[budget(**ONE_AWAY)])
    assert (found.answer, codes(found)) == (Answer.REFUSED, ["kubectl-filter"])


@pytest.mark.parametrize(
    ("flags", "answer", "code"),
    [({}, Answer.REFUSED, "kubectl-filter"), ({"options": FORCED}, Answer.DEADLOCKS, "all-must-stay")],
    ids=["plain", "forced"],
)
def test_a_pod_without_a_controller_under_a_budget(flags: dict[str, Any], answer: Answer, code: str) -> None:
    """A pod that nobody made needs --force, and even so never goes where one must stay."""
    found = answer_of(**bare(), budgets=[budget(minAvailable=1)], **flags)
    assert (found.answer, codes(found)) == (answer, [code])


# --- where the successor would go ---------------------------------------------------------------------------------


def with_device(name: str) -> Obj:
    """A node that has one device."""
    raw = node(name)
    raw["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    return raw


def on_device(**resources: Any) -> dict[str, Any]:
    """Three replicas on three nodes of one device each; one may go."""
    containers = [{"name": "c", "image": "i", "resources": resources}]
    nodes = [with_device(name) for name in ("n1", "n2", "n3")]
    return {"nodes": nodes, "pods": spread_out(3, containers=containers), "budgets": [budget(**ONE_AWAY)]}


ONE_DEVICE = {"nvidia.com/gpu": "1"}


@pytest.mark.parametrize("asked", [{"requests": ONE_DEVICE, "limits": ONE_DEVICE}, {"limits": ONE_DEVICE}], ids=len)
def test_a_drain_without_a_spare_device_finishes(asked: dict[str, Any]) -> None:
    """A budget that lets one go does not ask where the successor would find its device."""
    assert answer_of(**on_device(**asked)).answer is Answer.FINISHES


def test_a_successor_without_a_spare_device_is_told() -> None:
    """With as many devices as replicas, whoever is drained has no place to come back to."""
    found = answer_of(**on_device(requests=ONE_DEVICE, limits=ONE_DEVICE))
    assert [tuple(one) for one in found.homeless] == [
        ("shop/web-0", "0 of 3 nodes fit: 2 with too little nvidia.com/gpu, 1 drained")
    ]


def test_a_successor_that_must_be_alone_is_told() -> None:
    """Three replicas that must be on three nodes leave the drained one no place, and the drain finishes."""
    apart = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    found = answer_of(pods=spread_out(3, affinity=affinity), budgets=[budget(**ONE_AWAY)])
    assert found.answer is Answer.FINISHES
    assert [tuple(one) for one in found.homeless] == [
        ("shop/web-0", "0 of 3 nodes fit: 2 pod anti-affinity, 1 drained")
    ]


def test_a_shared_claim_that_is_bound_to_nothing_is_not_guessed() -> None:
    """Whether two pods of one claim can come back elsewhere depends on a volume that is not there to be read."""
    volumes = [{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}]
    pods = spread_out(2, nodes=["n1"], volumes=volumes)
    found = answer_of(pods=pods, controllers=deployment("web", 2), budgets=[budget(**ONE_AWAY)])
    assert (found.answer, codes(found)) == (Answer.CANNOT_TELL, ["room-unknown"])


# --- other owners, other times ------------------------------------------------------------------------------------


def test_three_long_graces_are_waited_for_one_after_another() -> None:
    """Three replicas that take 130 s each to go, one at a time, take all of that and more."""
    found = answer_of(**three_on_n1(terminationGracePeriodSeconds=130), budgets=[budget(**ONE_AWAY)])
    assert found.answer is Answer.WAITS
    assert found.bound_s is not None
    assert 3 * 130 < found.bound_s < 3 * 160


def test_the_groups_of_a_leader_and_its_workers_are_drained() -> None:
    """The pods of a LeaderWorkerSet belong to two StatefulSets, and one budget over both lets the leader go."""
    leader = pod("vllm-0", node="n1", by=owner("StatefulSet", "vllm"), app="vllm")
    worker = pod("vllm-0-1", node="n2", by=owner("StatefulSet", "vllm-0"), app="vllm")
    both = budget(selector={"matchLabels": {"app": "vllm"}}, **ONE_AWAY)
    sets = [workload("StatefulSet", "vllm", 1), workload("StatefulSet", "vllm-0", 1)]
    found = answer_of(pods=[leader, worker], controllers=sets, budgets=[both])
    assert found.answer is Answer.FINISHES


def astray() -> dict[str, Any]:
    """Two replicas on n1 and a budget whose selector is misspelt, so that it binds none of them."""
    wrong = budget("misspelt", selector={"matchLabels": {"app": "webs"}}, **ONE_AWAY)
    pods = spread_out(2, nodes=["n1"])
    return {"pods": pods, "controllers": deployment("web", 2), "budgets": [wrong]}


def test_a_budget_that_binds_no_pod_holds_nothing_up() -> None:
    """With a misspelt selector both replicas go at once."""
    assert answer_of(**astray()).answer is Answer.FINISHES


def test_a_budget_that_binds_no_pod_is_told() -> None:
    """Who wrote a budget meant it to bind something, so the plan names one that binds nothing."""
    written = io.StringIO()
    show(plan_of(**astray()), Console(width=160, file=written), where="the lab")
    assert "misspelt" in written.getvalue()


def test_a_budget_that_binds_somebody_is_not_named_so() -> None:
    """A budget that binds a pod, and one of a namespace that is not asked about, are not called idle."""
    right = budget("right", **ONE_AWAY)
    elsewhere = budget("misspelt", selector={"matchLabels": {"app": "webs"}}, **ONE_AWAY)
    elsewhere["metadata"]["namespace"] = "other"
    assert plan_of(budgets=[right, elsewhere], judged=frozenset({"shop"})).binding_none == ()
    assert plan_of(budgets=[right, elsewhere]).binding_none == ("other/misspelt",)


def test_a_budget_without_a_selector_binds_no_pod() -> None:
    """No selector at all selects nothing, which is told as well."""
    assert plan_of(**three_on_n1(), budgets=[without_selector()]).binding_none == ("shop/pdb",)
