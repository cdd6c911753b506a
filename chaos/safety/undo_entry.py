"""What undoes one action, as plain data: enough for any later process, with nothing of the one that did the action."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from chaos.objects.base import Ref

__all__ = ["UndoEntry", "UndoKind"]

UndoKind = Literal[
    "uncordon",
    "restore-part",
    "continue-process",
    "signal-process",
    "delete-policy",
    "reconnect-pod",
    "node-on",
    "delete-job",
]


@dataclass(frozen=True, slots=True)
class UndoEntry:
    """One thing to undo.

    Attributes:
        kind: What is to be done; `chaos.faults.undo.restore` has a function for each kind.
        target: The object that it is done to.
        manual: The command by which a person does it.
        detail: Plain data of the kind: `path` (a JSON pointer), `before`, `wanted` and `action` of a part of an object;
            `container`, `container_id`, `process` and `signal` of a process; `pod` of a policy; `node` and `address` of
            a pod below the API. Never a command: whoever may write to the cluster could have this host run it.
        fault: The fault whose action it undoes.
        deadline_ns: UTC epoch nanoseconds after which its run counts as dead.
        key: Its key in the run's undo journal.
    """

    kind: UndoKind
    target: Ref
    manual: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    deadline_ns: int = 0
    key: str = ""

    @property
    def identity(self) -> str:
        """What makes two entries one: the same thing to be undone on the same object."""
        target, detail = self.target, self.detail
        which = detail.get("path") or f"{detail.get('container', '')}/{detail.get('process', '')}"
        return f"{self.kind} {target.kind} {target.namespace}/{target.name} {target.uid} {which}"

    def text(self) -> str:
        """The entry as it is written into the cluster."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "key"}, separators=(",", ":"))

    @classmethod
    def read(cls, key: str, text: str) -> UndoEntry:
        """Read it back. Raises `ValueError` for what is no entry of ours."""
        try:
            given = json.loads(text)
            target, detail = Ref(**given["target"]), dict(given["detail"])
            fault, deadline_ns = str(given["fault"]), int(given["deadline_ns"])
            return cls(given["kind"], target, str(given["manual"]), detail, fault, deadline_ns, key)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
