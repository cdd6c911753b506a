"""What a drain would come to: every answer and every reason, each on a cluster written for it."""

from typing import Any

import pytest
from cluster_objects import Obj, budget, deployment, node, owner, pod, stamp, workload
from plan_clusters import PLAIN, answer_of, codes, plan_of, spread_out, three_nodes

from chaos.cli.plan.results import Answer
from chaos.semantics import DrainOptions

AGENT = owner("DaemonSet", "agent")


def test_without_a_disruption_budget_a_drain_finishes_at_once() -> None:
    """Nothing holds the pods, and each finds a place."""
    answer = answer_of()
    assert (answer.answer, answer.pods, answer.rounds, answer.homeless) == (Answer.FINISHES, 1, 1, ())
    assert answer.reasons == ()


def test_an_empty_node_is_drained_already() -> None:
    """No pod, no round."""
    answer = answer_of(nodes=[*three_nodes(), node("n4")], name="n4")
    assert (answer.answer, answer.pods, answer.rounds) == (Answer.FINISHES, 0, 0)


def test_a_budget_with_room_lets_all_go_at_once() -> None:
    """One pod here, one may be missing."""
    answer = answer_of(budgets=[budget(maxUnavailable=1)])
    assert (answer.answer, answer.rounds) == (Answer.FINISHES, 1)


def test_a_budget_that_lets_one_go_at_a_time_makes_a_drain_wait() -> None:
    """Three pods on one node under maxUnavailable 1 go one after the other, each when its successor is Ready."""
    pods = spread_out(3, nodes=["n1"])
    answer = answer_of(pods=pods, budgets=[budget(maxUnavailable=1)])
    assert (answer.answer, answer.rounds, codes(answer)) == (Answer.WAITS, 3, ["one-after-another"])
    assert "shop/pdb (maxUnavailable 1) lets 1 of 3 pods here go at a time" in answer.reasons[0].words


def test_the_bound_grows_with_the_rounds() -> None:
    """Three rounds take three times one; without a startup probe the answer says what nothing bounds."""
    pods = spread_out(3, nodes=["n1"])
    three = answer_of(pods=pods, budgets=[budget(maxUnavailable=1)])
    one = answer_of(pods=pods, budgets=[budget(maxUnavailable=3)])
    assert three.bound_s is not None
    assert one.bound_s is not None
    assert three.bound_s == 3 * one.bound_s
    assert any("no startup probe" in words for words in three.unpromised)


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        ({"minAvailable": 3}, "minAvailable 3) wants 3 healthy of the 3 pods"),
        ({"maxUnavailable": 0}, "maxUnavailable 0) wants 3 healthy of the 3 pods"),
        ({"minAvailable": "100%"}, "minAvailable 100%) wants 3"),
        ({"maxUnavailable": "0%"}, "maxUnavailable 0%) wants 3"),
        ({"minAvailable": 5}, "minAvailable 5) wants 5"),
    ],
)
def test_a_budget_that_all_must_stay_for_deadlocks(bound: dict[str, Any], words: str) -> None:
    """Where as many must be healthy as there are to be, no eviction is ever granted."""
    answer = answer_of(budgets=[budget(**bound)])
    assert (answer.answer, codes(answer), answer.bound_s) == (Answer.DEADLOCKS, ["all-must-stay"], None)
    assert words in answer.reasons[0].words
    assert answer.reasons[0].pods == ("shop/web-0",)


def test_two_budgets_on_one_pod_deadlock() -> None:
    """The eviction API does not support it, however much both permit."""
    answer = answer_of(budgets=[budget("a", maxUnavailable=3), budget("b", selector={}, maxUnavailable=3)])
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["two-budgets"])
    assert "shop/a and shop/b" in answer.reasons[0].words


def test_an_unready_pod_elsewhere_takes_the_budgets_room() -> None:
    """One pod not Ready for long uses up maxUnavailable 1: the Ready ones may not go until somebody mends it."""
    pods = [*spread_out(2), pod("web-2", node="n3", ready=False)]
    answer = answer_of(pods=pods, budgets=[budget(maxUnavailable=1)])
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["unready"])
    assert "shop/web-2" in answer.reasons[0].words
    assert "AlwaysAllow" not in answer.reasons[0].words


def test_an_unready_pod_may_not_go_itself_while_too_few_are_healthy() -> None:
    """Under IfHealthyBudget, the default, a broken pod holds the drain of its own node."""
    pods = [pod("web-0", node="n1", ready=False), pod("web-1", node="n2", ready=False), pod("web-2", node="n3")]
    answer = answer_of(pods=pods, budgets=[budget(minAvailable=2)])
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["unready"])
    assert "AlwaysAllow" in answer.reasons[0].words
    lets_go = budget(minAvailable=2, unhealthyPodEvictionPolicy="AlwaysAllow")
    assert answer_of(pods=pods, budgets=[lets_go]).answer == Answer.FINISHES


def test_an_unready_pod_goes_freely_while_enough_are_healthy() -> None:
    """IfHealthyBudget lets a broken pod go as long as the budget is met without it."""
    pods = [pod("web-0", node="n1", ready=False), pod("web-1", node="n2"), pod("web-2", node="n3")]
    assert answer_of(pods=pods, budgets=[budget(minAvailable=2)]).answer == Answer.FINISHES


@pytest.mark.parametrize(
    ("seconds_ago", "answer", "code"),
    [(5, Answer.WAITS, "starting"), (600, Answer.DEADLOCKS, "unready")],
    ids=["just started", "ten minutes ago"],
)
def test_a_pod_that_is_still_starting_is_waited_for(seconds_ago: int, answer: Answer, code: str) -> None:
    """A pod within the time that its probes allow is expected to become Ready; one beyond it is not."""
    starting = pod("web-2", node="n3", ready=False)
    starting["metadata"]["creationTimestamp"] = stamp(seconds_ago)
    found = answer_of(pods=[*spread_out(2), starting], budgets=[budget(maxUnavailable=1)])
    assert (found.answer, codes(found)[0]) == (answer, code)
    assert found.reasons[0].pods == (("shop/web-2",) if code == "starting" else ("shop/web-0",))


def test_nowhere_to_go_deadlocks_where_the_budget_waits_for_the_replacement() -> None:
    """Three pods on n1 and room for one elsewhere: the third may never go."""
    nodes = [node("n1"), node("n2", cpu="3")]
    pods = [pod(f"web-{index}", node="n1", cpu="2") for index in range(2)]
    answer = answer_of(nodes=nodes, pods=pods, controllers=deployment("web", 2), budgets=[budget(maxUnavailable=1)])
    assert answer.answer == Answer.WAITS, "nothing waits for the last one's replacement"
    assert answer.homeless == (("shop/web-1", "0 of 2 nodes fit: 1 drained, 1 with too little cpu"),)
    three = [pod(f"web-{index}", node="n1", cpu="2") for index in range(3)]
    stuck = answer_of(nodes=nodes, pods=three, controllers=deployment("web", 3), budgets=[budget(maxUnavailable=1)])
    assert (stuck.answer, codes(stuck)) == (Answer.DEADLOCKS, ["no-room"])
    assert "1 drained, 1 with too little cpu" in stuck.reasons[0].words


def test_a_drain_can_finish_and_leave_pods_without_a_place() -> None:
    """Without a disruption budget nothing waits for the replacement: it stays Pending, and the answer says so."""
    pods = [pod("web-0", node="n1", cpu="3")]
    answer = answer_of(nodes=[node("n1"), node("n2", cpu="1")], pods=pods, controllers=deployment("web", 1))
    assert answer.answer == Answer.FINISHES
    assert answer.homeless == (("shop/web-0", "0 of 2 nodes fit: 1 drained, 1 with too little cpu"),)


def test_a_pod_whose_volume_is_on_its_node_cannot_move() -> None:
    """A local volume's claim binds the replacement to the drained node."""
    by, controllers = owner("StatefulSet", "db"), [workload("StatefulSet", "db", 2)]
    pods = [
        pod(
            f"db-{n}",
            app="web",
            by=by,
            node="n1",
            volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": f"d-{n}"}}],
        )
        for n in range(2)
    ]
    claims, volumes = _local_volumes(["d-0", "d-1"], "n1")
    answer = answer_of(
        pods=pods, controllers=controllers, budgets=[budget(maxUnavailable=1)], claims=claims, volumes=volumes
    )
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["volume-bound"])
    assert "out of reach of the volume of claim d-0" in answer.reasons[0].words
    unread = answer_of(
        pods=pods, controllers=controllers, budgets=[budget(maxUnavailable=1)], claims=None, volumes=None
    )
    assert (unread.answer, codes(unread)) == (Answer.CANNOT_TELL, ["room-unknown"])


def _local_volumes(names: list[str], where: str) -> tuple[list[Obj], list[Obj]]:
    """Claims, and volumes that exist on one node only."""
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [where]}]}
    claims = [
        {
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"volumeName": f"pv-{name}", "accessModes": ["ReadWriteOnce"]},
        }
        for name in names
    ]
    volumes = [
        {"metadata": {"name": f"pv-{name}"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}}
        for name in names
    ]
    return claims, volumes


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"schedulerName": "mine"}, "scheduler mine decides"),
        ({"resourceClaims": [{"name": "gpu"}]}, "claims devices"),
        ({"schedulingGates": [{"name": "later"}]}, "scheduling gates"),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, "made anew"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "none"}}]}, "bound to no volume"),
    ],
)
def test_a_rule_that_is_not_modelled_is_not_guessed(spec: dict[str, Any], words: str) -> None:
    """Where a budget waits for a replacement whose place nobody can tell, the answer is that we cannot tell."""
    pods = spread_out(2, nodes=["n1"], **spec)
    given: dict[str, Any] = {"pods": pods, "controllers": deployment("web", 2)}
    answer = answer_of(budgets=[budget(maxUnavailable=1)], **given)
    # the first goes, its replacement's fate is unknown, and the second waits for it
    assert (answer.answer, codes(answer)) == (Answer.CANNOT_TELL, ["room-unknown"])
    assert words in answer.reasons[0].words
    free = answer_of(**given)
    assert free.answer == Answer.FINISHES
    assert words in free.homeless[0][1]


def test_whether_an_owner_of_another_kind_replaces_is_not_guessed() -> None:
    """A Job may give up, and a foreign controller may do as it likes."""
    by = owner("Job", "batch", api="batch/v1")
    pods = [pod(f"web-{index}", by=by, node="n1") for index in range(2)]
    answer = answer_of(pods=pods, controllers=[], budgets=[budget(minAvailable=1)])
    assert (answer.answer, codes(answer)) == (Answer.CANNOT_TELL, ["room-unknown"])
    assert "whether Job shop/batch replaces it cannot be told" in answer.reasons[0].words


def test_a_budget_that_its_controller_cannot_count_deadlocks() -> None:
    """A percentage over a Job's pods: no scale, the count fails, no eviction is granted."""
    by = owner("Job", "batch", api="batch/v1")
    answer = answer_of(pods=[pod("web-0", by=by)], controllers=[], budgets=[budget(maxUnavailable="50%")])
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["not-countable"])
    assert "jobs.batch does not implement the scale subresource" in answer.reasons[0].words


def test_a_budget_over_unmanaged_pods_alone_deadlocks() -> None:
    """A budget by maxUnavailable over pods without a controller expects none, and then permits none."""
    options = DrainOptions(ignore_daemonsets=True, force=True)
    answer = answer_of(options=options, pods=[pod("web-0", by={})], controllers=[], budgets=[budget(maxUnavailable=1)])
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["expects-none"])


def test_a_budget_over_a_foreign_owner_is_taken_as_written_or_not_at_all() -> None:
    """Where we cannot count, the controller's own count stands if it is of the budget as it is."""
    by = owner("Engine", "llm", api="serving.example/v1")
    status = {"currentHealthy": 1, "desiredHealthy": 0, "disruptionsAllowed": 1, "expectedPods": 1}
    given: dict[str, Any] = {"pods": [pod("web-0", by=by)], "controllers": []}
    fresh = answer_of(budgets=[budget(maxUnavailable=1, status=status)], **given)
    assert fresh.answer == Answer.FINISHES
    stale = answer_of(
        budgets=[budget(maxUnavailable=1, status={**status, "observedGeneration": 1}, generation=2)], **given
    )
    assert (stale.answer, codes(stale)) == (Answer.CANNOT_TELL, ["budget-unknown"])


def test_missing_pods_that_nobody_makes_are_not_explained_away() -> None:
    """Two of three pods exist, all Ready, and the budget needs them: who makes the third cannot be seen."""
    answer = answer_of(pods=spread_out(2), budgets=[budget(minAvailable=2)])
    assert (answer.answer, codes(answer)) == (Answer.CANNOT_TELL, ["pods-missing"])


@pytest.mark.parametrize(
    ("raw", "flags", "words"),
    [
        (pod("agent", by=AGENT), DrainOptions(), "--ignore-daemonsets"),
        (pod("cache", volumes=[{"name": "s", "emptyDir": {}}]), PLAIN, "--delete-emptydir-data"),
        (pod("bare", by={}), PLAIN, "--force"),
    ],
)
def test_what_kubectl_refuses_is_refused_before_any_eviction(raw: Obj, flags: DrainOptions, words: str) -> None:
    """The drain ends before it begins, and the answer names the flag."""
    daemon_sets = [workload("DaemonSet", "agent", None)]
    answer = answer_of(options=flags, pods=[raw, *spread_out(1)], daemon_sets=daemon_sets)
    assert (answer.answer, codes(answer), answer.rounds) == (Answer.REFUSED, ["kubectl-filter"], 0)
    assert words in answer.reasons[0].words
    everything = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True, force=True)
    assert answer_of(options=everything, pods=[raw], daemon_sets=daemon_sets).answer == Answer.FINISHES


def test_a_node_whose_kubelet_is_silent_keeps_its_pods() -> None:
    """Evictions are granted, but the pods stay until the kubelet is back."""
    nodes = [node("n1", ready=False), node("n2"), node("n3")]
    answer = answer_of(nodes=nodes)
    assert (answer.answer, codes(answer)) == (Answer.DEADLOCKS, ["node-lost"])


def test_a_finalizer_is_waited_for() -> None:
    """A pod that somebody holds stays until they let it go; the Job controller's own finalizer does not count."""
    held = pod("web-0")
    held["metadata"]["finalizers"] = ["example.com/audit"]
    answer = answer_of(pods=[held])
    assert (answer.answer, codes(answer)) == (Answer.WAITS, ["finalizer"])
    held["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking"]
    assert answer_of(pods=[held]).answer == Answer.FINISHES


def test_surplus_pods_are_not_replaced() -> None:
    """An owner that wants fewer than there are replaces none until it is down to what it wants."""
    pods = spread_out(3, nodes=["n1"])
    answer = answer_of(
        nodes=[node("n1")], pods=pods, controllers=deployment("web", 2), budgets=[budget(minAvailable=1)]
    )
    assert len(answer.homeless) == 1, "two gone at once leave one, so one is replaced and finds no place"


def test_terminating_and_finished_pods_neither_block_nor_move() -> None:
    """They are on their way already: no place is sought for a successor."""
    pods = [pod("going", deleting=True), pod("done", phase="Succeeded", by=owner("Job", "j", api="batch/v1"))]
    answer = answer_of(nodes=[node("n1")], pods=pods, budgets=[budget(minAvailable=3)])
    assert (answer.answer, answer.homeless) == (Answer.FINISHES, ())


def test_only_the_namespaces_named_are_looked_at() -> None:
    """Pods of other namespaces take room, but their budgets are nobody's concern here."""
    other = [pod("api-0", app="api", namespace="other", node="n1")]
    shut = budget(selector={}, maxUnavailable=0, namespace="other")
    controllers = [*deployment("web", 3), *deployment("api", 1, namespace="other")]
    given: dict[str, Any] = {"pods": [*spread_out(3), *other], "budgets": [shut], "controllers": controllers}
    assert answer_of(**given).answer == Answer.DEADLOCKS
    judged = plan_of(judged=frozenset({"shop"}), **given)
    assert {answer.answer for answer in judged.nodes} == {Answer.FINISHES}


def test_a_pod_that_is_being_evicted_is_waited_for() -> None:
    """A pod whose eviction was granted a moment ago takes the budget's room, for two minutes at most."""
    marked = budget(maxUnavailable=1, status={"disruptedPods": {"web-2": stamp(1)}})
    answer = answer_of(budgets=[marked])
    assert (answer.answer, codes(answer)) == (Answer.WAITS, ["being-evicted"])


@pytest.mark.parametrize("size", [1, 2])
def test_a_pool_is_drained_as_one(size: int) -> None:
    """All nodes of a pool are closed together: what finds no place outside has none."""
    pool = {"gameday.dev/pool": "blue"}
    nodes = [node(f"n{index}", labels=pool if index <= size else None) for index in (1, 2, 3)]
    pods = spread_out(3, cpu="3")
    plan = plan_of(nodes=nodes, pods=pods, budgets=[budget(maxUnavailable=2)])
    (blue,) = plan.pools
    assert blue.name == "blue"
    assert len(blue.drain.nodes) == size
    assert len(blue.drain.homeless) == size


def test_a_pool_that_cannot_fit_elsewhere_deadlocks() -> None:
    """Two nodes full of pods and one to take them: the drain goes on until its room is used up, and sticks."""
    pool = {"gameday.dev/pool": "blue"}
    nodes = [node("n1", labels=pool), node("n2", labels=pool), node("n3")]
    pods = spread_out(8, nodes=["n1", "n2"], cpu="1")
    plan = plan_of(nodes=nodes, pods=pods, controllers=deployment("web", 8), budgets=[budget(maxUnavailable=1)])
    assert [answer.answer for answer in plan.nodes[:2]] == [Answer.WAITS, Answer.WAITS]
    (blue,) = plan.pools
    assert (blue.drain.answer, codes(blue.drain)) == (Answer.DEADLOCKS, ["no-room"])


def test_without_the_label_there_are_no_pools() -> None:
    """No pool is made up."""
    assert plan_of().pools == ()
