"""The newest state of every watched object, waiting for it to become something, and what is watched."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.cluster.resources import complete

__all__ = ["WATCHED", "Limits", "Scope", "State", "Store"]

LOOK_S = 0.01
"""Whoever waits looks at once after a change, and then not again for this long."""


class State:
    """One state of an object: the bytes as they came, parsed when somebody looks."""

    __slots__ = ("_event", "_parsed", "_raw")

    def __init__(self, raw: bytes, *, event: bool) -> None:
        """`raw` is the object itself, or with `event` the watch event that has it inside."""
        self._raw = raw
        self._event = event
        self._parsed: dict[str, Any] | None = None

    def parsed(self, kind: str) -> dict[str, Any]:
        """The object, always the same one: whoever reads it must not change it.

        Without managedFields, which nobody here reads and which are a third of its size.
        """
        raw = self._raw  # before the look at _parsed: two threads may parse the same state at once
        if self._parsed is None:
            whole = json.loads(raw)
            parsed = complete(kind, whole["object"] if self._event else whole)
            parsed["metadata"].pop("managedFields", None)
            self._parsed, self._raw = parsed, b""
        return self._parsed


class Store:
    """Objects by kind and UID. Written by the threads that watch, read by anyone; each change wakes those who wait."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._objects: dict[str, dict[str, State]] = {kind: {} for kind in kinds}
        self._version = 0
        self._waiting = 0

    def put(self, kind: str, uid: str, state: State) -> None:
        """An object has a new state."""
        with self._changed:
            self._objects[kind][uid] = state
            self._wake()

    def drop(self, kind: str, uid: str) -> None:
        """An object is gone."""
        with self._changed:
            self._objects[kind].pop(uid, None)
            self._wake()

    def replace(self, kind: str, objects: Mapping[str, State]) -> None:
        """These are all objects of the kind; what else was known is gone."""
        with self._changed:
            self._objects[kind] = dict(objects)
            self._wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._wake()

    def objects(self, kind: str) -> tuple[dict[str, Any], ...]:
        """The objects of a kind, now."""
        with self._changed:
            states = tuple(self._objects[kind].values())
        return tuple(state.parsed(kind) for state in states)

    def wait_for(self, predicate: Callable[[], object], deadline_s: float) -> bool:
        """Wait until the predicate is true, looking after every change; False if it is not within the deadline.

        The predicate runs in the calling thread and holds nothing up. In a storm of changes it looks once for many of
        them, so that who waits does not slow down who watches. Whatever it raises is passed on.
        """
        ends = time.monotonic() + deadline_s
        while True:
            seen, looked = self._version, time.monotonic()
            if predicate():
                return True
            if time.monotonic() >= ends:
                return False
            self._await_change(seen, ends)
            if (early_s := looked + LOOK_S - time.monotonic()) > 0:
                time.sleep(early_s)

    def _await_change(self, seen: int, ends: float) -> None:
        """Sleep until something has changed since the version `seen`, or the deadline has come."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._version != seen, timeout=ends - time.monotonic())
            finally:
                self._waiting -= 1

    def _wake(self) -> None:
        self._version += 1
        if self._waiting:
            self._changed.notify_all()


WATCHED = ("Pod", "ReplicaSet", "Service", "EndpointSlice", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Event")
"""What every trial watches in its system's namespace, beside the workload itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to watch: a kind, in one namespace or (None) in all, narrowed by a label selector or to one name."""

    kind: str
    namespace: str | None = None
    selector: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a watch is.

    Attributes:
        silence_max_s: A watch that brings nothing for longer counts as broken. Bookmarks come once a minute (an idle
            kind's first one was seen after two).
        outage_max_s: How long the API server may be away before the recorder gives up and the trial ends.
        heartbeat_s: How often the watch is compared with a list: a dead connection is noticed sooner than by silence.
    """

    silence_max_s: float = 180.0
    outage_max_s: float = 120.0
    heartbeat_s: float = 5.0
