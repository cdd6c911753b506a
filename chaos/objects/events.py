"""The last thing that Kubernetes' own Events say of an object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["EventLog"]


class EventLog:
    """Raw `v1` Events, by the UID of the object that they are about, in order of time."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._about: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for event in sorted(events, key=_when):
            self._about[event.get("involvedObject", {}).get("uid", "")].append(event)

    def last(self, uid: str, *reasons: str, saying: str = "", since: str = "") -> str:
        """Give the message of the latest event about `uid` with one of the reasons, empty if there is none.

        `saying` keeps only events whose message contains that text, `since` (UTC text) those last seen then or later.
        """
        for event in reversed(self._about.get(uid, [])):
            message = str(event.get("message", ""))
            if event.get("reason") in reasons and saying in message and _when(event) >= since.rstrip("Z"):
                return " ".join(message.split())
        return ""


def _when(event: Mapping[str, Any]) -> str:
    """When it was seen last. The texts compare as times: all are UTC, and seconds come before any fraction."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    first = event.get("metadata", {}).get("creationTimestamp")
    return max((str(time).rstrip("Z") for time in times if time), default=str(first or "").rstrip("Z"))
