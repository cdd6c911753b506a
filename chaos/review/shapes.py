"""Parts of objects that strangers wrote: one that has not the shape that its kind has reads as absent."""

import re
from collections.abc import Mapping
from typing import Any

from chaos.objects.base import Raw, matches
from chaos.semantics import Probe
from chaos.semantics.budgets import share_of

__all__ = [
    "HANDLERS",
    "PROBES",
    "handler_of",
    "is_placeholder",
    "meant_number",
    "pairs",
    "probe_of",
    "quoted",
    "rows",
    "selects",
    "share",
    "spoken",
    "sub",
    "texts",
    "whole",
]

HANDLERS = ("httpGet", "grpc", "tcpSocket", "exec")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def sub(raw: Raw, *keys: str) -> Raw:
    """The mapping at a path; empty where there is none."""
    found: Any = raw
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def rows(raw: Raw, *keys: str) -> list[Raw]:
    """The mappings in the list at a path; none where there is no list."""
    found = sub(raw, *keys[:-1]).get(keys[-1])
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def texts(raw: Raw, *keys: str) -> dict[str, str]:
    """The mapping at a path with its values as text: labels, annotations."""
    return {str(key): str(value) for key, value in sub(raw, *keys).items()}


def whole(value: Any) -> int | None:
    """A whole number, also one that is written as 2.0; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def quoted(value: Any) -> int | None:
    """The number that stands in quotes, where the API wants one without; None for anything else."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else None


def meant_number(value: Any) -> int | None:
    """A whole number, with quotes or without: what was meant, though the API may refuse it."""
    return quoted(value) if isinstance(value, str) else whole(value)


def is_placeholder(value: Any) -> bool:
    """Whether it is text that somebody fills in before it is applied: `${PORT}`, `<image>`."""
    return isinstance(value, str) and re.search(r"[$<{]", value) is not None


def share(bound: Any, total: int) -> int | None:
    """A number of pods, or a percentage rounded up as the disruption controller does; None for anything else."""
    if (pods := whole(bound)) is not None:
        return pods
    if isinstance(bound, str) and re.fullmatch(r"[0-9]{1,6}%", bound):
        return share_of(bound, total)
    return None


def pairs(labels: Mapping[str, str]) -> str:
    """Labels for people: `app=chat, tier=web`."""
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def spoken(container: Raw) -> str:
    """The words that a container runs, command and arguments."""
    lists = [container.get(key) for key in ("command", "args")]
    return " ".join(str(word) for some in lists if isinstance(some, list) for word in some)


def selects(selector: Raw, labels: Mapping[str, str]) -> bool:
    """Whether a selector selects these labels; one that is not valid selects nothing."""
    try:
        return matches({**selector, "matchLabels": texts(selector, "matchLabels")}, labels)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def probe_of(container: Raw, kind: str) -> Probe | None:
    """A probe's times, in quotes or without; one that is no number counts as not given."""
    raw = sub(container, kind)
    timed = {key: number for key, value in raw.items() if (number := meant_number(value)) is not None}
    return Probe.of({kind: {"given": True, **timed}}, kind) if raw else None


def handler_of(container: Raw, *probes: str) -> dict[str, Any]:
    """What the first of these probes asks that the container has; empty if it has none of them."""
    given: Raw = next((raw for name in probes if (raw := sub(container, name))), {})
    return {name: given[name] for name in HANDLERS if name in given}
