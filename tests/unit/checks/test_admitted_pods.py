"""Pods that are more than their template: webhooks inject sidecars, and the readiness gates of a load balancer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, deployment, node, pod, replica_set
from recovery_stories import replaced_story
from rollout_stories import NEW, OLD, Rolling, owned, release

from chaos.checks import EndState, Recovered, RecoveredInTime, RolledOut
from chaos.checks.verdict import Answer, Check
from chaos.history import Phase
from chaos.history.facts.templates import as_admitted

GATED: Mapping[str, Any] = {**PROBED, "readinessGates": [{"conditionType": "target-health.elbv2.k8s.aws/model"}]}
"""As the controller of a cloud's load balancer has pods: Ready only when the balancer finds them healthy."""

PROXY = {"imagePullPolicy": "Never", "startupProbe": {"periodSeconds": 1, "failureThreshold": 60}}
MESHED: Mapping[str, Any] = {
    **PROBED,
    "initContainers": [{"name": "istio-proxy", "restartPolicy": "Always", **PROXY}],
}
"""As a mesh has pods: its proxy may take a minute to start, before the server does."""

BESIDE: Mapping[str, Any] = {**PROBED, "containers": [*PROBED["containers"], {"name": "istio-proxy", **PROXY}]}
"""The same, with the proxy as a container like any other."""


def with_sidecar(**probes: Any) -> Mapping[str, Any]:
    """Pods with a sidecar that has these probes, none of them for its start."""
    proxy = {"name": "istio-proxy", "restartPolicy": "Always", "imagePullPolicy": "Never", **probes}
    return {**PROBED, "initContainers": [proxy]}


LOOKED_AT, UNSEEN = with_sidecar(readinessProbe={"periodSeconds": 1}), with_sidecar()
"""A pod is Ready only with its sidecar, which may be as slow to start as it likes; one without any probe is at once."""

MADE = [
    pytest.param(PROBED, 34, Answer.PASS, id="as the template, in time"),
    pytest.param(PROBED, 80, Answer.FAIL, id="as the template, late"),
    pytest.param(GATED, 34, Answer.PASS, id="a gate, in time"),
    pytest.param(GATED, 80, Answer.UNKNOWN, id="a gate, late"),
    pytest.param(MESHED, 80, Answer.PASS, id="a sidecar, in its time"),
    pytest.param(MESHED, 185, Answer.FAIL, id="a sidecar, late"),
    pytest.param(BESIDE, 80, Answer.PASS, id="a container, in its time"),
    pytest.param(BESIDE, 140, Answer.FAIL, id="a container, late"),
    pytest.param(LOOKED_AT, 34, Answer.PASS, id="a sidecar with a readiness probe, in time"),
    pytest.param(LOOKED_AT, 80, Answer.UNKNOWN, id="a sidecar with a readiness probe, late"),
    pytest.param(UNSEEN, 80, Answer.FAIL, id="a sidecar without a probe, late"),
]
"""The pods as they are, when a new one is Ready, and the answer; the template alone promises 29 s."""


def running(raw: dict[str, Any]) -> dict[str, Any]:
    """A pod whose proxy runs, if it has one."""
    one = {"name": "istio-proxy", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    raw["status"]["initContainerStatuses"] = [one] if "initContainers" in raw["spec"] else []
    raw["status"]["containerStatuses"] += [one] if len(raw["spec"]["containers"]) > 1 else []
    return raw


def made(story: Story, uid: str, ready_s: float, spec: Mapping[str, Any], owner: str) -> None:
    """A pod of that spec is made at 30.3 s, runs a second later, and is Ready in the end."""
    story.saw(30.3, "ADDED", pod(uid, node="", spec=spec, owner=owner))
    story.saw(30.4, "MODIFIED", pod(uid, spec=spec, owner=owner))
    story.saw(31.4, "MODIFIED", running(pod(uid, running=True, spec=spec, owner=owner)))
    story.saw(ready_s, "MODIFIED", running(pod(uid, ready=True, spec=spec, owner=owner)))


@pytest.mark.parametrize(("spec", "ready_s", "answer"), MADE)
@pytest.mark.parametrize("grown", [False, True], ids=["lost", "grown"])
def test_a_new_pod_has_the_time_of_what_admission_added(
    spec: Mapping[str, Any],
    ready_s: float,
    answer: Answer,
    grown: bool,  # noqa: FBT001
) -> None:
    """What a webhook adds to the pods, and not to their template, may hold them up like anything of the template."""
    story = Story(200).saw(0, "LISTED", deployment(3), "Deployment").saw(0, "LISTED", replica_set(3), "ReplicaSet")
    story.saw(0, "LISTED", node("n1"), "Node").fault("a").traffic()
    for uid in "abc":
        story.saw(0, "LISTED", running(pod(uid, ready=True, spec=spec)))
    if grown:
        story.saw(30.2, "MODIFIED", deployment(4), "Deployment").saw(30.2, "MODIFIED", replica_set(4), "ReplicaSet")
    else:
        story.saw(30.2, "DELETED", running(pod("a", ready=True, spec=spec)))
    made(story, "d", ready_s, spec, "rs-1")
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("spec", "ready_s", "answer"), MADE)
def test_a_release_has_the_time_of_what_admission_added(
    spec: Mapping[str, Any], ready_s: float, answer: Answer
) -> None:
    """A release of one pod, which is made beside the old one, has the time that the pod as admitted may take."""
    story = Rolling(200).saw(0, "LISTED", release(OLD, replicas=1, unavailable=0), "Deployment")
    story.saw(0, "LISTED", owned(OLD, 1), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
    story.saw(0, "LISTED", running(pod("a", ready=True, spec=spec, owner=OLD))).traffic()
    story.fault(name="rolling-update", at_s=30, healed_s=190).saw(
        30.2, "MODIFIED", release(NEW, replicas=1, unavailable=0), "Deployment"
    )
    story.saw(30.25, "ADDED", owned(NEW, 1), "ReplicaSet")
    made(story, "e", ready_s, spec, NEW)
    story.saw(ready_s + 0.1, "MODIFIED", owned(OLD, 0), "ReplicaSet")
    story.saw(ready_s + 0.2, "DELETED", running(pod("a", ready=True, spec=spec, owner=OLD)))
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("spec", "ready_s", "answer"),
    [(LOOKED_AT, 34, Answer.PASS), (LOOKED_AT, 100, Answer.UNKNOWN), (UNSEEN, 100, Answer.FAIL)],
)
def test_the_stage_of_a_sidecar_without_a_limited_start_is_open(
    spec: Mapping[str, Any], ready_s: float, answer: Answer
) -> None:
    """Where a sidecar has a probe, and none for its start, nobody says how long the pod may run before it is Ready."""
    story = replaced_story(spec=spec, Ready=ready_s)
    story.events = [
        replace(one, object=running(dict(one.object))) if one.kind == "Pod" else one for one in story.events
    ]
    finding = RecoveredInTime()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("spec", "answer"), [(PROBED, Answer.FAIL), (GATED, Answer.UNKNOWN), (MESHED, Answer.FAIL)])
@pytest.mark.parametrize("check", [EndState(), Recovered()], ids=lambda check: str(check.name))
def test_a_gate_that_is_never_opened_is_open(check: Check, spec: Mapping[str, Any], answer: Answer) -> None:
    """A pod that runs and never is Ready fails, unless somebody else has to open its gate."""
    story = Rolling(200).saw(0, "LISTED", release(OLD, replicas=2), "Deployment").fault("a")
    story.saw(0, "LISTED", owned(OLD, 2), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
    for uid in "ab":
        story.saw(0, "LISTED", running(pod(uid, ready=True, spec=spec, owner=OLD)))
    story.saw(30.2, "DELETED", running(pod("a", ready=True, spec=spec, owner=OLD))).traffic()
    made(story, "d", 199, spec, OLD)
    story.events.pop()
    finding = check(story.has(phases=(Phase("recovery", at(40), at(190)),)).history())
    assert finding.answer is answer, finding.line()


# --- what admission changes ----------------------------------------------------------------------------------------


def changed(**fields: Any) -> Mapping[str, Any]:
    """The pods of the template, with other fields of their container."""
    return {**PROBED, "containers": [{**PROBED["containers"][0], **fields}]}


SLOWER = changed(startupProbe={"periodSeconds": 1, "failureThreshold": 60})
"""As a policy that gives every server a minute to start."""

HASTIER = changed(startupProbe={"periodSeconds": 1, "failureThreshold": 1})

PULLED = changed(imagePullPolicy="Always")
"""As the admission plugin AlwaysPullImages has pods."""

CHANGED = [
    pytest.param(SLOWER, 34, Answer.PASS, id="a longer probe, in time"),
    pytest.param(SLOWER, 80, Answer.PASS, id="a longer probe, in its time"),
    pytest.param(SLOWER, 140, Answer.FAIL, id="a longer probe, late"),
    pytest.param(HASTIER, 57.5, Answer.FAIL, id="a shorter probe, later than that allows"),
]


def replaced(spec: Mapping[str, Any], ready_s: float) -> Story:
    """`a` of two is killed, and `d`, of that spec as all of them, is Ready in its place."""
    story = Rolling(200).saw(0, "LISTED", release(OLD, replicas=2), "Deployment").fault("a").traffic()
    story.saw(0, "LISTED", owned(OLD, 2), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
    for uid in "ab":
        story.saw(0, "LISTED", pod(uid, ready=True, spec=spec, owner=OLD))
    story.saw(30.2, "DELETED", pod("a", ready=True, spec=spec, owner=OLD))
    made(story, "d", ready_s, spec, OLD)
    return story


@pytest.mark.parametrize(("spec", "ready_s", "answer"), CHANGED)
def test_a_new_pod_has_the_time_of_what_admission_changed(
    spec: Mapping[str, Any], ready_s: float, answer: Answer
) -> None:
    """What a webhook changes in pods of the very template that is wanted is what they promise."""
    finding = Recovered()(replaced(spec, ready_s).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("spec", "answer"), [(PROBED, Answer.FAIL), (SLOWER, Answer.UNKNOWN)])
def test_a_new_pod_has_that_time_at_the_end(spec: Mapping[str, Any], answer: Answer) -> None:
    """A pod that may start for a minute is not late when the trial ends 35 s after the heal."""
    story = replaced(spec, 190).has(phases=(Phase("recovery", at(40), at(75)),))
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("spec", "ready_s", "answer"), CHANGED)
def test_a_release_has_the_time_of_what_admission_changed(
    spec: Mapping[str, Any], ready_s: float, answer: Answer
) -> None:
    """So has a release, whose pods are all admitted so."""
    test_a_release_has_the_time_of_what_admission_added(spec, ready_s, answer)


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=lambda check: str(check.name))
def test_an_image_that_admission_has_pulled_is_not_late(check: Check) -> None:
    """Where every pod has to ask the registry, though its template need not, a long pull breaks no promise."""
    story = replaced_story(spec=PULLED, started=90)
    story.saw(0, "LISTED", release(OLD, replicas=2), "Deployment").saw(0, "LISTED", owned(OLD, 2), "ReplicaSet")
    story.events = [
        replace(one, object=owned_by(OLD, one.object)) if one.kind == "Pod" else one
        for one in story.events
        if one.kind not in ("Deployment", "ReplicaSet") or one.object["metadata"]["uid"] in (OLD, "d-1")
    ]
    finding = check(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "pulled" in finding.reason


def owned_by(owner: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod, as that ReplicaSet's."""
    owners = [{**one, "name": owner, "uid": owner} for one in raw["metadata"]["ownerReferences"]]
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": owners}}


def test_a_template_is_as_it_is_where_nothing_was_added() -> None:
    """What the pod lacks, or changes under the same name, is no addition; the template stays the very same."""
    assert as_admitted(PROBED, {**PROBED, "nodeName": "n1", "containers": []}) is PROBED
    both = as_admitted({**PROBED, "readinessGates": [{"conditionType": "own"}]}, GATED)
    assert {one["conditionType"] for one in both["readinessGates"]} == {
        "own",
        "target-health.elbv2.k8s.aws/model",
    }
