"""What lets a pod on a node by itself: taints and tolerations, node selector terms, and the room that it asks for.

Follows the scheduler's TaintToleration, NodeAffinity and NodeResourcesFit, and the arithmetic of component-helpers'
`PodRequests`. Amounts are in thousandths of a unit: a CPU is 1000, a byte of memory too.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from chaos.objects.base import Raw
from chaos.objects.kinds import NodeView
from chaos.objects.quantities import ONE, milli

__all__ = ["CORDON", "HOST_PORT", "allocatable", "could_take", "fits_terms", "pod_requests", "shut_out", "tolerates"]

KEEP_OUT = frozenset({"NoSchedule", "NoExecute"})

CORDON: Raw = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""The taint that a cordoned node carries."""

HOST_PORT = "host port "
"""A host port is treated as a resource of which each node has one."""


def allocatable(node: Raw) -> dict[str, int]:
    """What a node has for pods."""
    given = (node.get("status") or {}).get("allocatable") or {}
    return {name: milli(str(quantity)) for name, quantity in given.items()}


def pod_requests(spec: Raw) -> dict[str, int]:
    """What the scheduler reserves for a pod, the pod itself and its host ports included.

    Containers and sidecars add up, init containers count for the most that any of them needs beside the sidecars before
    it, then the pod's own numbers and its overhead.
    """
    total: dict[str, int] = {}
    for container in (*_sidecars(spec), *(spec.get("containers") or ())):
        _add(total, _requests(container))
    sidecars: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        needed = _requests(container)
        _add(needed, sidecars)
        if container.get("restartPolicy") == "Always":
            sidecars = needed
        for name, amount in needed.items():
            total[name] = max(total.get(name, 0), amount)
    total |= _requests(spec)
    _add(total, _quantities(spec.get("overhead")))
    for port in _host_ports(spec):
        total[port] = ONE
    return total | {"pods": ONE}


def _sidecars(spec: Raw) -> Iterator[Raw]:
    return (one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always")


def _requests(holder: Raw) -> dict[str, int]:
    return _quantities((holder.get("resources") or {}).get("requests"))


def _quantities(given: Mapping[str, Any] | None) -> dict[str, int]:
    return {name: milli(str(quantity)) for name, quantity in (given or {}).items()}


def _host_ports(spec: Raw) -> Iterator[str]:
    for container in (*_sidecars(spec), *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield f"{HOST_PORT}{port['hostPort']}/{port.get('protocol') or 'TCP'}"


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def could_take(node: NodeView, pod_spec: Raw) -> bool:
    """Whether an empty node could take a pod of that spec: open, Ready, of the pod's choice, tolerated, large enough.

    One that is cordoned is open to a pod that tolerates that (the scheduler's NodeUnschedulable).
    What others on it ask for is left out: that changes. What a claim of the pod asks for (DRA, KEP-4381) no node says.
    """
    tolerations = pod_spec.get("tolerations") or ()
    closed = node.unschedulable and not tolerates(tolerations, CORDON)
    if closed or not node.ready or shut_out(node.taints, tolerations):
        return False
    if any(node.labels.get(key) != value for key, value in (pod_spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required and not fits_terms(required.get("nodeSelectorTerms") or (), node.name, node.labels):
        return False
    has = allocatable(node.raw)
    asked = ((name, amount) for name, amount in pod_requests(pod_spec).items() if HOST_PORT not in name)
    return not has or all(has.get(name, 0) >= amount for name, amount in asked if name in has or "/" in name)


def shut_out(taints: Sequence[Raw], tolerations: Sequence[Raw]) -> bool:
    """Whether a taint keeps away pods with these tolerations."""
    return any(taint.get("effect") in KEEP_OUT and not tolerates(tolerations, taint) for taint in taints)


def tolerates(tolerations: Sequence[Raw], taint: Raw) -> bool:
    """Whether one of the tolerations lets a pod on a node with this taint."""
    return any(_tolerated(one, taint) for one in tolerations)


def _tolerated(one: Raw, taint: Raw) -> bool:
    key, operator = one.get("key") or "", one.get("operator") or "Equal"
    if one.get("effect") not in (None, "", taint.get("effect")) or key not in ("", taint.get("key")):
        return False
    asked, given = str(one.get("value") or ""), str(taint.get("value") or "")
    match operator:
        case "Exists":
            return True
        case "Equal":
            return bool(key) and asked == given
        case "Gt" | "Lt" as sign:  # of whole numbers as they are written, without a plus or leading zeros (KEP-5471)
            plain = bool(key) and all(text == str(_number(text)) for text in (asked, given))
            return plain and _compared(given, (asked,), greater=sign == "Gt")
        case _:
            return False


def fits_terms(terms: Sequence[Raw], name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node satisfies one of the node selector terms; an empty term is satisfied by none."""
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(_holds(one, labels) for one in term.get("matchExpressions") or ())
        and all(_holds(one, {"metadata.name": name}) for one in term.get("matchFields") or ())
        for term in terms
    )


def _holds(one: Raw, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(one["key"]), one.get("values") or ()
    match one["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as sign:
            return _compared(value, values, greater=sign == "Gt")
        case unknown:
            raise ValueError(f"node selector operator {unknown!r} is not known")


@lru_cache(maxsize=1024)
def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _compared(value: str | None, values: Sequence[str], *, greater: bool) -> bool:
    ours, bound = _number(value or ""), _number(values[0]) if len(values) == 1 else None
    if ours is None or bound is None:
        return False
    return ours > bound if greater else ours < bound
