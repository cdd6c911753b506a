"""Load pods from their Job to its end: waited for, each handed its part of the plan, read, and removed.

There is no master. The driver asks each pod for its clock and gives it the trial's, so that all records are on one time
axis as they are written, and every stream begins at one moment for all. Fewer pods than asked for send nothing.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from chaos.clock import NS, Clock
from chaos.cluster import Cluster, Executor, Journal, mutations, ref_of, selector_of
from chaos.errors import HarnessBroken, TimedOut, UsageError, one_line
from chaos.objects.base import View
from chaos.objects.pod import PodView
from chaos.objects.readiness_blockers import blockers, in_words
from chaos.safety import UndoEntry, UndoLog
from chaos.system.deploy.apply import refusal
from chaos.trial.load_pods.channel import Agent, PodChannel, Unheard
from chaos.trial.load_pods.job import CORES, INDEX, LoadPods, job_manifest, pod_selector, policy_manifest
from chaos.wait import until
from loadgen.driver.channel import WHY_MAX
from loadgen.driver.clock_offset import Reading, anchored, read_remote
from loadgen.driver.driver import Finished, Generator, StreamHandle
from loadgen.driver.workers import WorkerGroup
from loadgen.plan import Plan, filled, variables
from loadgen.pod.contract import code_digest
from loadgen.pod.intake import Intake
from loadgen.shapes.base import Shape
from loadgen.shapes.users import Users

__all__ = ["LoadJob", "load_job"]

LEAD_NS = NS
"""A stream begins and ends this far ahead: through the API server a command takes some hundredths of a second."""

GONE_S = 60.0
POLL_S = 0.5
REACH_MORE_S = 15.0
"""For the answer to a look whether the service is reached, beyond the time of the look itself."""


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


class PodWorkers(WorkerGroup):
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
            return  # a lost worker is noticed when its records are read
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
            reason=one_line(broken.what)[:WHY_MAX],
        )


@dataclass(slots=True)
class LoadJob:
    """The Job of load pods (`uid` its own), and by worker of each pod that reported: its agent, node and folder."""

    cluster: Cluster
    journal: Journal
    pods: LoadPods
    token: str = field(repr=False)
    uid: str
    agents: dict[int, Agent] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    folders: dict[int, Path] = field(default_factory=dict)
    _unfit: dict[str, str] = field(default_factory=dict)

    def start(self, plan: Plan, deadline_s: float = 120.0) -> PodWorkers:
        """Wait for all workers and hand each its part of the plan, which is on the trial's clock.

        Raises `HarnessBroken` saying who is missing and why.
        """
        try:
            until(self._all_here, deadline_s=deadline_s, poll_s=POLL_S, awaited="the load workers")
        except TimedOut:
            ranges = ", ".join(self.pods.ingress)
            allowed = f", and whether the API server reaches pods from {ranges}" if ranges else ""
            raise HarnessBroken(
                f"{len(self.agents)} of {self.pods.workers} load workers were ready within {deadline_s:g} s: "
                f"{self._missing()}",
                f"see kubectl describe job -n {self.pods.namespace} {self.pods.job.name}{allowed}",
            ) from None
        workers: list[Worker] = []
        try:
            for number, agent in sorted(self.agents.items()):
                workers.append(self._worker(number, agent, plan))
            with ThreadPoolExecutor(len(workers)) as pool:
                list(pool.map(lambda worker: worker.generator.ready(None), workers))
        except BaseException:
            for worker in workers:
                worker.generator.close()
            raise
        for worker in workers:
            self.journal.event("worker-ready", workers=self.pods.workers, **worker.facts())
        self._note_shared_nodes()
        return PodWorkers(workers, plan.clock, self.journal)

    def unreached(self, url: str, deadline_s: float) -> str:
        """Wait until each worker gets a connection to the service; why one does not, empty if all do."""

        def look(agent: Agent) -> str:
            try:
                answer = agent.do("reach", timeout_s=deadline_s + REACH_MORE_S, url=url, deadline_s=deadline_s)
            except Unheard as unheard:
                return unheard.what
            return f"pod {agent.pod.name}: {answer['why'][:WHY_MAX]}" if answer["why"] else ""

        with ThreadPoolExecutor(max(1, len(self.agents))) as pool:
            return "; ".join(why for why in pool.map(look, self.agents.values()) if why)

    def _all_here(self) -> bool:
        for raw in self._listed():
            pod = PodView(raw)
            number = int(pod.annotations.get(INDEX, -1))
            if not pod.ready or not 0 <= number < self.pods.workers or number in self.agents:
                continue
            agent = Agent(self.cluster, ref_of(raw), self.token)
            try:
                answer = agent.do("hello")
            except Unheard as unheard:
                self._unfit[pod.name] = unheard.what
                continue
            if answer["code"] != code_digest():
                raise HarnessBroken(
                    f"the image {self.pods.image} holds another version of gameday's load generator than this one",
                    "build it from this version: docs/load.md says how",
                )
            self.agents[number], self.nodes[number] = agent, pod.node
            self.folders[number] = Path(str(answer.get("folder", "")))
        return len(self.agents) == self.pods.workers

    def _listed(self) -> list[dict[str, Any]]:
        return _made_by(self.cluster, self.pods, self.uid)

    def _missing(self) -> str:
        listed = self._listed()
        events = self.cluster.list("Event", self.pods.namespace)
        blocked = in_words(blockers(pods=listed, events=events))
        known = {agent.pod.name for agent in self.agents.values()}
        unheard = [why for name, why in self._unfit.items() if name not in known]
        if len(listed) < self.pods.workers:
            failed = [str(one.get("message", "")) for one in events if one.get("reason") == "FailedCreate"]
            unheard += [f"the Job made {len(listed)} pods", *failed[-1:]]
        return "; ".join(one for one in (blocked, *unheard) if one) or "they are there, but not ready"

    def _worker(self, number: int, agent: Agent, plan: Plan) -> Worker:
        try:
            reading = read_remote(agent.clock, plan.clock.now_ns)
        except Unheard as unheard:
            raise HarnessBroken(unheard.what) from None
        clock = anchored(reading)
        own = replace(
            plan, clock=clock, run_folder=self.folders[number], worker=number, workers=self.pods.workers, cores=CORES
        )
        environ = _named(plan.profile.headers, os.environ)
        channel = PodChannel(agent, plan.run_folder, environ, Intake.of(own, plan))
        return Worker(Generator(channel, own, plan.run_folder, plan.clock), agent, clock, reading, self.nodes[number])

    def _note_shared_nodes(self) -> None:
        """Say which workers are on a node with a pod under test: there they compete with it."""
        labels = selector_of(self.pods.target_labels)
        replicas = map(PodView, self.cluster.list("Pod", self.pods.target_namespace, selector=labels))
        theirs = {pod.node for pod in replicas if not pod.finished}
        if shared := [f"{number} ({node})" for number, node in sorted(self.nodes.items()) if node in theirs]:
            self.journal.event(
                "note",
                text=f"load workers on a node with a replica, for whose processor they compete: {', '.join(shared)}",
            )


@contextmanager
def load_job(
    cluster: Cluster, pods: LoadPods, *, executor: Executor, tidy: Executor, journal: Journal, undo: UndoLog
) -> Iterator[LoadJob]:
    """Make the Job, and remove it and its pods when the block ends. Its removal is recorded in `undo` before.

    `executor` makes it, `tidy` removes it: what comes after the trial is no part of its record. Raises `ClusterRefused`
    or `UsageError` if it cannot be made, `HarnessBroken` if that cannot be written.
    """
    token, uid = secrets.token_hex(16), ""
    manual = f"kubectl delete job -n {pods.namespace} {pods.job.name}"
    entry = UndoEntry("delete-job", pods.job, manual, fault="load")
    if why := undo.record(entry):
        raise HarnessBroken(f"load in the cluster: {why}")
    try:
        manifest = job_manifest(pods, hashlib.sha256(token.encode()).hexdigest())
        done = executor.do(replace(mutations.create(manifest), action="start-load"))
        if done.outcome != "ok":
            raise refusal("created", pods.job, done)
        uid = View(done.body if isinstance(done.body, Mapping) else {}).uid
        if pods.ingress:
            _let_in_alone(executor, pods, uid)
        yield LoadJob(cluster, journal, pods, token, uid)
    finally:
        tidy.do(replace(mutations.delete(replace(pods.job, uid=uid)), action="end-load"))
        _await_gone(cluster, pods, uid)
        undo.remove(entry)


def _let_in_alone(executor: Executor, pods: LoadPods, uid: str) -> None:
    """Close the pods to all but the ranges that may reach them; the policy is the Job's own, and goes with it."""
    done = executor.do(replace(mutations.create(policy_manifest(pods, uid)), action="start-load"))
    if done.outcome != "ok":
        raise refusal("created", replace(pods.job, kind="NetworkPolicy"), done)


def _made_by(cluster: Cluster, pods: LoadPods, uid: str) -> list[dict[str, Any]]:
    """The Job's own pods: anybody may give one of his the label, and would be given the token and users' headers."""
    listed = cluster.list("Pod", pods.namespace, selector=pod_selector(pods))
    return [one for one in listed if uid and View(one).controller_uid == uid]


def _await_gone(cluster: Cluster, pods: LoadPods, uid: str) -> None:
    """Wait until nothing of it is left. Raises `TimedOut` naming what is."""
    seen: list[str] = []

    def gone() -> bool:
        job = cluster.get("Job", pods.namespace, pods.job.name)
        left = _made_by(cluster, pods, uid)
        seen[:] = [*([pods.job.name] if job else []), *(View(one).name for one in left)]
        return not seen

    until(gone, deadline_s=GONE_S, poll_s=POLL_S, awaited="the load workers gone", last_seen=lambda: ", ".join(seen))


class _Unshown(dict[str, str]):
    """Values that no traceback shows: pytest prints the arguments of the frame that raised."""

    @override
    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def _named(headers: Mapping[str, str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that the headers name. Raises `UsageError` if one is not set here."""
    filled(headers, environ)
    return _Unshown({name: environ[name] for name in variables(headers)})
