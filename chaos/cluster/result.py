"""What an answer of the API server says about a mutation: it happened, it did not, or nobody can know. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.cluster.transport import Answer
from chaos.history import Outcome

__all__ = ["Done", "judged"]

_UNKNOWN_REASONS = frozenset({"", "Unknown", "InternalError", "ServerTimeout", "Timeout"})
"""Reasons of a 5xx after which the change may have happened all the same.

The API's own words (apimachinery, `StatusReason`): after `InternalError` "the outcome of the call is unknown", and a
request that met a `Timeout` or `ServerTimeout` was not completed in the time given, which etcd may still do.
"""


_TWO_BUDGETS = "more than one PodDisruptionBudget"
"""What the eviction API says, as a 500 without a reason (older servers: inside a 201), of a pod in two budgets.

No other sign tells this refusal from a storage error; were the words to change, the outcome would read as unknown.
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a mutation. `status` is None if no answer came; `reason` is empty if it happened."""

    outcome: Outcome
    status: int | None = None
    body: Mapping[str, Any] | str = field(default_factory=dict)
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def causes(self) -> tuple[str, ...]:
        """The machine-readable causes of a refusal, e.g. `DisruptionBudget`."""
        details = self.body.get("details") if isinstance(self.body, Mapping) else None
        causes = (details or {}).get("causes") or ()
        return tuple(str(cause.get("reason", "")) for cause in causes)

    @property
    def budget_refused(self) -> bool:
        """Whether a spent disruption budget refused an eviction; a busy server's 429 has no such cause."""
        return self.outcome == "fail" and self.status == 429 and "DisruptionBudget" in self.causes

    def detail(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        metadata = (self.body.get("metadata") if isinstance(self.body, Mapping) else None) or {}
        kept = {
            "reason": self.reason,
            "status": self.status,
            "causes": list(self.causes),
            "retry_after_s": self.retry_after_s,
            "uid": metadata.get("uid"),
            "rv": metadata.get("resourceVersion"),
        }
        return {name: value for name, value in kept.items() if value not in (None, "", [])}


def judged(answer: Answer) -> Done:
    """Read the outcome out of an answer.

    A 2xx happened, unless its body is a Status that says Failure (an eviction that meets two disruption budgets is
    refused that way). A 3xx or 4xx did not happen, except 408. A 5xx did not only where the server itself says why and
    the reason leaves no doubt; a gateway's 5xx leaves it open.
    """
    body = answer.json()
    status = body if isinstance(body, Mapping) and body.get("kind") == "Status" else None
    if answer.ok and not (status and status.get("status") == "Failure"):
        return Done("ok", answer.status, body)
    doubtful = answer.status == 408 or (answer.status >= 500 and not _definite(status))
    return Done("info" if doubtful else "fail", answer.status, body, answer.words(), _retry_after_s(answer))


def _definite(status: Mapping[str, Any] | None) -> bool:
    """Whether the Status of a 5xx leaves no doubt that nothing happened."""
    if status is None:
        return False
    return status.get("reason", "") not in _UNKNOWN_REASONS or _TWO_BUDGETS in status.get("message", "")


def _retry_after_s(answer: Answer) -> float | None:
    try:
        return float(answer.headers["retry-after"])
    except (KeyError, ValueError):
        return None
