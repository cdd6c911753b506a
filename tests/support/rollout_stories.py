"""Stories of rollouts: a Deployment whose template changes, and the ReplicaSets that trade pods."""

from collections.abc import Mapping
from typing import Any, Self

from histories import NAMESPACE, PROBED, WORKLOAD, Story, node, pod
from probe_stories import endpoints

OLD, NEW, BAD = "rs-old", "rs-new", "rs-bad"
TEMPLATES: Mapping[str, str] = {OLD: "v1", NEW: "v2", BAD: "v-bad"}


def template(owner: str, *, hashed: bool = False) -> dict[str, Any]:
    """The pod template of a release; a ReplicaSet's has the hash of it among its labels."""
    labels = {"app": WORKLOAD, **({"pod-template-hash": owner} if hashed else {})}
    return {"metadata": {"labels": labels, "annotations": {"release": TEMPLATES[owner]}}, "spec": dict(PROBED)}


def release(
    owner: str, *, replicas: int = 4, surge: int | str = 1, unavailable: int | str = 1, **spec: Any
) -> dict[str, Any]:
    """The raw Deployment with a release's template."""
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "metadata": {"uid": "d-1", "name": WORKLOAD, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": WORKLOAD}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": template(owner),
            **spec,
        },
    }


def owned(owner: str, replicas: int) -> dict[str, Any]:
    """The raw ReplicaSet of a release."""
    owners = [{"kind": "Deployment", "name": WORKLOAD, "uid": "d-1", "controller": True}]
    return {
        "metadata": {"uid": owner, "name": owner, "namespace": NAMESPACE, "ownerReferences": owners},
        "spec": {"replicas": replicas, "template": template(owner, hashed=True)},
    }


class Rolling(Story):
    """A story of four pods of the old release, on node n1."""

    def stands(self, *uids: str, **spec: Any) -> Self:
        """The system stands, of the old release, when the watch begins."""
        self.saw(0, "LISTED", release(OLD, replicas=len(uids), **spec), "Deployment")
        self.saw(0, "LISTED", owned(OLD, len(uids)), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
        for uid in uids:
            self.saw(0, "LISTED", pod(uid, ready=True, owner=OLD))
        self.traffic()
        return self

    def changes(self, owner: str, at_s: float, **spec: Any) -> Self:
        """The Deployment gets a release's template, and that release's ReplicaSet is made."""
        self.saw(at_s, "MODIFIED", release(owner, **spec), "Deployment")
        self.saw(at_s + 0.01, "ADDED", owned(owner, 1), "ReplicaSet")
        return self

    def made(self, uid: str, at_s: float, owner: str, *, ready_s: float | None) -> Self:
        """A pod of a release is made, and Ready at `ready_s`, if ever."""
        self.replaced(uid, at_s, ready_s=ready_s, owner=owner)
        return self

    def ends(self, uid: str, at_s: float, owner: str = OLD, *, ready: bool = True) -> Self:
        """A pod's deletion is accepted, because its ReplicaSet asks for fewer, and it is gone 3 s later."""
        self.saw(at_s - 0.01, "MODIFIED", owned(owner, 0), "ReplicaSet")
        going = pod(uid, ready=ready, owner=owner, deleting=True)
        self.saw(at_s, "MODIFIED", going).saw(at_s + 3, "DELETED", going)
        return self


def update_story(end_s: float = 120, **spec: Any) -> Rolling:
    """Four pods are rolled out anew, one more and one fewer at a time, from 30.2 s to 41 s."""
    story = Rolling(end_s).stands("a", "b", "c", "d", **spec)
    story.fault(name="rolling-update", at_s=30, healed_s=45).changes(NEW, 30.2, **spec)
    story.ends("a", 30.3).made("e", 30.4, NEW, ready_s=33).made("f", 30.5, NEW, ready_s=34)
    story.ends("b", 33.1).made("g", 33.2, NEW, ready_s=36).ends("c", 34.1).made("h", 34.2, NEW, ready_s=38)
    return story.ends("d", 38.1)


def bad_story(end_s: float = 120, **spec: Any) -> Rolling:
    """A release whose pods never become Ready is rolled out at 30.2 s, halts, and is undone at 45 s."""
    story = Rolling(end_s).stands("a", "b", "c", "d", **spec)
    story.fault(name="bad-rollout", at_s=30, healed_s=45.5).changes(BAD, 30.2, **spec)
    story.ends("a", 30.3).made("e", 30.4, BAD, ready_s=None).made("f", 30.5, BAD, ready_s=None)
    story.saw(45, "MODIFIED", release(OLD, **spec), "Deployment")
    story.ends("e", 45.1, BAD, ready=False).ends("f", 45.1, BAD, ready=False)
    return story.made("g", 45.2, OLD, ready_s=48)


def kept_story(**spec: Any) -> Rolling:
    """One of four pods is killed at 30.2 s and replaced by 34 s; all are among the endpoints, and of the template."""
    story = Rolling().stands("a", "b", "c", "d", **spec).fault("a").killed("a", 30.2)
    story.saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice").saw(
        30.3, "MODIFIED", endpoints(*"bcd"), "EndpointSlice"
    )
    story.replaced("e", 30.4, ready_s=34, owner=OLD)
    return story.saw(34.1, "MODIFIED", endpoints(*"bcde"), "EndpointSlice")
