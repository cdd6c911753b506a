"""Undo what was done to an object of the API: open a node, put a part back, delete what was made.

Each looks first, and leaves alone what is undone already, was never done, or was changed by somebody else since; and
each counts as done only when the object reads so afterwards, whatever the server answered.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from chaos.cluster import Cluster, Done, Mutation, mutations, selector_of
from chaos.faults.context import UndoContext
from chaos.objects.base import Raw, Ref, View
from chaos.objects.kinds import NodeView, ReplicaSetView
from chaos.objects.pod_template import same_template, template_digest, unlabelled
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import OURS

__all__ = [
    "CUT",
    "TEMPLATE",
    "Outcome",
    "Result",
    "closed_by",
    "delete_object",
    "dry_run",
    "part_of",
    "restore_part",
    "uncordon",
]

Result = Literal["undone", "nothing", "left"]
"""`nothing`: there was nothing to undo (any more); `left`: it is still to be done."""

Outcome = tuple[Result, str]
"""What became of an entry, and the same in words."""

CUT = "gameday.dev/cut"
"""The label by which a NetworkPolicy of ours selects the one pod that it cuts off."""

PAUSES_S = (0.5, 1.0, 2.0)
"""Between the attempts: whoever is left with a closed node has a smaller cluster for good."""

TEMPLATE = "/spec/template"

USELESS = frozenset({404, 422})
"""Statuses after which asking again is of no use: it is gone, or is not as the patch expects it to be."""


def uncordon(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Open a node that we closed, unless somebody else closed it since. Raises `ClusterRefused`."""
    node = entry.target
    if not _cordoned(context.cluster, node):
        return "nothing", f"node {node.name} is open, or not there any more"
    if others := closed_by(context.cluster.get("Node", None, node.name) or {}) - {mutations.MANAGER}:
        return "nothing", f"node {node.name} was closed anew by {', '.join(sorted(others))}, so it is left to them"
    # None takes the field away, which is how a node that was never cordoned looks.
    order = mutations.patch(node, {"spec": {"unschedulable": None}}, action="uncordon", fault=context.fault)
    if why := _until_restored(lambda: context.executor.do(order), lambda: not _cordoned(context.cluster, node)):
        return "left", f"node {node.name} is still cordoned ({why})"
    return "undone", f"node {node.name} is open again"


def closed_by(node: Raw) -> frozenset[str]:
    """Who last wrote a node's `unschedulable`, by `managedFields`; empty where the server does not say."""
    return frozenset(
        str(entry.get("manager"))
        for entry in View(node).metadata.get("managedFields") or ()
        if "f:unschedulable" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )


def _cordoned(cluster: Cluster, node: Ref) -> bool:
    found = cluster.get("Node", None, node.name)
    return found is not None and View(found).uid == node.uid and NodeView(found).unschedulable


def restore_part(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Put a part of an object back, if it still is as the fault made it. Raises `ClusterRefused` if it cannot be read.

    The fault's own trial knows what the server made of the part (`made`, with defaults filled in), and what it was
    before (`whole`). A later process knows of a template by their digests alone, and takes it from the ReplicaSet that
    has it; of other parts it knows what was wanted, by it and by changes within it (`also`), and asks the server by dry
    runs what it would make of each now.
    """
    ref, path, told = entry.target, str(entry.detail["path"]), entry.detail["before"]
    what = f"{path} of {ref.kind} {ref.namespace}/{ref.name}"

    def read() -> Raw | None:
        found = context.cluster.get(ref.kind, ref.namespace, ref.name)
        return found if found is not None and View(found).uid == ref.uid else None

    if (found := read()) is None:
        return "nothing", f"{ref.kind} {ref.namespace}/{ref.name} is not there any more"
    if _is(now := part_of(found, path), told):
        return "nothing", f"{what} is as it was before"
    if why := _not_ours(context, entry, now):
        return "left", f"{what} is not as it was before, and {why}"
    # This process read the template itself; with revisionHistoryLimit 0 no ReplicaSet has it any more.
    before = told if entry.whole is None else entry.whole
    if path == TEMPLATE and (entry.key or _is_digest(before)) and (before := _had(context.cluster, ref, told)) is None:
        why = "no ReplicaSet of it has the template that is to be put back"
        return "left", f"{what} is not as it was before, and {why}"
    order = _replace(entry, before, context.fault, expected=now)
    if why := _until_restored(lambda: context.executor.do(order), lambda: _is(part_of(read() or {}, path), told)):
        return "left", f"{what} is not as it was before ({why})"
    return "undone", f"{what} is as it was before again"


def _not_ours(context: UndoContext, entry: UndoEntry, now: Any) -> str:
    """Why a part is not as a fault made it, or cannot be told to be; empty if it is."""
    changed = "was changed by somebody else since, so it is left to them"
    if "made" in entry.detail:
        return "" if now == entry.detail["made"] else changed
    for wanted in (entry.detail["wanted"], *entry.detail.get("also", ())):
        if _is_digest(wanted):
            if _is(now, wanted):
                return ""
            continue
        ours = context.executor.do(dry_run(_replace(entry, wanted, context.fault)))
        if ours.outcome != "ok" or not isinstance(ours.body, Mapping):
            return f"the server does not say what it would be: {ours.reason}"
        if part_of(ours.body, str(entry.detail["path"])) == now:
            return ""
    return changed


def _is_digest(told: Any) -> bool:
    """Whether an entry tells a template by its digest; those of earlier versions hold all of it."""
    return isinstance(told, str)


def _is(part: Any, told: Any) -> bool:
    """Whether a part is what an entry tells, in full or by its digest."""
    return part == told or (_is_digest(told) and isinstance(part, Mapping) and template_digest(part) == told)


def _had(cluster: Cluster, deployment: Ref, told: Any) -> Any:
    """The template that an entry tells, if the Deployment ever had it: then a ReplicaSet of it has the same.

    Whoever may write undo entries could otherwise have any pod run by it.
    """
    sets = map(ReplicaSetView, cluster.list("ReplicaSet", deployment.namespace))
    own = [unlabelled(one.template) for one in sets if one.controller_uid == deployment.uid]
    if _is_digest(told):
        return next((one for one in own if template_digest(one) == told), None)
    return told if any(same_template(one, told) for one in own) else None


def part_of(found: Mapping[str, Any], path: str) -> Any:
    """What an object has at a JSON pointer, None if nothing."""
    part: Any = found
    for step in path.strip("/").split("/"):
        part = part.get(step) if isinstance(part, Mapping) else None
    return part


def _replace(entry: UndoEntry, value: Any, fault: str, *, expected: Any = None) -> Mutation:
    """Replace the part in this very object; where `expected` is given, only if the part is that."""
    ref, path = entry.target, entry.detail["path"]
    tests = [{"op": "test", "path": path, "value": expected}] if expected is not None else []
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": ref.uid},
        *tests,
        {"op": "replace", "path": path, "value": value},
    ]
    action = str(entry.detail.get("action", "restore-part"))
    return mutations.patch(ref, operations, mutations.JSON, action=action, fault=fault)


def dry_run(order: Mutation) -> Mutation:
    """The same, which asks what it would make of the object and changes nothing."""
    return replace(order, action="ask-what-it-would-be", query={**order.query, "dryRun": "All"})


def delete_object(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Delete an object that we made, which bears our label, and the label on the pod that a policy cut off."""
    ours, cluster = entry.target, context.cluster
    where = f"{ours.kind} {ours.namespace}/{ours.name}"

    def gone() -> bool:
        return cluster.get(ours.kind, ours.namespace, ours.name) is None

    found = cluster.get(ours.kind, ours.namespace, ours.name)
    there, left = found is not None, ""
    if found is not None and not OURS.items() <= View(found).labels.items():
        left = f"{where} does not bear the label of what gameday makes ({selector_of(OURS)})"
    elif found is not None:
        # Not one that somebody else makes under the name meanwhile.
        order = mutations.delete(replace(ours, uid=View(found).uid), fault=context.fault)
        why = _until_restored(lambda: context.executor.do(order), gone)
        left = f"{where} is still there ({why})" if why else ""
    # Without the label no policy that selects by it cuts the pod off, ours or not, deleted or not.
    pod = entry.detail.get("pod")
    marked = _unmark(context, Ref(**pod)) if pod else ""
    if left or marked:
        return "left", "; ".join(filter(None, (left, marked))) if left else f"{where} is gone, but {marked}"
    return ("undone", f"{where} is gone") if there else ("nothing", f"{where} is not there")


def _unmark(context: UndoContext, pod: Ref) -> str:
    """Take the label off by which a policy selected a pod. Return why it is still there, empty if it is not."""

    def unmarked() -> bool:
        now = View(context.cluster.get("Pod", pod.namespace, pod.name) or {})
        return now.uid != pod.uid or CUT not in now.labels

    if unmarked():
        return ""
    order = mutations.patch(pod, {"metadata": {"labels": {CUT: None}}}, action="unmark", fault=context.fault)
    why = _until_restored(lambda: context.executor.do(order), unmarked)
    return f"pod {pod.name} still bears the label {CUT} ({why})" if why else ""


def _until_restored(attempt: Callable[[], Done], restored: Callable[[], bool]) -> str:
    """Try a few times until it reads as restored. Return why it does not, empty if it does."""
    for pause_s in (*PAUSES_S, 0.0):
        done = attempt()
        if restored():
            return ""
        if done.status in USELESS:
            break
        time.sleep(pause_s)
    return done.reason or "it reads otherwise"
