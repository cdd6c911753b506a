"""Advice: for each known cause the patch and its arithmetic, and none where the cause is another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from histories import NAMESPACE, PROBED, Story, at, deployment, pod, replica_set
from report_cluster import served

from chaos.checks.advice import Advice, advise
from chaos.checks.budgets.budget_held import BudgetHeldDetail
from chaos.checks.budgets.drained import DrainedDetail
from chaos.checks.placement.spread import SpreadDetail
from chaos.checks.probes.no_needless_restart import NoNeedlessRestartDetail
from chaos.checks.probes.restarted_by_liveness import RestartedByLivenessDetail
from chaos.checks.traffic.slo_met import PercentileDetail
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.history import Fault, History
from chaos.objects.base import Ref
from chaos.semantics import BudgetStatus, Scales, budget_status

UNEVEN = SpreadDetail(
    key="zone",
    max_skew=1,
    skew=2,
    skew_max_over_time=2,
    domains={"a": 2, "b": 0},
    closed={},
    elsewhere=0,
)


DETAILS: Mapping[str, object] = {
    "budget-held": BudgetHeldDetail(ready_min=1),
    "drained": DrainedDetail(()),
    "no-needless-restart": NoNeedlessRestartDetail(restarts=1, needless=1, pods=3),
    "restarted-by-liveness": RestartedByLivenessDetail(()),
    "slo-met": served(PercentileDetail(p99_s=0.4, objective_s=2.0, over=0, allowed=6)),
}
"""What the findings hold that need no numbers of their own: rules are chosen by its type."""


def failed(check: str, answer: Answer = Answer.FAIL, detail: object = None) -> Verdict:
    """A verdict of one finding."""
    return Verdict.of(
        (Finding(check, answer, "rule", "limit", "measured", reason="reason", detail=detail or DETAILS.get(check)),)
    )


def budget(*, desired: int, generation: int = 1, **bound: Any) -> dict[str, Any]:
    """A disruption budget over the system's pods that its controller has counted."""
    return {
        "metadata": {"uid": "pdb", "name": "model", "namespace": NAMESPACE, "generation": generation},
        "spec": {"selector": {"matchLabels": {"app": "model"}}, **bound},
        "status": {"observedGeneration": generation, "desiredHealthy": desired},
    }


def story(*uids: str, spec: Mapping[str, Any] = PROBED, **budgeted: Any) -> Story:
    """Replicas that stand, with a disruption budget if one is given; disruption budgets are watched."""
    told = Story().replicas(*uids, spec=spec)
    if budgeted:
        told.saw(0, "LISTED", budget(**budgeted), "PodDisruptionBudget")
    return told


def watched(told: Story, **parts: Any) -> History:
    """The story's history, disruption budgets watched from begin to end."""
    history = told.history()
    covered = {**history.covered_ns, "PodDisruptionBudget": (history.began_ns, history.ended_ns)}
    return replace(history, covered_ns=covered, **parts)


def only(history: History, verdict: Verdict) -> tuple[Advice, Any]:
    """The one piece of advice, and its patch as data."""
    (advice,) = advise(history, verdict)
    return advice, yaml.safe_load(advice.patch)


def test_a_missing_budget_is_written_out_whole() -> None:
    """Evictions took too many and nothing bound them: a whole object, replicas less the claim may go."""
    advice, patch = only(
        watched(story("a", "b", "c", "d")), failed("budget-held", detail=BudgetHeldDetail(ready_min=3))
    )
    assert patch["kind"] == "PodDisruptionBudget"
    assert patch["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "model"}}}
    assert advice.sums == ("claim: at least 3 ready; 4 replicas - 3 = 1 may go at a time",)


def test_no_budget_is_missed_where_none_was_watched() -> None:
    """Without a watch of disruption budgets nobody knows that there is none."""
    assert not advise(story("a", "b", "c").history(), failed("budget-held", detail=BudgetHeldDetail(ready_min=2)))


def test_a_budget_that_is_too_loose_is_tightened() -> None:
    """MaxUnavailable 50 % of four keeps two where three were claimed; a minAvailable is taken away."""
    history = watched(story("a", "b", "c", "d", desired=2, minAvailable=2))
    advice, patch = only(history, failed("budget-held", detail=BudgetHeldDetail(ready_min=3)))
    assert patch == {"spec": {"maxUnavailable": 1, "minAvailable": None}}
    assert advice.sums[0] == "now: minAvailable 2 of 4 replicas keeps 2"


def test_a_budget_that_keeps_the_claim_is_left_alone() -> None:
    """If the disruption budget was as tight as the claim, it is not the cause."""
    history = watched(story("a", "b", "c", "d", desired=3, maxUnavailable=1))
    assert not advise(history, failed("budget-held", detail=BudgetHeldDetail(ready_min=3)))


def counted_with(patch: dict[str, Any], before: dict[str, Any], replicas: int) -> BudgetStatus:
    """What the disruption controller counts once the patch is applied, with every replica Ready."""
    spec = {**before.get("spec", {}), **patch["spec"]}
    whole = {**before, "metadata": {"namespace": NAMESPACE}, "spec": {k: v for k, v in spec.items() if v is not None}}
    owners = ({**deployment(replicas), "kind": "Deployment"}, {**replica_set(replicas), "kind": "ReplicaSet"})
    pods = [pod(f"p{k}", ready=True) for k in range(replicas)]
    return budget_status(whole, pods, Scales(owners), at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("replicas", range(2, 8))
@pytest.mark.parametrize(
    "bound", [None, {"maxUnavailable": "100%"}, {"minAvailable": 1}, {"minAvailable": "20%"}], ids=str
)
def test_the_patched_budget_keeps_every_claim_and_lets_drains_finish(
    replicas: int, bound: dict[str, Any] | None
) -> None:
    """Counted as the disruption controller counts, the patch keeps what was claimed, and permits one at least."""
    uids = [f"p{k}" for k in range(replicas)]
    for claimed in range(1, replicas):
        before = budget(desired=0, **bound) if bound else {}
        history = watched(story(*uids, desired=0, **bound) if bound else story(*uids))
        _, patch = only(history, failed("budget-held", detail=BudgetHeldDetail(ready_min=claimed)))
        status = counted_with(patch, before, replicas)
        assert status.failed == ""
        assert status.desired == claimed
        assert status.allowed >= 1


def drained(result: str) -> Fault:
    """A drain of node n1 that ended so, because of the disruption budget."""
    return Fault(
        "node-drain-1",
        "node-drain",
        "words",
        (Ref("Node", "", "n1"),),
        at(30),
        at(31),
        at(60),
        result=result,
        result_ns=at(50),
        result_detail={"budget": "model" if result == "blocked" else ""},
    )


def test_a_budget_that_blocks_every_drain_lets_one_go() -> None:
    """A drain was blocked by a disruption budget that wants all replicas."""
    history = watched(story("a", "b", desired=2, minAvailable=2), faults=(drained("blocked"),))
    advice, patch = only(history, failed("drained"))
    assert patch == {"spec": {"maxUnavailable": 1, "minAvailable": None}}
    assert advice.sums[0] == "now: minAvailable 2 of 2 replicas: 2 - 2 = 0 may go, ever"


def test_a_block_that_the_scenario_claims_needs_no_change() -> None:
    """A scenario that says that the disruption budget must block it, and passes, gets no advice."""
    history = watched(story("a", "b", desired=2, minAvailable=2), faults=(drained("blocked"),))
    assert not advise(history, failed("drained", Answer.PASS))


def test_one_replica_becomes_two() -> None:
    """Users were not served while the only replica was away."""
    told = story("a").fault("a").killed("a", 30.2).replaced("b", 30.3, ready_s=40)
    advice, patch = only(told.history(), failed("slo-met"))
    assert patch == {"spec": {"replicas": 2}}
    assert advice.check == "slo-met"


def test_many_replicas_are_not_called_one() -> None:
    """With three replicas a bad SLO has another cause."""
    told = story("a", "b", "c").fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=40)
    assert not advise(told.history(), failed("slo-met"))


def test_replicas_on_one_node_are_spread() -> None:
    """All replicas were on the node that was drained; the selector that bound them there is taken away."""
    spec = {**PROBED, "nodeSelector": {"pool": "green"}}
    told = story("a", "b", spec=spec).killed("a", 31).killed("b", 32).has(faults=(drained("finished"),))
    advice, patch = only(told.history(), failed("slo-met"))
    given = patch["spec"]["template"]["spec"]
    assert given["nodeSelector"] == {"pool": None}
    assert given["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
    assert advice.sums[0] == "all 2 ready replicas were on n1: 2 - 2 = 0 left without it"


def test_replicas_on_two_nodes_are_not_called_packed() -> None:
    """If another node held a replica, the cause is not the packing."""
    told = Story().replicas("a").saw(0, "LISTED", deployment(2), "Deployment")
    told.saw(0, "LISTED", pod("b", ready=True, node="n2")).killed("a", 31)
    told.saw(32, "DELETED", pod("b", ready=True, node="n2"))
    assert not advise(told.has(faults=(drained("finished"),)).history(), failed("slo-met"))


def test_a_spread_that_nothing_restores_is_made_binding() -> None:
    """Where replicas ended together, the constraint binds and the template's change places them anew."""
    advice, patch = only(story("a", "b").history(), failed("spread", detail=UNEVEN))
    (constraint,) = patch["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert (constraint["topologyKey"], constraint["maxSkew"]) == ("zone", 1)
    assert advice.sums[0] == "skew 2 now, at most 1 wanted"


def test_a_release_that_takes_all_keeps_its_replicas() -> None:
    """A strategy that lets every replica be missing, with nobody ready during the release."""
    raw = deployment(2)
    raw["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}}
    told = Story().replicas("a", "b").saw(0.1, "MODIFIED", raw, "Deployment")
    told.killed("a", 31).killed("b", 31.1).fault(name="rolling-update")
    advice, patch = only(told.history(), failed("slo-met"))
    assert patch["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "2 - 2 = 0 must stay" in advice.sums[0]


def leaving(outcome_at: tuple[int, ...], *, grace_s: int, sleep_s: int = 0) -> History:
    """A replica of three is asked to go at 30 s, is gone at 33 s, and these requests fail; others take 2.5 s."""
    container = dict(PROBED["containers"][0])
    if sleep_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": sleep_s}}}
    spec = {**PROBED, "terminationGracePeriodSeconds": grace_s, "containers": [container]}
    told = story("a", "b", "c", spec=spec).fault("a").traffic(latency_s=2.5)
    told.saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True, spec=spec)).killed("a", 33)
    return told.fate(outcome_at, "truncated").history()


def test_too_short_a_grace_is_lengthened_by_its_arithmetic() -> None:
    """Requests were cut while a replica left: the longest answer and the sleep make the grace."""
    advice, patch = only(leaving((305, 310, 315), grace_s=1), failed("slo-met"))
    given = patch["spec"]["template"]["spec"]
    assert given["terminationGracePeriodSeconds"] == 3 + 5
    assert given["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert advice.sums[-1] == "grace of at least 3 + 5 = 8 s (now 1 s)"


@pytest.mark.parametrize(
    ("bad", "grace_s", "sleep_s"),
    [((500, 510, 520), 1, 0), ((305, 310), 30, 5), ((), 1, 0)],
    ids=["elsewhere", "long enough", "none bad"],
)
def test_grace_is_not_blamed_for_other_troubles(bad: tuple[int, ...], grace_s: int, sleep_s: int) -> None:
    """Requests that broke elsewhere, a grace that is long enough, and no bad request at all give no advice."""
    assert not advise(leaving(bad, grace_s=grace_s, sleep_s=sleep_s), failed("slo-met"))


def unprobed(*names: str) -> dict[str, Any]:
    """The pod spec without these probes, the others asking /ok."""
    container = {key: value for key, value in PROBED["containers"][0].items() if key not in names}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container:
            container[probe] = {**container[probe], "httpGet": {"path": "/ok", "port": 80}}
    return {**PROBED, "containers": [container]}


def test_a_missing_liveness_probe_is_copied_from_another() -> None:
    """A hung replica that nothing restarted gets a liveness probe that asks what its startup probe asks."""
    history = story("a", "b", spec=unprobed("livenessProbe")).fault("a", name="process-hang").history()
    advice, patch = only(history, failed("restarted-by-liveness"))
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "m"
    assert container["livenessProbe"]["httpGet"] == {"path": "/ok", "port": 80}
    assert "= 8 s" in advice.sums[0]


def test_a_liveness_probe_that_is_there_is_not_missed() -> None:
    """With a liveness probe the cause is another one."""
    assert not advise(story("a", "b", spec=unprobed()).history(), failed("restarted-by-liveness"))


def test_a_hasty_liveness_probe_gets_patience_for_the_hang() -> None:
    """The threshold outlasts the hang that was to be sat out."""
    spec = unprobed()
    spec["containers"][0]["livenessProbe"] = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 1}
    told = story("a", "b", spec=spec).fault("a", at_s=30, healed_s=40.5, name="process-hang")
    advice, patch = only(told.history(), failed("no-needless-restart"))
    threshold = patch["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["failureThreshold"]
    assert 1 + (threshold - 1) * 1 + 1 > 10
    assert advice.sums[-1] == "the hang lasted 10.0 s, and no restart was wanted"


def test_a_missing_readiness_probe_is_told() -> None:
    """Users met replicas that could not answer, and nothing kept those out of the traffic."""
    history = story("a", "b", spec=unprobed("readinessProbe")).fault("a").history()
    _, patch = only(history, failed("slo-met"))
    assert "readinessProbe" in patch["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("answer", [Answer.PASS, Answer.UNKNOWN])
def test_what_did_not_fail_gets_no_patch(answer: Answer) -> None:
    """A finding that held, or that nobody could decide, is no ground to change a system."""
    told = story("a").fault("a").killed("a", 30.2).replaced("b", 30.3, ready_s=40)
    assert not advise(told.history(), failed("slo-met", answer))


def test_a_dry_run_and_an_unseen_workload_get_none() -> None:
    """Nothing is concluded from a dry run, nor about a workload that the watch never saw."""
    told = story("a").fault("a").killed("a", 30.2)
    rehearsed = replace(told.history(), facts=replace(told.history().facts, dry_run=True))
    assert not advise(rehearsed, failed("slo-met"))
    assert not advise(Story().history(), failed("slo-met"))
