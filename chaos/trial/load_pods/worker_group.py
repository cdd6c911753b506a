"""The workers of a crew in the cluster, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaos.clock import NS, Clock
from chaos.cluster import Journal
from chaos.errors import HarnessBroken, UsageError
from chaos.trial.load_pods.agent import Agent, Unheard
from loadgen.driver.clock_offset import Reading, read_remote
from loadgen.driver.driver import Finished, Generator, StreamHandle
from loadgen.driver.workers import WorkerGroup
from loadgen.shapes.base import Shape
from loadgen.shapes.users import Users

__all__ = ["ClusterCrew", "Worker"]

LEAD_NS = NS
"""A stream begins and ends this far ahead: through the API server a command takes some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of them: its generator, its pod, the clock that it was given, and the reading that this comes from."""

    generator: Generator
    agent: Agent
    clock: Clock
    reading: Reading
    node: str

    def facts(self) -> dict[str, Any]:
        """What the journal says of it when it is ready."""
        return {
            "worker": self.generator.worker,
            "pod": self.agent.pod.name,
            "node": self.node,
            "offset_ns": self.reading.offset_ns,
            "error_ns": self.reading.error_ns,
        }


class ClusterCrew(WorkerGroup):
    """See `WorkerGroup`. Which worker is lost, and how far each clock went apart, is journalled."""

    def __init__(self, workers: Sequence[Worker], clock: Clock, journal: Journal) -> None:
        super().__init__([worker.generator for worker in workers], clock, lead_ns=LEAD_NS, on_lost=self._lose)
        self._workers = {worker.generator.worker: worker for worker in workers}
        self._journal = journal
        self._now_ns = clock.now_ns

    def begin(self, shape: Shape, name: str) -> StreamHandle:
        """See `WorkerGroup.begin`. Raises `UsageError` for users of a locustfile, which is a file of this host."""
        if isinstance(shape, Users):
            raise UsageError(
                "a locustfile of your own runs on this host only",
                "leave --gameday-load-in-cluster out for this scenario",
            )
        return super().begin(shape, name)

    def finish(self, drain_s: float | None = None) -> Finished:
        """See `WorkerGroup.finish`; the clocks are compared before."""
        for number, worker in self._workers.items():
            if number not in self._lost:
                self._compare(number, worker)
        return super().finish(drain_s)

    def _compare(self, number: int, worker: Worker) -> None:
        try:
            reading = read_remote(worker.agent.clock, self._now_ns)
        except Unheard:
            return  # whether it is lost is told where it is asked for its records
        self._journal.event(
            "worker-clock", worker=number, drift_ns=reading.drift_ns(worker.clock), error_ns=reading.error_ns
        )

    def _lose(self, generator: Generator, broken: HarnessBroken) -> None:
        worker = self._workers[generator.worker]
        self._journal.event(
            "worker-lost",
            worker=generator.worker,
            workers=len(self._workers),
            pod=worker.agent.pod.name,
            reason=broken.what,
        )
