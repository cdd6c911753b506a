"""The undo journal: before each action what undoes it is written into the cluster, where any later process finds it.

One ConfigMap a run holds all entries that are not undone yet. It is written by server-side apply, the whole of it each
time: that may be repeated after an answer that never came. What cannot be written down is not done.

It lies in a namespace beside the system's, in which nobody but this suite has rights: an entry is executed with the
rights of whoever finds it, so that its place is what makes it ours (docs/adr/010-a-namespace-of-its-own.md).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any, Literal, Protocol, cast

from chaos.cluster import Done, Executor, RetryingExecutor, mutations, selector_of
from chaos.objects.base import Ref
from chaos.safety.owner import Owner
from chaos.wait import Ticker

__all__ = [
    "ALSO_MAX",
    "DEADLINE_S",
    "OURS",
    "RUN",
    "SELECTOR",
    "SYSTEM",
    "TEXT_MAX",
    "UNDO_LABELS",
    "ClusterUndoLog",
    "NoUndoLog",
    "UndoEntry",
    "UndoKind",
    "UndoLog",
    "is_namespace",
    "is_own_namespace",
    "own_namespace",
]

UndoKind = Literal[
    "uncordon",
    "restore-part",
    "continue-process",
    "signal-process",
    "thaw-container",
    "run-ready",
    "pass-probes",
    "delete-policy",
    "reconnect-pod",
    "node-on",
    "delete-job",
    "continue-metrics",
]


@dataclass(frozen=True, slots=True)
class UndoEntry:
    """One thing to undo, by one of the functions that `chaos.faults.undo.restore` has for each `kind`.

    Attributes:
        target: The object that it is done to.
        manual: The command by which a person does it.
        detail: Plain data of the kind: `path` (a JSON pointer), `before`, `wanted` and `action` of a part of an object,
            `also`, what changes within it want that have not ended (of a template: digests of what it was, and of what
            the server makes of it); `container`, `container_id`, `process` and `signal` of one, `own_end_s`, how long
            after the run's last sign of life it is undone in the container itself, `through` which other container it
            was sent; `pod` of a policy; `node`, `address`, `port` of a pod below the API; `program` that shows metrics.
            Never a command: a host or container could have to run it.
        fault: The fault whose action it undoes.
        deadline_ns: UTC epoch nanoseconds after which its run counts as dead, unless it renewed the entry.
        key: Its key in the run's undo journal; empty for one that this process made itself, which is trusted.
        whole: The part before, never written: this process alone knows it.
    """

    kind: UndoKind
    target: Ref
    manual: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    deadline_ns: int = 0
    key: str = ""
    whole: Any = field(default=None, repr=False, compare=False, kw_only=True)

    @property
    def identity(self) -> str:
        """What makes two entries one: the same thing to be undone on the same object."""
        target, detail = self.target, self.detail
        named = (str(detail.get(name, "")) for name in ("container", "process", "program"))
        which = detail.get("path") or "/".join(named)
        return f"{self.kind} {target.kind} {target.namespace}/{target.name} {target.uid} {which}"

    def text(self) -> str:
        """The entry as it is written into the cluster."""
        given = asdict(replace(self, whole=None)).items()
        return json.dumps({name: one for name, one in given if name not in {"key", "whole"}}, separators=(",", ":"))

    @classmethod
    def read(cls, key: str, text: str) -> UndoEntry:
        """Read it back. Raises `ValueError` for what is no entry of ours."""
        try:
            given = json.loads(text)
            kind, target, detail = _text(given["kind"]), Ref(**given["target"]), {**given["detail"]}
            for value in astuple(target):
                _text(value)
            fault, deadline_ns = _text(given["fault"]), int(given["deadline_ns"])
            return cls(cast("UndoKind", kind), target, str(given["manual"]), detail, fault, deadline_ns, key)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _text(value: object) -> str:
    """A text of a length that a name may have: what others wrote is told to people, and asked of the API."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    if len(value) > TEXT_MAX:
        raise ValueError(f"{value!r:.40} has {len(value)} characters, which nothing is called by")
    return value


OURS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "gameday"}
"""The label of everything that this suite makes."""

UNDO_LABELS = {**OURS, "gameday.dev/undo": "true"}

SELECTOR = selector_of(UNDO_LABELS)

RUN = "gameday.dev/run-id"

SYSTEM = "gameday.dev/system-namespace"
"""The namespace of the system that a journal is about."""

SUFFIX = "-gameday"
NAME_MAX = 63
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""Of a namespace: a DNS-1123 label."""

MANAGER = "gameday-undo"

ALSO_MAX = 8
"""So many changes of a part within another are known for ours; a later process asks the server about each."""

TEXT_MAX = 253
"""So long may the name of an object be (a DNS-1123 subdomain)."""

DEADLINE_S = 300.0
"""A run that has not renewed its entries for so long counts as dead, wherever it ran."""


def is_namespace(name: str) -> bool:
    """Whether a namespace can have that name."""
    return len(name) <= NAME_MAX and LABEL.fullmatch(name) is not None


def own_namespace(namespace: str) -> str:
    """The suite's own namespace beside a system's: for its account and its undo journals."""
    if len(namespace) + len(SUFFIX) <= NAME_MAX:
        return f"{namespace}{SUFFIX}"
    told_apart = hashlib.sha256(namespace.encode()).hexdigest()[:8]
    return f"{namespace[: NAME_MAX - len(SUFFIX) - len(told_apart) - 1]}-{told_apart}{SUFFIX}"


def is_own_namespace(name: str) -> bool:
    """Whether it is named like one of the suite's own."""
    return name.endswith(SUFFIX)


class UndoLog(Protocol):
    """Where undo entries are recorded before an action and removed once they are done."""

    @property
    def lost(self) -> str:
        """Why others may have undone what is recorded, empty while they must not."""

    def record(self, entry: UndoEntry) -> str:
        """Write it down. Return an empty string, or why it could not be: then the action must not be done."""

    def remove(self, entry: UndoEntry) -> None:
        """Take it off: it was undone, or never done. An entry that stays does no harm: undoing looks first."""


class NoUndoLog:
    """Writes nothing: for dry runs."""

    lost = ""

    def record(self, entry: UndoEntry) -> str:  # noqa: ARG002  # the role's shape
        """There is nowhere to write."""
        return ""

    def remove(self, entry: UndoEntry) -> None:
        """There is nothing to take off."""


class ClusterUndoLog:
    """One run's undo journal for a system in `namespace`, renewed while this process lives; safe to use from threads.

    `deadline_s`: how long after the last time the run counts as dead; 0 or less: at once, and nothing is renewed.
    """

    def __init__(self, executor: Executor, namespace: str, run: str, *, deadline_s: float = DEADLINE_S) -> None:
        self._executor = RetryingExecutor(executor)
        self._deadline_s = deadline_s
        name = f"gameday-undo-{hashlib.sha256(run.encode()).hexdigest()[:10]}"
        self._ref = Ref("ConfigMap", own_namespace(namespace), name)
        self._annotations = {RUN: run, SYSTEM: namespace, **Owner.this_process().annotations()}
        self._entries: dict[str, UndoEntry] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._lost, self._valid_ns = "", 0
        self._ticker = Ticker(self._renew, period_s=deadline_s / 4, name="undo-journal")

    @property
    def lost(self) -> str:
        """See `UndoLog.lost`. By the wall clock, as others see it: it goes on while this host is suspended."""
        if self._entries and time.time_ns() > self._valid_ns:
            self._lost = f"the undo journal was not renewed for {self._deadline_s:g} s, so others may have undone it"
        return self._lost

    def record(self, entry: UndoEntry) -> str:
        """See `UndoLog.record`. One that is recorded already stays: the first one knows the state before."""
        with self._lock:
            if known := self._entries.get(entry.identity):
                return self._note_also(known, entry)
            self._count += 1
            deadline_ns = self._deadline_ns()
            recorded = replace(entry, key=f"{self._count:04}", deadline_ns=deadline_ns)
            if reason := self._unwritten([*self._entries.values(), recorded], entry.fault):
                return reason
            self._valid_ns = deadline_ns
            self._entries[entry.identity] = recorded
            if self._deadline_s > 0:
                self._ticker.start()
            return ""

    def _note_also(self, known: UndoEntry, inner: UndoEntry) -> str:
        """Write down what a change within another makes of the part, by which a later process knows it for ours."""
        also, wanted = known.detail.get("also", ()), inner.detail.get("wanted")
        if wanted in (None, known.detail.get("wanted"), *also) or len(also) >= ALSO_MAX:
            return ""
        entries = {**self._entries, known.identity: replace(known, detail={**known.detail, "also": [*also, wanted]})}
        if reason := self._unwritten(list(entries.values()), inner.fault):
            return reason
        self._entries = entries
        return ""

    def remove(self, entry: UndoEntry) -> None:
        """See `UndoLog.remove`."""
        with self._lock:
            recorded = self._entries.get(entry.identity)
            # The end of a change within another is not that of the outer one.
            if recorded and recorded.fault == entry.fault:
                del self._entries[entry.identity]
                self._write(list(self._entries.values()), recorded.fault)
            elif recorded and (wanted := entry.detail.get("wanted")) in (also := recorded.detail.get("also", ())):
                # Whoever makes the part so from now on is somebody else.
                detail = {**recorded.detail, "also": [one for one in also if one != wanted]}
                self._entries[entry.identity] = replace(recorded, detail=detail)
                self._write(list(self._entries.values()), entry.fault)
            if not self._entries:
                self._ticker.stop()

    def _renew(self) -> None:
        with self._lock:
            if self._entries and not self.lost:
                deadline_ns = self._deadline_ns()
                renewed = {key: replace(one, deadline_ns=deadline_ns) for key, one in self._entries.items()}
                done = self._write(list(renewed.values()), next(iter(renewed.values())).fault)
                if done.outcome == "ok" and not self.lost:
                    self._valid_ns, self._entries = deadline_ns, renewed

    def _deadline_ns(self) -> int:
        return time.time_ns() + round(self._deadline_s * 1e9)

    def _unwritten(self, entries: list[UndoEntry], fault: str) -> str:
        """Write them before an action. Return why that could not be."""
        done = self._write(entries, fault)
        return "" if done.outcome == "ok" else f"the undo journal cannot be written ({done.reason}), so nothing is done"

    def _write(self, entries: list[UndoEntry], fault: str) -> Done:
        if not entries:
            order = mutations.delete(self._ref, fault=fault)
        else:
            order = mutations.apply(self._manifest(entries), field_manager=MANAGER, fault=fault)
        # A name of its own, as checks that look for an apply or a delete mean one of the system's; and idempotent: the
        # server's doubt about the first attempt may not be the last word.
        return self._executor.do(replace(order, action="write-undo", idempotent=True))

    def _manifest(self, entries: list[UndoEntry]) -> dict[str, Any]:
        name = {"name": self._ref.name, "namespace": self._ref.namespace}
        metadata = {**name, "labels": UNDO_LABELS, "annotations": self._annotations}
        data = {one.key: one.text() for one in entries}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
