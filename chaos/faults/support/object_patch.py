"""Change a part of one object's spec and put it back: only if it still is as we made it, and proved by comparing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tenacity

from chaos.cluster import Done, mutations
from chaos.errors import ClusterRefused
from chaos.faults.base import Field
from chaos.objects.base import Ref
from chaos.safety import Inverse

__all__ = ["Change"]

ATTEMPTS = 4
WAIT_MAX_S = 4.0


@dataclass(slots=True)
class Change:
    """One change of what stands at `path` (a JSON pointer) in an object.

    The patch tests that the part is still what was read before it replaces it, so nobody else's change is lost.
    `by_hand` is the command that undoes it where we cannot. `generation` is the number of the wish that was read or
    made last.
    """

    ref: Ref
    path: str
    by_hand: str
    before: Any = None
    made: Any = None
    generation: int = 0

    def read(self, field: Field) -> str:
        """Read the part as it is. Return an empty string, or why it cannot be read."""
        found = field.cluster.get(self.ref.kind, self.ref.namespace, self.ref.name) if self.ref.name else None
        if found is None or found["metadata"]["uid"] != self.ref.uid:
            return f"the {self.ref.kind} {self.ref.name or 'of the system'} is not there"
        self.before = self._part(found)
        self.generation = int(found["metadata"].get("generation", 0))
        return ""

    def make(self, field: Field, wanted: Any, *, action: str) -> str:
        """Replace the part. Return an empty string, or why that could not be done."""
        if reason := field.undo.promise(self._inverse(wanted), fault=field.fault):
            return f"{action} {self.ref.name}: {reason}"
        # Before the action: after an answer that never came it may be done, and then it has to be undone.
        self.made = wanted
        done = field.executor.do(self._order(self.before, wanted, action, field.fault))
        if done.outcome != "fail":
            self._note(field, done)
        if done.outcome == "ok" or (done.outcome == "info" and self.made != self.before):
            return ""
        self.made = None
        field.undo.kept(self._inverse(wanted))
        return f"{action} {self.ref.name}: {done.reason}"

    def undo(self, field: Field, *, action: str) -> str:
        """Put the part back, and compare. Return an empty string, or what is left and the command that mends it."""
        if self.made is None:
            return ""
        done = _patiently(lambda: field.executor.do(self._order(self.made, self.before, action, field.fault)))
        why = done.reason or "it reads otherwise than before"
        try:
            self._note(field, done)
        except ClusterRefused as refused:
            why = refused.what
        if self.made == self.before:
            self.made = None
            field.undo.kept(self._inverse(None))
            return ""
        return f"{self.ref.kind} {self.ref.name} is not as it was before ({why}); run: {self.by_hand}"

    def _inverse(self, wanted: Any) -> Inverse:
        detail = {"path": self.path, "before": self.before, "wanted": wanted}
        return Inverse("restore-part", self.ref, self.by_hand, detail)

    def _note(self, field: Field, done: Done) -> None:
        """Note how the part stands after a patch: what the server says, or a fresh read where it did not say."""
        found: Any = done.body if done.outcome == "ok" else None
        if not isinstance(found, Mapping):
            found = field.cluster.get(self.ref.kind, self.ref.namespace, self.ref.name) or {}
        self.made = self._part(found)
        self.generation = int((found.get("metadata") or {}).get("generation", 0))

    def _part(self, found: Mapping[str, Any]) -> Any:
        part: Any = found
        for step in self.path.strip("/").split("/"):
            part = part.get(step) if isinstance(part, Mapping) else None
        return part

    def _order(self, now: Any, wanted: Any, action: str, fault: str) -> mutations.Mutation:
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": self.ref.uid},
            {"op": "test", "path": self.path, "value": now},
            {"op": "replace", "path": self.path, "value": wanted},
        ]
        return mutations.patch(self.ref, operations, mutations.JSON, action=action, fault=fault)


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda done: done.outcome != "ok" and done.status not in {404, 409, 422}),
    wait=tenacity.wait_exponential(multiplier=0.5, max=WAIT_MAX_S),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
)
