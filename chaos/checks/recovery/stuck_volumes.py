"""Volume claims that only lost nodes can serve: the reason why a replacement is not scheduled, or does not start."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaos.checks.recovery.timeline import pod_reports
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.objects.base import Raw, View
from chaos.objects.pod import PodView

__all__ = ["held_up_by"]

HOSTNAME = "kubernetes.io/hostname"


def held_up_by(history: History, life: PodLife, lost: Collection[str], at_ns: int) -> str:
    """Why a pod is held up before its start, in words: a claim of its that is stuck, or what Kubernetes says of it.

    Empty if nothing says why. `lost` are the nodes that are lost.
    """
    stuck = [words for name in _claims(life) if (words := _stuck(history, name, lost, at_ns))]
    if stuck:
        return "; ".join(dict.fromkeys(stuck))
    return _scheduler(history, life, at_ns) or _attaching(history, life, at_ns)


def _claims(life: PodLife) -> Iterator[str]:
    for volume in life.spec.get("volumes") or ():
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield str(name)
        elif "ephemeral" in volume:
            yield f"{life.name}-{volume['name']}"


def _stuck(history: History, claim: str, lost: Collection[str], at_ns: int) -> str:
    found = _last(history, "PersistentVolumeClaim", claim, at_ns)
    volume = str((found.get("spec") or {}).get("volumeName", ""))
    hosts = tuple(_hosts(_last(history, "PersistentVolume", volume, at_ns))) if volume else ()
    if not hosts or not set(hosts) <= set(lost):
        return ""
    return f"claim {claim} is stuck to the lost node {', '.join(hosts)}: its volume {volume} is only there"


def _hosts(volume: Raw) -> Iterator[str]:
    """The nodes that a volume's node affinity names by their hostname."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for expression in term.get("matchExpressions") or ():
            if expression.get("key") == HOSTNAME and expression.get("operator") == "In":
                yield from map(str, expression.get("values") or ())


def _last(history: History, kind: str, name: str, at_ns: int) -> Mapping[str, Any]:
    """The last state of an object by its name that was known at a moment; empty if there was none."""
    found: Mapping[str, Any] = {}
    for event in history.watch:
        if event.kind == kind and event.at_ns <= at_ns and View(event.object).name == name:
            found = event.object
    return found


def _scheduler(history: History, life: PodLife, at_ns: int) -> str:
    last = PodView(_last(history, "Pod", life.name, at_ns))
    condition = last.condition("PodScheduled")
    if condition.get("status") != "False":
        return ""
    return f"the scheduler says: {condition.get('message') or 'no reason given'}"


def _attaching(history: History, life: PodLife, at_ns: int) -> str:
    """What the attach controller or the kubelet last reported about a volume of the pod."""
    message = ""
    for event, reason, text in pod_reports(history, life.uid):
        if event.at_ns <= at_ns and reason in ("FailedAttachVolume", "FailedMount"):
            message = text
    return f"its volume: {message}" if message else ""
