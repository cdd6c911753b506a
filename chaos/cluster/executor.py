"""The hand on the cluster: every mutation goes through one, and is journalled before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chaos.cluster.mutations import Mutation
from chaos.cluster.result import Done, judged
from chaos.cluster.transport import Broken, NotSent
from chaos.history.writing.action_log import Journal

if TYPE_CHECKING:
    from chaos.cluster.client import Cluster

__all__ = ["DRY_RUN", "DryRunExecutor", "Executor", "LiveExecutor"]

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
