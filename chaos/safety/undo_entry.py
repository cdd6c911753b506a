"""What undoes one action, as plain data: enough for any later process, with nothing of the one that did the action."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from chaos.objects.base import Ref

__all__ = ["Inverse", "InverseKind", "Promise"]

InverseKind = Literal[
    "open-node", "restore-part", "continue-process", "tell-process", "delete-policy", "power-on", "delete-job"
]
"""Open a node that we closed; put back a part of an object; let a stopped process go on; send a process a signal;
delete a NetworkPolicy of ours; give a node its power back; delete the Job of our load workers with its pods."""


@dataclass(frozen=True, slots=True)
class Inverse:
    """What is to be done to whom. `by_hand` is the command that does it where we cannot.

    `detail` is, by kind: nothing; `path` (a JSON pointer), `before` and `wanted`; `container`, `container_id` and
    `process`; the same and `signal`; nothing; nothing, as a command that came out of the cluster would be anybody's;
    nothing.
    """

    kind: InverseKind
    target: Ref
    by_hand: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promise:
    """An inverse that was written down for a fault, to be kept by `deadline_ns` (UTC epoch nanoseconds)."""

    key: str
    fault: str
    deadline_ns: int
    inverse: Inverse

    def text(self) -> str:
        """The promise as it is written into the cluster."""
        return json.dumps(
            {"fault": self.fault, "deadline_ns": self.deadline_ns, "inverse": asdict(self.inverse)},
            separators=(",", ":"),
        )

    @classmethod
    def read(cls, key: str, text: str) -> Promise:
        """Read it back. Raises `ValueError` for what is no promise of ours."""
        try:
            told = json.loads(text)
            given = told["inverse"]
            inverse = Inverse(given["kind"], Ref(**given["target"]), given["by_hand"], given["detail"])
            return cls(key, str(told["fault"]), int(told["deadline_ns"]), inverse)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
