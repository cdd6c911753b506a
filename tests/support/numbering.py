"""ResourceVersions for the events of a story, which stand for the order in which the cluster changed."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from chaos.clock import NS
from chaos.history import WatchEvent

__all__ = ["numbered", "revised", "revision"]


def revision(at_s: float) -> int:
    """The resourceVersion that a story gives to what is received at a moment, unless it was given one."""
    return 1 + round(at_s * 1000) * 100


def revised(raw: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A raw object with that resourceVersion."""
    return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(number)}}


def numbered(events: Iterable[WatchEvent], begin_ns: int) -> tuple[WatchEvent, ...]:
    """Events in order of receipt, each with a resourceVersion, in that order unless they have one."""
    done: list[WatchEvent] = []
    last = 0
    for event in events:
        if "resourceVersion" in event.object["metadata"]:
            done.append(event)
            continue
        last = max(last + 1, revision((event.at_ns - begin_ns) / NS))
        done.append(replace(event, object=revised(event.object, last)))
    return tuple(done)
