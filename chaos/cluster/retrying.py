"""Asking again for a mutation: which may be sent twice, after which answers, and for how long.

Two things decide. What is known: after some answers nothing can have happened (a busy server's 429, a server that says
that it is not there, a connection that never came about), after others it may have. And the kind of request: one that
leads to the same however often it is done may be sent again even then; one that does not is left as unknown, and who
asked looks at the state. A refusal by a spent disruption budget is an answer, no trouble, and never asked again here.
"""

from __future__ import annotations

from dataclasses import replace

import tenacity

from chaos.cluster.client import Cluster
from chaos.cluster.executor import Executor, LiveExecutor
from chaos.cluster.mutations import Mutation
from chaos.cluster.result import Done
from chaos.history.writing.action_log import NullJournal

__all__ = ["PatientHand", "unrecorded_executor", "worth_asking_again"]

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
