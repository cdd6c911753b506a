"""What must not change a verdict: things that stand beside the system, and how the record came to be written.

Each story in which a check's claim holds, and cuts of it that leave the claim open or broken, is told again with one
thing added. The answer must not become better, and must not become FAIL.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import polars as pl
import pytest
from autoscaler_stories import hpa
from histories import NAMESPACE, WORKLOAD, Story, at, node, replica_set
from probe_stories import endpoints
from test_check_no_data import every_check, story_of, title

from chaos.checks.verdict import Answer, Check
from chaos.clock import NS
from chaos.history import TrialFacts, WatchEvent
from chaos.objects.base import Ref

CUTS_S = (31.0, 45.0, 70.0)
"""Moments after which nothing of the cluster was heard any more."""

SIDECAR: Mapping[str, Any] = {
    "name": "log-shipper",
    "image": "shipper:1",
    "imagePullPolicy": "Never",
    "resources": {"requests": {"cpu": "0", "memory": "0"}},
}
"""Without a probe; it asks for nothing, so that an autoscaler reckons as before."""

NOT_BESIDE = {
    ("a Job's pod with our labels", "DecisionsRecomputed"),
    ("a Job's pod with our labels", "ScaledUp"),
    ("another node", "NothingEvicted"),
}
"""Not beside the system: an autoscaler counts each pod that its selector matches, and every node is every node."""


def pods(story: Story, change: Callable[[dict[str, Any]], None]) -> Story:
    """The story with a change to each raw pod."""

    def changed(event: WatchEvent) -> WatchEvent:
        if event.kind != "Pod":
            return event
        raw = copy.deepcopy(dict(event.object))
        change(raw)
        return replace(event, object=raw)

    story.events = [changed(event) for event in story.events]
    return story


def sidecar(story: Story) -> Story:
    """A container without probes that runs from the start, beside the model in each pod."""

    def beside(raw: dict[str, Any]) -> None:
        raw["spec"]["containers"] = [*raw["spec"]["containers"], dict(SIDECAR)]
        state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        if raw.get("status", {}).get("phase") == "Running":
            of_model = raw["status"].get("containerStatuses", [])
            raw["status"]["containerStatuses"] = [
                *of_model,
                {"name": SIDECAR["name"], "ready": True, "restartCount": 0, "state": state},
            ]

    return pods(story, beside)


def native_sidecar(story: Story) -> Story:
    """An init container that goes on running (restartPolicy Always), started before the model."""

    def beside(raw: dict[str, Any]) -> None:
        raw["spec"]["initContainers"] = [{**SIDECAR, "restartPolicy": "Always"}]
        if raw.get("status", {}).get("phase") == "Running":
            state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
            status = {"name": SIDECAR["name"], "ready": True, "started": True, "restartCount": 0, "state": state}
            raw["status"]["initContainerStatuses"] = [status]

    return pods(story, beside)


def stranger(uid: str, owner: Mapping[str, Any], *, ready: bool, phase: str = "Running") -> dict[str, Any]:
    """A pod of somebody else in the same namespace."""
    return {
        "metadata": {
            "uid": uid,
            "name": uid,
            "namespace": NAMESPACE,
            "labels": {"app": "other"},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "other"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "other", "ready": ready, "restartCount": 0, "state": {"running": {}}}],
        },
    }


def neighbour(story: Story) -> Story:
    """Another team's Deployment, one of whose pods dies in the middle and comes back late."""
    owner = {"kind": "ReplicaSet", "name": "other-rs", "uid": "other-rs"}
    story.saw(0, "LISTED", stranger("other-1", owner, ready=True))
    story.saw(33, "DELETED", stranger("other-1", owner, ready=True))
    story.saw(90, "ADDED", stranger("other-2", owner, ready=False))
    return story.saw(99, "MODIFIED", stranger("other-2", owner, ready=True))


def job_pod(story: Story) -> Story:
    """A Job's pod that runs to its end and stays as Succeeded."""
    owner = {"kind": "Job", "name": "nightly", "uid": "nightly"}
    story.saw(0, "LISTED", stranger("nightly-1", owner, ready=True))
    return story.saw(34, "MODIFIED", stranger("nightly-1", owner, ready=False, phase="Succeeded"))


def stranger_of_our_labels(story: Story) -> Story:
    """A finished Job pod that bears the service's labels."""

    def ours(raw: dict[str, Any]) -> dict[str, Any]:
        raw["metadata"]["labels"] = {"app": WORKLOAD}
        return raw

    owner = {"kind": "Job", "name": "warm", "uid": "warm"}
    return story.saw(0, "LISTED", ours(stranger("warm-1", owner, ready=False, phase="Succeeded")))


def second_slice(story: Story) -> Story:
    """A second, empty EndpointSlice of the Service, as the controller keeps after a service has shrunk."""
    if not any(event.kind == "EndpointSlice" for event in story.events):
        return story
    empty = copy.deepcopy(endpoints())
    empty["metadata"] = {**empty["metadata"], "name": "model-second", "uid": "slice-second"}
    return story.saw(0, "LISTED", empty, "EndpointSlice")


def other_slice(story: Story) -> Story:
    """The EndpointSlice of another Service that leads to other pods."""
    other = copy.deepcopy(endpoints())
    other["metadata"] = {
        **other["metadata"],
        "name": "other-1",
        "uid": "slice-other",
        "labels": {"kubernetes.io/service-name": "other"},
    }
    return story.saw(0, "LISTED", other, "EndpointSlice")


def other_autoscaler(story: Story) -> Story:
    """An autoscaler of another workload, at its maximum and beyond its target."""
    raw = copy.deepcopy(dict(hpa(4)))
    raw["metadata"] = {**raw["metadata"], "name": "other", "uid": "hpa-other"}
    raw["spec"] = {**raw["spec"], "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}}
    return story.saw(0, "LISTED", raw, "HorizontalPodAutoscaler")


def other_budget(story: Story) -> Story:
    """A disruption budget over another workload's pods that allows nothing."""
    raw = {
        "metadata": {"uid": "pdb-other", "name": "other", "namespace": NAMESPACE, "generation": 1},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "other"}}},
        "status": {
            "observedGeneration": 1,
            "disruptionsAllowed": 0,
            "currentHealthy": 1,
            "desiredHealthy": 1,
            "expectedPods": 1,
        },
    }
    return story.saw(0, "LISTED", raw, "PodDisruptionBudget")


def empty_node(story: Story) -> Story:
    """A node of another pool, cordoned and bare, that joins and turns NotReady."""
    story.saw(20, "ADDED", node("spare", labels={"pool": "spare"}, cordoned=True), "Node")
    return story.saw(50, "MODIFIED", node("spare", ready=False, labels={"pool": "spare"}, cordoned=True), "Node")


def unknown_fields(story: Story) -> Story:
    """Fields of a later Kubernetes that nobody here knows."""

    def later(raw: dict[str, Any]) -> None:
        raw["spec"]["someday"] = {"a": [1, None, {"b": True}]}
        raw.setdefault("status", {})["someday"] = ["x"]
        raw["metadata"]["annotations"] = {"example.com/note": "{}"}

    return pods(story, later)


def duplicated(story: Story) -> Story:
    """Every change is received twice, the second time 1 ms later."""
    again = [
        replace(event, at_ns=event.at_ns + NS // 1000, type="MODIFIED") if event.type == "ADDED" else event
        for event in story.events
        if event.type in ("ADDED", "MODIFIED")
    ]
    story.events = sorted([*story.events, *again], key=lambda event: event.at_ns)
    return story


NEIGHBOURS: Mapping[str, Callable[[Story], Story]] = {
    "a sidecar": sidecar,
    "a native sidecar": native_sidecar,
    "a neighbour": neighbour,
    "a Job's pod": job_pod,
    "a Job's pod with our labels": stranger_of_our_labels,
    "a second slice": second_slice,
    "another Service's slice": other_slice,
    "another autoscaler": other_autoscaler,
    "another budget": other_budget,
    "another node": empty_node,
    "unknown fields": unknown_fields,
    "events twice": duplicated,
}


def cut(story: Story, at_s: float) -> Story:
    """The story without what the cluster did after a moment, though all was watched: what was to come did not."""
    story.events = [event for event in story.events if event.at_ns <= at(at_s)]
    return story


def variants(check: Check) -> Mapping[str, Callable[[], Story]]:
    """The story in which the check's claim holds, and what leaves it open or broken."""
    told: dict[str, Callable[[], Story]] = {"whole": lambda: story_of(check)}
    for at_s in CUTS_S:
        told[f"nothing after {at_s:g} s"] = lambda at_s=at_s: cut(story_of(check), at_s)  # type: ignore[misc]
    return told


PAIRS = [
    pytest.param(check, beside, id=f"{title(check)}, {beside}")
    for check in every_check()
    for beside in NEIGHBOURS
    if (beside, title(check)) not in NOT_BESIDE
]


@pytest.mark.parametrize(("check", "beside"), PAIRS)
def test_what_stands_beside_the_system_changes_no_answer(check: Check, beside: str) -> None:
    """Beside something that is none of the system's, every claim that held holds, and none that failed is better."""
    for name, told in variants(check).items():
        before, after = check(told().history()), check(NEIGHBOURS[beside](told()).history())
        assert after.answer is before.answer, f"{name}\nbefore: {before.line()}\nafter:  {after.line()}"


HOUR_NS = 3600 * NS


def later(part: Any) -> Any:
    """The same record an hour later: every moment in it, at any depth. Spans are not moments, and stay."""
    if hasattr(part, "_fields"):
        return part._replace(**{name: _later(name, getattr(part, name)) for name in part._fields})
    if isinstance(part, tuple):
        return tuple(later(one) for one in part)
    if not is_dataclass(part) or isinstance(part, (type, Ref, TrialFacts)):
        return part
    moved = {one.name: _later(one.name, getattr(part, one.name)) for one in fields(part) if one.init}
    return replace(part, **moved)


def _later(name: str, value: Any) -> Any:
    if name == "covered_ns":
        return {kind: tuple(at_ns + HOUR_NS for at_ns in span) for kind, span in value.items()}
    if name == "requests":
        moments = [column for column in value.columns if column.endswith("_ns")]
        return value.with_columns(pl.col(moments) + HOUR_NS)
    if name.endswith("_ns") and isinstance(value, int):
        return value + HOUR_NS
    return later(value)


@pytest.mark.parametrize("check", every_check(), ids=title)
def test_the_time_of_day_changes_no_answer(check: Check) -> None:
    """A trial that was recorded an hour later comes to the same answer."""
    history = story_of(check).history()
    before, after = check(history), check(later(history))
    assert after.answer is before.answer, f"before: {before.line()}\nafter:  {after.line()}"


def alive(story: Story) -> dict[tuple[str, str], Any]:
    """The last state of each object that is there at the story's end, by kind and UID."""
    now: dict[tuple[str, str], Any] = {}
    for event in sorted(story.events, key=lambda event: event.at_ns):
        now[event.kind, event.object["metadata"]["uid"]] = None if event.gone else event.object
    return {key: raw for key, raw in now.items() if raw is not None}


def ending(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A pod whose deletion was accepted."""
    return {**raw, "metadata": {**raw["metadata"], "deletionTimestamp": "2026-01-01T00:02:00Z"}}


def scaled_in(story: Story) -> Story:
    """Its owner lowers the number of replicas by one long after the fault, and one pod goes."""
    now = alive(story)
    last = max(key for key in now if key[0] == "Pod")
    for (kind, _), raw in now.items():
        if kind in ("Deployment", "ReplicaSet") and raw["spec"].get("replicas"):
            story.saw(101, "MODIFIED", {**raw, "spec": {**raw["spec"], "replicas": raw["spec"]["replicas"] - 1}}, kind)
    return story.saw(101.2, "MODIFIED", ending(now[last])).saw(103, "DELETED", ending(now[last]))


def released(story: Story) -> Story:
    """Its owner releases a new template long after the fault: a pod of it comes, and then one of the former goes."""
    now = alive(story)
    (former,) = [raw for (kind, _), raw in now.items() if kind == "Deployment"]
    last = max(key for key in now if key[0] == "Pod")
    template = {**former["spec"]["template"], "metadata": {"annotations": {"release": "2"}}}
    story.saw(101, "MODIFIED", {**former, "spec": {**former["spec"], "template": template}}, "Deployment")
    story.saw(101.1, "ADDED", {**replica_set(1, "rs-9")}, "ReplicaSet")
    spec = {key: value for key, value in now[last]["spec"].items() if key != "nodeName"}
    story.replaced("z", 101.2, ready_s=104, owner="rs-9", spec=spec)
    old = now.get(("ReplicaSet", now[last]["metadata"]["ownerReferences"][0]["uid"]))
    if old is not None:
        fewer = {**old["spec"], "replicas": max(0, old["spec"]["replicas"] - 1)}
        story.saw(104.1, "MODIFIED", {**old, "spec": fewer}, "ReplicaSet")
    return story.saw(104.2, "MODIFIED", ending(now[last])).saw(106, "DELETED", ending(now[last]))


OWNERS: Mapping[str, Callable[[Story], Story]] = {"a scale-in": scaled_in, "a release": released}


def scaled_by_hand(check: Check) -> bool:
    """Whether nobody but its owner sets the number of replicas in the check's story."""
    return all(event.kind != "HorizontalPodAutoscaler" for event in story_of(check).events)


@pytest.mark.parametrize("change", OWNERS, ids=str)
@pytest.mark.parametrize("check", [one for one in every_check() if scaled_by_hand(one)], ids=title)
def test_what_its_owner_does_is_no_breach(check: Check, change: str) -> None:
    """What the owner of the system changes never fails a claim that held, nor proves one that did not."""
    for name, told in variants(check).items():
        before, after = check(told().history()), check(OWNERS[change](told()).history())
        words = f"{name}\nbefore: {before.line()}\nafter:  {after.line()}"
        assert after.answer is before.answer or after.answer is Answer.UNKNOWN, words
