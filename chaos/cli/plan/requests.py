"""How much a pod asks for and a node has, in thousandths of a unit: a CPU is 1000, a byte of memory too.

Follows the scheduler's arithmetic (component-helpers, `PodRequests`): containers and sidecars add up, init containers
count for the most that any of them needs beside the sidecars before it, then the pod's own numbers and its overhead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaos.objects.base import Raw
from chaos.objects.quantities import ONE, milli

__all__ = ["HOST_PORT", "ONE", "allocatable", "milli", "pod_requests"]

HOST_PORT = "host port "
"""A host port is treated as a resource of which each node has one."""


def allocatable(node: Raw) -> dict[str, int]:
    """What a node has for pods."""
    given = (node.get("status") or {}).get("allocatable") or {}
    return {name: milli(str(quantity)) for name, quantity in given.items()}


def pod_requests(spec: Raw) -> dict[str, int]:
    """What the scheduler reserves for a pod, the pod itself and its host ports included."""
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
