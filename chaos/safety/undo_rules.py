"""What an undo entry may ask for: a closed set, so that whoever may write a ConfigMap cannot turn undoing on others.

An entry is read from the cluster, and is executed with this suite's rights. Each kind names the kind of its target, the
parts it may put back and the details it needs; the target is in the ConfigMap's own namespace, or a node; it is named
by its UID unless it was yet to be made, and then it must bear our label when it is deleted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos.objects.base import Ref
from chaos.safety.undo_journal import UndoEntry, UndoKind

__all__ = ["RULES", "Rule", "refusal"]

PROTECTED_PREFIX = "kube-"
"""Namespaces that begin so are Kubernetes' own."""

DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""A DNS-1123 subdomain, as the API server demands of names."""

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*")
"""A process, a signal or a container's id: never an option, never a space."""

REPLICAS_MAX = 10_000


def _word(value: object) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def _name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 253 and DNS_NAME.fullmatch(value) is not None


def _address(value: object) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """What entries of one kind may ask for.

    Attributes:
        targets: The kinds of object, each with the JSON pointers of the parts that may be put back.
        made: Whether the target was made by us after the entry was written, so that its UID was not known.
        details: The details that the kind needs, each with what it may be.
    """

    targets: Mapping[str, tuple[str, ...]]
    made: bool = False
    details: Mapping[str, Callable[[object], bool]] = field(default_factory=dict)


PROCESS: Mapping[str, Callable[[object], bool]] = {"container": _name, "container_id": _word, "process": _word}

RULES: Mapping[UndoKind, Rule] = {
    "uncordon": Rule({"Node": ()}),
    "node-on": Rule({"Node": ()}),
    "restore-part": Rule({"Deployment": ("/spec/replicas", "/spec/template"), "PodDisruptionBudget": ("/spec",)}),
    "continue-process": Rule({"Pod": ()}, details=PROCESS),
    "signal-process": Rule({"Pod": ()}, details={**PROCESS, "signal": _word}),
    "reconnect-pod": Rule({"Pod": ()}, details={"node": _name, "address": _address}),
    "delete-policy": Rule({"NetworkPolicy": ()}, made=True),
    "delete-job": Rule({"Job": ()}, made=True),
}


def refusal(entry: UndoEntry, namespace: str) -> str:
    """Why an entry that was found in a namespace is not executed, empty if it may be."""
    rule = RULES.get(entry.kind)
    # One of a later version is left, with its manual command.
    return "" if rule is None else next(_objections(entry, rule, namespace), "")


def _objections(entry: UndoEntry, rule: Rule, namespace: str) -> Iterator[str]:
    target, detail = entry.target, entry.detail
    what = f"{entry.kind} of {target.kind} {target.name!r}"
    if target.kind not in rule.targets:
        yield f"{what}: not a kind of object to which this is done"
        return
    if not _name(target.name):
        yield f"{what}: that is no name of an object"
    if target.kind != "Node" and target.namespace != namespace:
        yield f"{what}: it is in namespace {target.namespace!r}, the entry in {namespace}"
    if namespace.startswith(PROTECTED_PREFIX):
        yield f"{what}: namespace {namespace} is Kubernetes' own"
    if not target.uid and not rule.made:
        yield f"{what}: its UID is not given"
    if wrong := [name for name, allowed in rule.details.items() if not allowed(detail.get(name))]:
        yield f"{what}: {', '.join(wrong)} cannot be {', '.join(repr(detail.get(name)) for name in wrong)}"
    path, paths = detail.get("path"), rule.targets[target.kind]
    if paths and path not in paths:
        yield f"{what}: no fault changes {path!r} of it"
    if path == "/spec/replicas" and not _replicas(detail.get("before")):
        yield f"{what}: {detail.get('before')!r} is no number of replicas"
    if (pod := detail.get("pod")) and not _own_pod(pod, namespace):
        yield f"{what}: its pod is not one in {namespace}"


def _replicas(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= REPLICAS_MAX


def _own_pod(pod: object, namespace: str) -> bool:
    if not isinstance(pod, Mapping) or set(pod) - {"kind", "namespace", "name", "uid"}:
        return False
    ref = Ref(str(pod.get("kind")), str(pod.get("namespace")), str(pod.get("name")), str(pod.get("uid") or ""))
    return ref.kind == "Pod" and ref.namespace == namespace and _name(ref.name) and bool(ref.uid)
