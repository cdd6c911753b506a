"""Stories of a StatefulSet, whose members are made one after another."""

from collections.abc import Mapping
from typing import Any

from histories import NAMESPACE, PROBED, WORKLOAD, Story, pod

PATIENT: Mapping[str, Any] = {
    **PROBED,
    "containers": [{**PROBED["containers"][0], "startupProbe": {"periodSeconds": 5, "failureThreshold": 12}}],
}
"""The start may take 60 s; hence a member that is lost is back within 94 s."""


def member(uid: str, ordinal: int, **state: Any) -> dict[str, Any]:
    """A member of the StatefulSet, by its number."""
    raw = pod(uid, spec=PATIENT, **state)
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": WORKLOAD, "uid": "sts-1", "controller": True}
    raw["metadata"] |= {"name": f"model-{ordinal}", "ownerReferences": [owner]}
    return raw


def stateful_set(
    policy: str = "OrderedReady", min_ready_s: float = 0, *, replicas: int = 3, start: int = 0
) -> dict[str, Any]:
    """A StatefulSet whose ordinals begin with `start`."""
    return {
        "metadata": {"uid": "sts-1", "name": WORKLOAD, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "podManagementPolicy": policy,
            "minReadySeconds": min_ready_s,
            "selector": {"matchLabels": {"app": WORKLOAD}},
            "template": {"spec": PATIENT},
            **({"ordinals": {"start": start}} if start else {}),
        },
    }


def made(story: Story, uid: str, ordinal: int, at_s: float, *, ready_s: float | None) -> Story:
    """A member is made, scheduled, started a second later, and Ready at `ready_s`, if ever."""
    story.saw(at_s, "ADDED", member(uid, ordinal, node="")).saw(at_s + 0.1, "MODIFIED", member(uid, ordinal))
    story.saw(at_s + 1, "MODIFIED", member(uid, ordinal, running=True))
    return story if ready_s is None else story.saw(ready_s, "MODIFIED", member(uid, ordinal, ready=True))
