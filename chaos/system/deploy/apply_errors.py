"""What the API server's refusal of an object means for the person who asked for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaos.cluster import Done
from chaos.errors import ClusterRefused, GamedayError, UsageError
from chaos.objects.base import Ref

__all__ = ["refusal"]


def refusal(what: str, ref: Ref, done: Done) -> GamedayError:
    """Give the error for an object that was not applied, created or deleted; `what` is that verb, as a participle.

    A mistake in what was asked for is a `UsageError`, everything else a `ClusterRefused`. Both name the object.
    """
    where = f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"
    if done.outcome == "info":
        return ClusterRefused(
            f"{where}: nobody can know whether it was {what}: {done.reason}", "see what is there, then run again"
        )
    return _by_cause(where, what, done) or _by_status(where, what, ref, done)


def _by_cause(where: str, what: str, done: Done) -> GamedayError | None:
    causes = _causes(done)
    kinds = {str(cause.get("reason", "")) for cause in causes}
    if "FieldManagerConflict" in kinds:
        fields = "; ".join(
            f"{cause.get('field', '?')} ({cause.get('message', 'owned by another')})" for cause in causes
        )
        return ClusterRefused(
            f"{where}: others own fields that gameday would change: {fields}",
            "undo the other's change, or apply with force",
        )
    if "NamespaceTerminating" in kinds:
        return ClusterRefused(f"{where} was not {what}: its namespace is being deleted", "use another namespace")
    return None


def _by_status(where: str, what: str, ref: Ref, done: Done) -> GamedayError:
    if done.status == 404 and ref.namespace:
        return ClusterRefused(f"{where} was not {what}: {_message(done)}", f"create namespace {ref.namespace} first")
    if done.status == 403:
        return ClusterRefused(
            f"{where} is forbidden: {_message(done)}", "ask for that right, or change what forbids it"
        )
    if done.status in {400, 422}:
        told = "; ".join(f"{cause.get('field', '?')}: {cause.get('message', '?')}" for cause in _causes(done))
        return UsageError(f"{where} is invalid: {told or _message(done)}", "correct the system's spec")
    return ClusterRefused(f"{where} was not {what}: {done.reason or 'no reason given'}")


def _causes(done: Done) -> Sequence[Mapping[str, Any]]:
    details = done.body.get("details") if isinstance(done.body, Mapping) else None
    return (details or {}).get("causes") or ()


def _message(done: Done) -> str:
    message = done.body.get("message") if isinstance(done.body, Mapping) else ""
    return " ".join(str(message or done.reason).split())
