"""EndState: what the system is like when the trial ends; whole, short beyond its bound, or not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from histories import NAMESPACE, PROBED, T0, WORKLOAD, Story, at, facts, nothing, pod
from node_loss_stories import unscheduled
from probe_stories import endpoints
from rollout_stories import NEW, OLD, Rolling, kept_story, owned, release, update_story

from chaos.checks import EndState
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

NO_DEVICE = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return EndState()(story.history())


def standing(*, end_s: float = 120, **spec: Any) -> Rolling:
    """Four replicas, all among the endpoints; `a` is killed at 30.2 s."""
    story = Rolling(end_s).stands("a", "b", "c", "d", **spec).fault("a").killed("a", 30.2)
    return story.saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice")


def event(uid: str, reason: str, message: str) -> dict[str, Any]:
    """An Event about an object."""
    metadata = {"uid": f"{reason}-{uid}", "name": f"{reason}-{uid}", "namespace": NAMESPACE}
    return {"metadata": metadata, "involvedObject": {"uid": uid}, "reason": reason, "message": message}


def test_a_whole_system_passes() -> None:
    """Every desired replica is Ready, among the endpoints, and of the Deployment's template."""
    finding = judged(kept_story())
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.measured == "4 of 4 ready, 4 among the endpoints, 4 of the wanted template"


# --- a replica is missing ------------------------------------------------------------------------------------------


def test_a_replica_that_no_node_takes_is_told_in_the_schedulers_words() -> None:
    """A pod that found no device up to the end is a FAIL with the scheduler's reason."""
    waiting = unscheduled("e", NO_DEVICE)
    waiting["metadata"]["ownerReferences"][0] |= {"name": OLD, "uid": OLD}
    finding = judged(standing().saw(30.4, "ADDED", waiting))
    assert finding.answer is Answer.FAIL
    assert "Insufficient nvidia.com/gpu" in finding.reason


def test_a_node_on_its_way_leaves_it_open() -> None:
    """While the cluster autoscaler makes a node for the pod, nobody promises how soon."""
    waiting = unscheduled("e", NO_DEVICE)
    waiting["metadata"]["ownerReferences"][0] |= {"name": OLD, "uid": OLD}
    coming = event("e", "TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 1->2 (max: 4)}]")
    finding = judged(standing().saw(30.4, "ADDED", waiting).saw(32, "ADDED", coming, "Event"))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "gpu-pool 1->2" in finding.reason


def test_a_quota_is_named() -> None:
    """Where no pod may be made, the words are the controller's own."""
    short = owned(OLD, 4)
    short["status"] = {"replicas": 3}
    refused = event(OLD, "FailedCreate", "pods is forbidden: exceeded quota: gpus, requested: 1, used: 4, limited: 4")
    finding = judged(standing().saw(31, "MODIFIED", short, "ReplicaSet").saw(31, "ADDED", refused, "Event"))
    assert finding.answer is Answer.FAIL
    assert "exceeded quota: gpus" in finding.reason


def pulling(reason: str, message: str) -> dict[str, Any]:
    """The replacement `e`, whose container waits for its image."""
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}]}
    raw = pod("e", owner=OLD, spec=spec)
    raw["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": message}}
    return raw


def test_an_image_that_does_not_exist_is_named() -> None:
    """What will never come by itself is a FAIL, though a pull that takes long is none."""
    finding = judged(standing().saw(30.4, "ADDED", pulling("ErrImagePull", "manifest unknown")))
    assert finding.answer is Answer.FAIL
    assert "manifest unknown" in finding.reason


def test_a_probe_that_fails_is_named() -> None:
    """A pod that runs and is not Ready is a FAIL with its probe's words."""
    failing = event("e", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    finding = judged(standing().replaced("e", 30.4, ready_s=None, owner=OLD).saw(40, "ADDED", failing, "Event"))
    assert finding.answer is Answer.FAIL
    assert "statuscode: 503" in finding.reason


@pytest.mark.parametrize("healed_s", [95, 40])
def test_a_replica_within_its_bound_is_unknown(healed_s: float) -> None:
    """A replica that is not Ready has its bound from its start, or from the heal that came after."""
    story = Rolling(120).stands("a", "b", "c", "d").fault("a", healed_s=healed_s)
    lost_s = 30.2 if healed_s == 95 else 80
    story.saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice").killed("a", lost_s)
    finding = judged(story.replaced("e", lost_s + 0.2, ready_s=None, owner=OLD))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "into a bound of 29 s" in finding.reason


# --- endpoints -----------------------------------------------------------------------------------------------------


def test_a_replica_without_an_endpoint_fails() -> None:
    """A Ready replica that no user reaches is not there for them."""
    finding = judged(standing().replaced("e", 30.4, ready_s=34, owner=OLD))
    assert finding.answer is Answer.FAIL
    assert "model-e is Ready, and not among the endpoints" in finding.reason


@pytest.mark.parametrize(("selector", "answer"), [({"color": "green"}, Answer.UNKNOWN), ({}, Answer.FAIL)])
def test_a_replica_that_the_service_does_not_select_owes_no_endpoint(selector: dict[str, str], answer: Answer) -> None:
    """A blue-green release points the Service to other pods; one that still selects the replica has to have it."""
    metadata = {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}
    story = (
        standing().replaced("e", 30.4, ready_s=34, owner=OLD).saw(60, "MODIFIED", endpoints(*"bcd"), "EndpointSlice")
    )
    service = {"metadata": metadata, "spec": {"selector": {"app": WORKLOAD} | selector}}
    finding = judged(story.saw(0, "LISTED", service, "Service"))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("since_s", "answer"), [(90, Answer.UNKNOWN), (101, Answer.PASS)])
def test_endpoints_whose_news_came_after_the_end_are_unknown(since_s: float, answer: Answer) -> None:
    """The watch of endpoints was cut off as the trial ended, at 100 s, and told the rest ten seconds later."""
    story = kept_story().has(late=(Gap("EndpointSlice", at(since_s), at(110), "reset"),))
    assert judged(story).answer is answer


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "EndpointSlice"])
@pytest.mark.parametrize(("resumed_s", "answer"), [(99.5, Answer.UNKNOWN), (98, Answer.PASS)])
def test_news_that_a_resumed_watch_still_has_to_tell_leaves_the_end_open(
    kind: str, resumed_s: float, answer: Answer
) -> None:
    """A watch that was resumed half a second before the end of 100 s may not have told yet all that it missed."""
    finding = judged(kept_story().has(late=(Gap(kind, at(90), at(resumed_s), "reset"),)))
    assert finding.answer is answer, finding.line()


def test_unwatched_endpoints_are_unknown() -> None:
    """Where endpoints were not watched nobody knows who is among them."""
    story = kept_story()
    spans: Mapping[str, tuple[int, int]] = story.history().covered_ns
    finding = judged(story.has(covered_ns={kind: span for kind, span in spans.items() if kind != "EndpointSlice"}))
    assert finding.answer is Answer.UNKNOWN
    assert "endpoints were not watched" in finding.reason


def test_a_service_that_publishes_unready_addresses_proves_nothing() -> None:
    """An endpoint that is ready while its pod is not serving betrays such a Service."""
    story = kept_story()
    slices = endpoints(*"bcde")
    slices["endpoints"][3]["conditions"] |= {"serving": False}
    finding = judged(story.saw(32, "MODIFIED", slices, "EndpointSlice"))
    assert finding.answer is Answer.UNKNOWN
    assert "publishNotReadyAddresses" in finding.reason


# --- the template --------------------------------------------------------------------------------------------------


def rolled(changed_s: float, *, ready_s: float | None, end_s: float = 200, **spec: Any) -> Finding:
    """The template changes; one new pod is made beside the four old ones."""
    story = Rolling(end_s).stands("a", "b", "c", "d", surge=1, unavailable=0).fault("a")
    story.has(phases=(story.history().phases[0],)).saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice")
    story.saw(changed_s, "MODIFIED", release(NEW, surge=1, unavailable=0, **spec), "Deployment")
    story.saw(changed_s + 0.1, "ADDED", owned(NEW, 1), "ReplicaSet")
    story.made("e", changed_s + 0.2, NEW, ready_s=ready_s)
    story.has(phases=(*story.history().phases, _recovery(end_s - 5)))
    return judged(story)


def _recovery(end_s: float) -> Any:
    from chaos.history import Phase  # noqa: PLC0415

    return Phase("recovery", at(40), at(end_s))


def test_a_rollout_that_is_under_way_is_unknown() -> None:
    """Old replicas that serve while the new ones have their time are no failure."""
    finding = rolled(150, ready_s=None)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "of a former template" in finding.reason


def test_a_rollout_that_got_stuck_fails() -> None:
    """All four old replicas serve, but the release that was asked for is not there long after its time."""
    finding = rolled(35, ready_s=None)
    assert finding.answer is Answer.FAIL
    assert "4 replicas are of a former template" in finding.reason


def test_a_paused_rollout_is_unknown() -> None:
    """A Deployment that is paused asks for no new pod."""
    finding = rolled(35, ready_s=None, paused=True)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "paused" in finding.reason


def test_a_rollout_that_is_done_passes() -> None:
    """A rolling update that came through leaves the wanted template."""
    story = update_story().saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice")
    finding = judged(story.saw(38.2, "MODIFIED", endpoints(*"efgh"), "EndpointSlice"))
    assert finding.answer is Answer.PASS, finding.line()


def stateful(update: Mapping[str, Any], revisions: str, *, observed: int = 2) -> Finding:
    """Three members of a StatefulSet, of these revisions; the wanted one is `n` since 10 s."""
    raw = {
        "metadata": {"uid": "sts-1", "name": WORKLOAD, "namespace": NAMESPACE, "generation": 2},
        "spec": {"replicas": 3, "updateStrategy": update, "template": {"spec": PROBED}},
        "status": {"observedGeneration": observed, "updateRevision": "n"},
    }
    story = Story(300).saw(0, "LISTED", raw, "StatefulSet").saw(0, "LISTED", endpoints(*"xyz"), "EndpointSlice")
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": WORKLOAD, "uid": "sts-1", "controller": True}
    for ordinal, (uid, revision) in enumerate(zip("xyz", revisions, strict=True)):
        member = pod(uid, ready=True)
        member["metadata"] |= {"name": f"{WORKLOAD}-{ordinal}", "ownerReferences": [owner]}
        member["metadata"]["labels"] = {"app": WORKLOAD, "controller-revision-hash": revision}
        story.saw(0, "LISTED", member)
    covered = dict.fromkeys(("Pod", "StatefulSet", "EndpointSlice"), (T0, at(300)))
    story.has(facts=facts(workload_kind="StatefulSet"), covered_ns=covered)
    story.has(phases=(_recovery(295),))
    return judged(story.traffic())


@pytest.mark.parametrize(
    ("update", "revisions", "answer"),
    [
        ({"type": "RollingUpdate"}, "nnn", Answer.PASS),
        ({"type": "RollingUpdate"}, "onn", Answer.FAIL),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "onn", Answer.PASS),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "oon", Answer.FAIL),
        ({"type": "OnDelete"}, "ooo", Answer.PASS),
    ],
    ids=["all", "one behind", "a partition", "behind a partition", "OnDelete"],
)
def test_members_are_of_the_revision_that_is_asked_for(
    update: Mapping[str, Any], revisions: str, answer: Answer
) -> None:
    """A StatefulSet's members are of its update revision, but below its partition, and with OnDelete none must."""
    finding = stateful(update, revisions)
    assert finding.answer is answer, finding.line()


def test_a_status_that_lags_behind_is_unknown() -> None:
    """A status of an older generation does not say which revision is wanted."""
    assert stateful({"type": "RollingUpdate"}, "nnn", observed=1).answer is Answer.UNKNOWN


# --- what the record cannot say ------------------------------------------------------------------------------------


def test_a_watch_that_broke_at_the_end_is_unknown() -> None:
    """What was there before a gap may be gone after it."""
    finding = judged(standing().gap(90, 110))
    assert finding.answer is Answer.UNKNOWN
    assert "broken at the end" in finding.reason


def test_a_trial_that_was_stopped_convicts_nobody() -> None:
    """A trial that was stopped, or whose fault was never healed, did not give the system its time."""
    for spoiled in (standing().has(stopped="the budget of errors is spent"), standing().has(finished=False)):
        assert judged(spoiled).answer is Answer.UNKNOWN


def test_nothing_desired_is_nothing_proved() -> None:
    """A system that is scaled to zero, and a record of nothing, prove nothing."""
    assert EndState()(nothing()).answer is Answer.UNKNOWN
    story = kept_story().saw(60, "MODIFIED", release(OLD, replicas=0), "Deployment")
    assert judged(story).answer is Answer.UNKNOWN


def test_a_surge_that_is_not_ready_takes_nothing_away() -> None:
    """More pods than desired are there; as many as are desired lack nothing."""
    assert judged(kept_story().replaced("f", 60, ready_s=None, owner=OLD)).answer is Answer.PASS
