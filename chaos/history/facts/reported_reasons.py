"""What Kubernetes itself reported of a pod: its Events, and what kept it from being Ready at a moment."""

from collections.abc import Collection, Iterator

from chaos.clock import NS
from chaos.history.facts.replica_counts import controller_kinds
from chaos.history.model import History, WatchEvent
from chaos.objects.base import Raw, View
from chaos.objects.readiness_blockers import Blocker, blockers

__all__ = [
    "blocker_at",
    "last_state",
    "liveness_kills",
    "node_coming",
    "node_refused",
    "pod_reports",
    "quota_refusal",
    "refusal_at",
]

COMING = ("TriggeredScaleUp", "Nominated")
"""Events of the cluster autoscaler and of Karpenter: a node is being made for the pod."""

REFUSED = "NotTriggerScaleUp"
"""The cluster autoscaler's Event that it makes no node for the pod, with its reason for each group of nodes."""

KILL_NEWS_NS = 10 * NS
"""Word of a kill comes over another watch than that of the restart, and may come so much later."""


def pod_reports(history: History, uid: str) -> Iterator[tuple[WatchEvent, str, str]]:
    """The Events about an object, each with its reason and its message.

    The API server keeps Events for an hour by default (`--event-ttl`): that one of before expires tells nothing new.
    """
    for event in history.watch:
        if event.kind != "Event" or event.gone:
            continue
        raw = event.object
        if (raw.get("involvedObject") or raw.get("regarding") or {}).get("uid") == uid:
            yield event, str(raw.get("reason")), str(raw.get("message") or raw.get("note") or "")


def liveness_kills(
    history: History, uid: str, container: str, begin_ns: int, restarted_ns: int
) -> Iterator[tuple[WatchEvent, str]]:
    """The Events by which a kubelet said, since a moment, that the restart of a container is for its liveness probe."""
    for event, reason, text in pod_reports(history, uid):
        told = reason == "Killing" and f"ontainer {container} failed liveness probe" in text
        if told and event.type != "LISTED" and begin_ns <= event.at_ns <= restarted_ns + KILL_NEWS_NS:
            yield event, text


def node_coming(history: History, uid: str, at_ns: int) -> str:
    """Who said by then that a node is being made for the pod, in its own words; empty if nobody did, or no longer."""
    reason, text = _last_word(history, uid, at_ns)
    return f"{reason}: {text}" if reason in COMING else ""


def node_refused(history: History, uid: str, at_ns: int) -> str:
    """Why a node autoscaler made no node for the pod, by its last word then; empty if it made one, or said nothing."""
    reason, text = _last_word(history, uid, at_ns)
    return f"{reason}: {text}" if reason == REFUSED else ""


def _last_word(history: History, uid: str, at_ns: int) -> tuple[str, str]:
    """What a node autoscaler said last by then of the pod: the reason and the message of its Event."""
    reports = ((reason, text) for event, reason, text in pod_reports(history, uid) if event.at_ns <= at_ns)
    return next(reversed([one for one in reports if one[0] in (*COMING, REFUSED)]), ("", ""))


def quota_refusal(history: History, uid: str, begin_ns: int, end_ns: int) -> str:
    """How a controller, by UID, reported in a span that a quota does not allow it a pod; empty if it did not."""
    kinds = controller_kinds(history)
    said = [(event, text) for event, reason, text in pod_reports(history, uid) if reason == "FailedCreate"]
    for event in history.watch:
        if event.kind in kinds and (view := View(event.object)).uid == uid:
            failed = view.condition("ReplicaFailure")
            said += [(event, str(failed.get("message")))] if failed.get("status") == "True" else []
    inside = (text for event, text in said if begin_ns <= event.at_ns <= end_ns and event.type != "LISTED")
    return next((text for text in inside if "exceeded quota" in text), "")


def last_state(history: History, kinds: Collection[str], uid: str, at_ns: int) -> Raw | None:
    """The last state of an object that was known at a moment; None if it was not there."""
    found = None
    for event in history.watch:
        if event.kind in kinds and event.at_ns <= at_ns and View(event.object).uid == uid:
            found = None if event.gone else event.object
    return found


def blocker_at(history: History, uid: str, at_ns: int) -> Blocker | None:
    """What kept a pod from being Ready at a moment; None if it was, or was not there."""
    raw = last_state(history, ("Pod",), uid, at_ns)
    return None if raw is None else next(iter(blockers(pods=[raw], events=_events(history, uid, at_ns))), None)


def refusal_at(history: History, at_ns: int) -> Blocker | None:
    """What kept the controllers of the system's pods from making them at a moment, e.g. a quota."""
    kinds, name = controller_kinds(history), history.facts.workload_name
    own: dict[str, str] = {}
    for event in history.watch:
        if event.kind in kinds:
            view = View(event.object)
            if view.namespace == history.facts.namespace and name in (view.controller_name, view.name):
                own[view.uid] = event.kind
    for uid, kind in own.items():
        raw = last_state(history, (kind,), uid, at_ns)
        if raw is not None and (found := blockers(pods=(), replicasets=[raw], events=_events(history, uid, at_ns))):
            return found[0]
    return None


def _events(history: History, uid: str, at_ns: int) -> list[Raw]:
    return [event.object for event, _, _ in pod_reports(history, uid) if event.at_ns <= at_ns]
