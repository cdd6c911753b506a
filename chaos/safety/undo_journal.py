"""The undo journal: before each action its inverse is written into the cluster, where any later process finds it.

One ConfigMap a run holds all promises that are not kept yet. It is written by server-side apply, the whole of it each
time: that may be repeated after an answer that never came. What cannot be written down is not done.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from typing import Any, Protocol

from chaos.cluster import Done, Executor, PatientHand, mutations, selector_of
from chaos.objects.base import Ref
from chaos.safety.owner import Owner
from chaos.safety.undo_entry import Inverse, Promise

__all__ = ["RUN", "SELECTOR", "UNDO_LABELS", "ClusterUndoLog", "NoUndoLog", "UndoLog"]

UNDO_LABELS = {"app.kubernetes.io/managed-by": "gameday", "gameday.dev/undo": "true"}
SELECTOR = selector_of(UNDO_LABELS)
RUN = "gameday.dev/run-id"
MANAGER = "gameday-undo"


class UndoLog(Protocol):
    """Where inverses are promised and, once done, taken off."""

    def promise(self, inverse: Inverse, *, fault: str) -> str:
        """Write it down. Return an empty string, or why it could not be: then the action must not be done."""

    def kept(self, inverse: Inverse) -> None:
        """Take it off: it was done, or there was nothing to undo. What stays is harmless, as undoing looks first."""


class NoUndoLog:
    """Writes nothing: for what is thrown away as a whole, and for dry runs."""

    def promise(self, inverse: Inverse, *, fault: str) -> str:  # noqa: ARG002  # the role's shape
        """There is nobody to tell."""
        return ""

    def kept(self, inverse: Inverse) -> None:
        """There is nothing to take off."""


class ClusterUndoLog:
    """One run's undo journal; safe to use from many threads. `deadline_s`: how long a fault may stand at most."""

    def __init__(self, executor: Executor, namespace: str, run: str, *, deadline_s: float) -> None:
        self._executor = PatientHand(executor)
        self._run = run
        self._deadline_s = deadline_s
        self._ref = Ref("ConfigMap", namespace, f"gameday-undo-{hashlib.sha256(run.encode()).hexdigest()[:10]}")
        self._owner = Owner.this_process().annotations()
        self._promises: dict[str, Promise] = {}
        self._count = 0
        self._lock = threading.Lock()

    def promise(self, inverse: Inverse, *, fault: str) -> str:
        """See `UndoLog.promise`. An inverse that is promised already stands as it is: the first one knows best."""
        with self._lock:
            if _key(inverse) in self._promises:
                return ""
            deadline_ns = time.time_ns() + round(self._deadline_s * 1e9)
            self._count += 1
            promised = Promise(f"{self._count:04}", fault, deadline_ns, inverse)
            done = self._write([*self._promises.values(), promised], fault)
            if done.outcome != "ok":
                return f"the undo journal cannot be written ({done.reason}), so nothing is done"
            self._promises[_key(inverse)] = promised
            return ""

    def kept(self, inverse: Inverse) -> None:
        """See `UndoLog.kept`."""
        with self._lock:
            if promised := self._promises.pop(_key(inverse), None):
                self._write(list(self._promises.values()), promised.fault)

    def _write(self, promises: list[Promise], fault: str) -> Done:
        if not promises:
            order = mutations.delete(self._ref, fault=fault)
        else:
            order = mutations.apply(self._manifest(promises), field_manager=MANAGER, fault=fault)
        # A name of its own: a check that looks for an apply or a delete means one of the system's.
        # Nor may the server's doubt about the first attempt be the last word: written or taken off twice is as good.
        return self._executor.do(replace(order, action="write-undo", idempotent=True))

    def _manifest(self, promises: list[Promise]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self._ref.name,
                "namespace": self._ref.namespace,
                "labels": UNDO_LABELS,
                "annotations": {RUN: self._run, **self._owner},
            },
            "data": {one.key: one.text() for one in promises},
        }


def _key(inverse: Inverse) -> str:
    """What makes two inverses one: the same thing to be undone on the same object."""
    target, detail = inverse.target, inverse.detail
    which = detail.get("path") or f"{detail.get('container', '')}/{detail.get('process', '')}"
    return f"{inverse.kind} {target.kind} {target.namespace}/{target.name} {target.uid} {which}"
