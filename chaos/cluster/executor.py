"""Executing mutations: recorded before and after, retried where that is safe, and judged by the API server's answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import tenacity

from chaos.cluster.client import Cluster
from chaos.cluster.mutations import Mutation
from chaos.cluster.transport import Answer, Broken, NotSent
from chaos.history import Outcome
from chaos.history.writing.action_log import Journal, NullJournal

__all__ = [
    "DRY_RUN",
    "Done",
    "DryRunExecutor",
    "Executor",
    "LiveExecutor",
    "RetryingExecutor",
    "judged",
    "unrecorded_executor",
    "worth_asking_again",
]

_UNKNOWN_REASONS = frozenset({"", "Unknown", "InternalError", "ServerTimeout", "Timeout"})
"""Reasons of a 5xx after which the change may have happened all the same.

The API's own words (apimachinery, `StatusReason`): after `InternalError` "the outcome of the call is unknown", and a
request that met a `Timeout` or `ServerTimeout` was not completed in the time given, which etcd may still do.
"""


_TWO_BUDGETS = "more than one PodDisruptionBudget"
"""What the eviction API says, as a 500 without a reason (older servers: inside a 201), of a pod in two budgets.

No other sign tells this refusal from a storage error; were the words to change, the outcome would read as unknown.
"""


NO_OBJECT = "what answered is no API server"


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
    refused that way), or no object of the API: then something else answered, e.g. the page of a login. A 3xx or 4xx did
    not happen, except 408. A 5xx did not only where the server itself says why and the reason leaves no doubt; a
    gateway's 5xx leaves it open.
    """
    body = answer.json()
    kind = body.get("kind") if isinstance(body, Mapping) else None
    status = body if kind == "Status" else None
    if answer.ok and not (status and status.get("status") == "Failure"):
        return (
            Done("ok", answer.status, body)
            if kind
            else Done("info", answer.status, body, f"{NO_OBJECT}: {answer.words()}")
        )
    doubtful = answer.status == 408 or (answer.status >= 500 and not _definite(status))
    return Done("info" if doubtful else "fail", answer.status, body, answer.words(), _retry_after_s(answer))


def _definite(status: Mapping[str, Any] | None) -> bool:
    """Whether the Status of a 5xx leaves no doubt that nothing happened."""
    if status is None:
        return False
    return status.get("reason", "") not in _UNKNOWN_REASONS or _TWO_BUDGETS in status.get("message", "")


DIGITS_MAX = 10


def _retry_after_s(answer: Answer) -> float | None:
    """How many seconds the server asks to be left alone; None where it says no such number, as `nan`, -1 or a date."""
    asked = answer.headers.get("retry-after", "").strip()
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < DIGITS_MAX else None


DRY_RUN = "dry_run: nothing was done"


class Executor(Protocol):
    """Whoever does mutations."""

    def do(self, mutation: Mutation) -> Done:
        """Do it once, journalled before and after, and say what became of it."""


class LiveExecutor:
    """Sends each mutation once. What the API server answers is an outcome, never an error, and never tried again."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster = cluster
        self._journal = journal

    def do(self, mutation: Mutation) -> Done:
        """Send the mutation. Raises `HarnessBroken` only if the journal cannot be written."""
        return _journalled(self._journal, mutation, self._sent)

    def _sent(self, mutation: Mutation) -> Done:
        try:
            answer = self._cluster.transport.call(
                mutation.method,
                mutation.path,
                query=mutation.query,
                body=mutation.body,
                content_type=mutation.content_type,
                timeout_s=mutation.timeout_s,
            )
        except NotSent as error:
            return Done("fail", reason=error.what)
        except Broken as error:
            return Done("info", reason=error.what)
        return judged(answer)


class DryRunExecutor:
    """Journals what would be done and does nothing: for dry runs, which can never pass."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def do(self, mutation: Mutation) -> Done:
        """Write the decision down."""
        return _journalled(self._journal, mutation, lambda _: Done("fail", reason=DRY_RUN))


def _journalled(journal: Journal, mutation: Mutation, send: Callable[[Mutation], Done]) -> Done:
    with journal.action(mutation.action, mutation.target, fault=mutation.fault, detail=mutation.detail()) as entry:
        done = send(mutation)
        entry.end(done.outcome, **done.detail())
    return done


PATIENCE_S = 5.0
"""No attempt is begun later than this after the first: whoever waits for a call under way counts on its own limits."""

ATTEMPTS = 5
WAIT_MAX_S = 2.0

NOTHING_HAPPENED = frozenset({None, 429, 503})
"""Statuses of a `fail` that passes by itself: no connection, a busy server, one that says itself that it is away."""


class RetryingExecutor:
    """Retries where that is safe and of use. Each attempt is journalled as an action of its own."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def do(self, mutation: Mutation) -> Done:
        """Do it, and say what became of it. What may have happened in an early attempt stays unknown, if none is ok."""
        doubts: list[Done] = []

        def attempt() -> Done:
            done = self._executor.do(mutation)
            if done.outcome == "info":
                doubts.append(done)
            return done

        done: Done = _patiently(mutation)(attempt)
        if done.outcome == "fail" and doubts:
            reason = f"{done.reason}; before that, an attempt whose answer never came: {doubts[-1].reason}"
            return replace(done, outcome="info", reason=reason)
        return done


def unrecorded_executor(cluster: Cluster) -> RetryingExecutor:
    """A retrying executor for what is no part of any trial's record."""
    return RetryingExecutor(LiveExecutor(cluster, NullJournal()))


def worth_asking_again(mutation: Mutation, done: Done) -> bool:
    """Whether to send a mutation again after this answer."""
    if done.outcome == "info":
        return mutation.idempotent
    if done.outcome == "ok" or done.budget_refused:
        return False
    return _raced(mutation, done) or done.status in NOTHING_HAPPENED


def _raced(mutation: Mutation, done: Done) -> bool:
    """Whether somebody else wrote between the server's reading and its writing.

    A conflict with causes is about who owns what, and that of a deletion by UID about another object of the name.
    """
    aimed = mutation.method == "DELETE" and bool(mutation.target.uid)
    return done.status == 409 and mutation.idempotent and not (done.causes or aimed)


def _patiently(mutation: Mutation) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda done: worth_asking_again(mutation, done)),
        wait=_pause_s,
        stop=tenacity.stop_before_delay(PATIENCE_S) | tenacity.stop_after_attempt(ATTEMPTS),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )


def _pause_s(state: tenacity.RetryCallState) -> float:
    """What the server asks for, else a little longer each time."""
    done = state.outcome.result() if state.outcome else None
    grown_s = _GROWING(state)
    return max(grown_s, done.retry_after_s or 0.0) if done is not None else grown_s


_GROWING = tenacity.wait_random_exponential(multiplier=0.2, max=WAIT_MAX_S)
