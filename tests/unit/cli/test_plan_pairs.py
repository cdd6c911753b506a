"""Pairs of nodes: few are played one by one, many are grouped, and both say the same."""

import random
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from cluster_objects import Obj, budget, deployment, node, pod
from plan_clusters import codes, listing, plan_of, spread_out

from chaos.cli.plan import planner
from chaos.cli.plan.drain_outcome import Judge
from chaos.cli.plan.index import ClusterIndex
from chaos.cli.plan.listing import Listing
from chaos.cli.plan.results import Answer
from chaos.semantics import KUBERNETES, DrainOptions


def test_two_nodes_that_share_a_budget_wait_together() -> None:
    """Each alone finishes at once; together they have two pods of which one may go at a time."""
    found = plan_of(budgets=[budget(maxUnavailable=1)]).pairs
    assert found.total == 3
    assert found.counted[Answer.WAITS] == 3
    assert found.worse_total == 3
    assert {codes(answer)[0] for answer in found.worse} == {"one-after-another"}


def test_two_nodes_whose_pods_do_not_fit_together_deadlock() -> None:
    """Each alone finds room on the others; two together do not."""
    nodes = [node(f"n{index}", cpu="2") for index in (1, 2, 3)]
    pods = spread_out(3, cpu="1500m")
    extra = [*nodes, node("n4", cpu="2")]
    given: dict[str, Any] = {"nodes": extra, "pods": pods, "budgets": [budget(maxUnavailable=1)]}
    plan = plan_of(**given)
    assert {answer.answer for answer in plan.nodes} == {Answer.FINISHES}
    both = {answer.nodes: answer for answer in plan.pairs.worse}
    assert both["n1", "n2"].answer == Answer.WAITS, "the last one may go, whichever it is"
    assert both["n1", "n2"].homeless
    assert ("n1", "n4") not in both, "n4 is empty, and nobody waits for the one pod of n1"


def test_pods_apart_by_zone_are_told_which_pair_goes_too_far() -> None:
    """Three zones, three replicas apart by zone: a second node of a zone takes one pod, the pair leaves none."""
    apart = {
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
                ]
            }
        }
    }
    nodes = [node(f"n{index}", labels={"zone": zone}) for index, zone in enumerate("aabbc", start=1)]
    pods = spread_out(3, nodes=["n1", "n3", "n5"], **apart)
    plan = plan_of(nodes=nodes, pods=pods, budgets=[budget(maxUnavailable=1)])
    alone = {answer.nodes[0]: answer for answer in plan.nodes}
    assert not alone["n1"].homeless
    assert alone["n5"].homeless, "zone c has one node only"
    worse = {answer.nodes: answer for answer in plan.pairs.worse}
    pair = worse["n1", "n5"]
    assert (pair.answer, codes(pair)) == (Answer.CANNOT_TELL, ["order", "one-after-another"])
    assert pair.reasons[0].pods == ("shop/web-2",), "the other pod could go first, to n2"


def _rule(dice: random.Random, app: str) -> Obj:
    """What the pods of an app demand of each other's places: nothing, or to be apart or even, by host or by zone."""
    kind, topology = dice.choice(("none", "apart", "even")), dice.choice(("kubernetes.io/hostname", "zone"))
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": topology}
    if kind == "apart":
        return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    if kind == "even":
        skew = {"maxSkew": dice.choice((1, 2)), "whenUnsatisfiable": "DoNotSchedule"}
        return {"topologySpreadConstraints": [{**term, **skew}]}
    return {}


def _random_cluster(seed: int, *, tight: bool) -> Listing:
    """Thirty nodes in three zones, deployments of any size and rule, disruption budgets of any bound.

    `tight` leaves little room.
    """
    dice = random.Random(seed)  # noqa: S311  # a story, no secret
    sizes, shut, guarded = ((2, 3), 0.8, 0.3) if tight else ((2, 4, 8), 0.1, 0.8)
    nodes = [node(f"n{index:02}", cpu=str(dice.choice(sizes)), cordoned=dice.random() < shut) for index in range(30)]
    pods: list[Obj] = []
    controllers: list[Obj] = []
    budgets: list[Obj] = []
    for number in range(12):
        app, count = f"app{number}", dice.randint(1, 6)
        controllers += deployment(app, count)
        rule = _rule(dice, app)
        for index in range(count):
            name = f"n{dice.randrange(30):02}"
            cpu = f"{dice.choice((100, 500, 1000))}m"
            pods.append(pod(f"{app}-{index}", app=app, node=name, cpu=cpu, ready=dice.random() < 0.95, **rule))
        bound: dict[str, Any] = {dice.choice(("minAvailable", "maxUnavailable")): dice.choice((0, 1, 1, 2, "50%"))}
        if dice.random() < guarded:
            budgets.append(budget(f"pdb{number}", selector={"matchLabels": {"app": app}}, **bound))
    return listing(nodes=nodes, pods=pods, controllers=controllers, budgets=budgets)


def _each_played(judge: Judge) -> Counter[Answer]:
    """The answers of all pairs, played one by one."""
    return Counter(judge.drain(both).answer for both in combinations(sorted(judge.cluster.nodes), 2))


@pytest.mark.parametrize("tight", [False, True], ids=["roomy", "tight"])
@pytest.mark.parametrize("seed", range(8))
def test_grouping_says_what_playing_says(seed: int, *, tight: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grouped pairs have the very counts that playing each has; what grouping leaves open is left open."""
    world = ClusterIndex.of(_random_cluster(seed, tight=tight))
    judge = Judge(world, options=DrainOptions(ignore_daemonsets=True), timings=KUBERNETES)
    alone = [judge.drain((name,)) for name in sorted(world.nodes)]
    played = _each_played(judge)

    monkeypatch.setattr(planner, "SIMULATED_MAX", 30 * 29 // 2 - 1)
    grouped = planner.judge_pairs(judge, alone)
    assert grouped.simulated < grouped.total, "nothing was grouped"
    assert grouped.not_played == 0
    assert grouped.counted == {answer: played[answer] for answer in Answer}

    monkeypatch.setattr(planner, "SIMULATED_MAX", 0)
    unplayed = planner.judge_pairs(judge, alone)
    assert unplayed.not_played == grouped.simulated
    settled = {answer: unplayed.counted[answer] for answer in Answer}
    settled[Answer.CANNOT_TELL] -= unplayed.not_played
    assert all(settled[answer] <= played[answer] for answer in Answer)
    assert sum(unplayed.counted.values()) == unplayed.total


def test_what_is_too_much_to_play_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing is guessed: those pairs count as such of which we cannot tell."""
    monkeypatch.setattr(planner, "SIMULATED_MAX", 1)
    nodes = [node(f"n{index}", cpu="1") for index in (1, 2, 3)]
    found = plan_of(nodes=nodes, pods=spread_out(3, cpu="600m")).pairs
    assert (found.total, found.simulated, found.not_played) == (3, 1, 2)
    assert found.counted[Answer.CANNOT_TELL] == 2


def test_a_pair_inherits_a_node_that_does_not_finish() -> None:
    """A node that deadlocks alone does so beside any other."""
    shut = budget("shut", selector={"matchLabels": {"app": "db"}}, maxUnavailable=0)
    pods = [*spread_out(2, nodes=["n2", "n3"]), pod("db-0", app="db", node="n1")]
    found = plan_of(pods=pods, controllers=[*deployment("web", 2), *deployment("db", 1)], budgets=[shut]).pairs
    assert found.counted == {**dict.fromkeys(Answer, 0), Answer.DEADLOCKS: 2, Answer.FINISHES: 1}
    assert found.worse == ()
