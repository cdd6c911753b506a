"""Executing mutations: journalled before and after, and asked again where that is safe and of use."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import tenacity

from chaos.cluster.client import Cluster
from chaos.cluster.mutations import Mutation
from chaos.cluster.result import Done, judged
from chaos.cluster.transport import Broken, NotSent
from chaos.history.writing.action_log import Journal, NullJournal

__all__ = [
    "DRY_RUN",
    "DryRunExecutor",
    "Executor",
    "LiveExecutor",
    "PatientHand",
    "unrecorded_executor",
    "worth_asking_again",
]

DRY_RUN = "dry_run: nothing was done"


class Executor(Protocol):
    """Whoever does mutations."""

    def do(self, mutation: Mutation) -> Done:
        """Do it once, journalled before and after, and say what became of it."""


class LiveExecutor:
    """Does what it is told, once. What the API server answers is an outcome, never an error, and never tried again."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster = cluster
        self._journal = journal

    def do(self, mutation: Mutation) -> Done:
        """Send the mutation. Raises `HarnessBroken` only if the journal cannot be written."""
        with self._journal.action(
            mutation.action, mutation.target, fault=mutation.fault, detail=mutation.detail()
        ) as entry:
            done = self._sent(mutation)
            entry.end(done.outcome, **done.detail())
        return done

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
        done = Done("fail", reason=DRY_RUN)
        with self._journal.action(
            mutation.action, mutation.target, fault=mutation.fault, detail=mutation.detail()
        ) as entry:
            entry.end(done.outcome, **done.detail())
        return done


PATIENCE_S = 5.0
"""No attempt is begun later than this after the first: whoever waits for a call under way counts on its own limits."""

ATTEMPTS = 5
WAIT_MAX_S = 2.0

NOTHING_HAPPENED = frozenset({None, 429, 503})
"""Statuses of a `fail` that passes by itself: no connection, a busy server, one that says itself that it is away."""


class PatientHand:
    """A hand that asks again where that is safe and of use. Each attempt is journalled as an action of its own."""

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


def unrecorded_executor(cluster: Cluster) -> PatientHand:
    """A patient hand for what is no part of any trial's record."""
    return PatientHand(LiveExecutor(cluster, NullJournal()))


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
