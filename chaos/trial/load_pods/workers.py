"""A crew in the cluster from its Job to its end: up, counted, told one moment to begin at, read, and removed.

There is no master. The driver asks each pod for its clock and gives it the trial's, so that all records are on one time
axis as they are written, and every stream begins at one moment for all. Fewer pods than asked for is no crew.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from chaos.clock import Clock
from chaos.cluster import Cluster, Executor, Journal, mutations, ref_of, selector_of
from chaos.errors import HarnessBroken, TimedOut
from chaos.objects.base import View
from chaos.objects.pod import PodView
from chaos.safety import Inverse, UndoLog
from chaos.system.blockers import blockers, in_words
from chaos.system.deploy.apply import refusal
from chaos.trial.load_pods.agent import Agent, Unheard
from chaos.trial.load_pods.channel import PodChannel
from chaos.trial.load_pods.job import CORES, INDEX, LoadPods, job_manifest, pod_selector
from chaos.trial.load_pods.worker_group import ClusterCrew, Worker
from chaos.wait import until
from loadgen.driver.clock_offset import anchored, read_remote
from loadgen.driver.driver import Generator
from loadgen.plan import Plan, filled, variables
from loadgen.pod.contract import code_digest
from loadgen.profiles import Profile

__all__ = ["MUSTER_S", "Orders", "PodCrew", "pod_crew"]

MUSTER_S = 120.0
"""For all pods to be there: pulling an image on each node is the longest of it."""

GONE_S = 60.0
POLL_S = 0.5
REACH_MORE_S = 15.0
"""For the answer to a look whether the service is reached, beyond the time of the look itself."""

IN_FLIGHT_MAX = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the whole crew is to do: as `loadgen.plan.Plan` has it, on the trial's clock and into its run folder."""

    run_folder: Path
    clock: Clock
    url: str
    profile: Profile
    seed: int
    duration_max_s: float


@dataclass(slots=True)
class PodCrew:
    """The pods of one crew, and what is known of each that has reported, by worker.

    That is how it is asked, its node, and its folder of records.
    """

    cluster: Cluster
    journal: Journal
    pods: LoadPods
    token: str = field(repr=False)
    agents: dict[int, Agent] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    folders: dict[int, Path] = field(default_factory=dict)
    _unfit: dict[str, str] = field(default_factory=dict)

    def muster(self, orders: Orders, deadline_s: float = MUSTER_S) -> ClusterCrew:
        """Wait for all workers and make a crew of them. Raises `HarnessBroken` saying who is missing and why."""
        try:
            until(self._all_here, deadline_s=deadline_s, poll_s=POLL_S, awaited="the load workers")
        except TimedOut:
            raise HarnessBroken(
                f"{len(self.agents)} of {self.pods.workers} load workers were ready within {deadline_s:g} s: "
                f"{self._missing()}",
                f"see kubectl describe job -n {self.pods.namespace} {self.pods.job.name}",
            ) from None
        workers: list[Worker] = []
        try:
            for number, agent in sorted(self.agents.items()):
                workers.append(self._worker(number, agent, orders))
            with ThreadPoolExecutor(len(workers)) as pool:
                list(pool.map(lambda worker: worker.generator.ready(None), workers))
        except BaseException:
            for worker in workers:
                worker.generator.close()
            raise
        for worker in workers:
            self.journal.event("worker-ready", workers=self.pods.workers, **worker.facts())
        self._note_shared_nodes()
        return ClusterCrew(workers, orders.clock, self.journal)

    def unreached(self, url: str, deadline_s: float) -> str:
        """Wait until each worker gets a connection to the service; why one does not, empty if all do."""

        def look(agent: Agent) -> str:
            try:
                said = agent.do("reach", timeout_s=deadline_s + REACH_MORE_S, url=url, deadline_s=deadline_s)
            except Unheard as unheard:
                return unheard.what
            return f"pod {agent.pod.name}: {said['why']}" if said["why"] else ""

        with ThreadPoolExecutor(max(1, len(self.agents))) as pool:
            return "; ".join(why for why in pool.map(look, self.agents.values()) if why)

    def _all_here(self) -> bool:
        for raw in self._listed():
            pod = PodView(raw)
            number = int(pod.annotations.get(INDEX, -1))
            if not pod.ready or pod.deleting or not 0 <= number < self.pods.workers or number in self.agents:
                continue
            agent = Agent(self.cluster, ref_of(raw), self.token)
            try:
                said = agent.do("hello")
            except Unheard as unheard:
                self._unfit[pod.name] = unheard.what
                continue
            if said["code"] != code_digest():
                raise HarnessBroken(
                    f"the image {self.pods.image} holds another version of gameday's load generator than this one",
                    "build it from this version: docs/load.md says how",
                )
            self.agents[number], self.nodes[number] = agent, pod.node
            self.folders[number] = Path(said["folder"])
        return len(self.agents) == self.pods.workers

    def _listed(self) -> list[dict[str, object]]:
        return self.cluster.list("Pod", self.pods.namespace, selector=pod_selector(self.pods))

    def _missing(self) -> str:
        listed = self._listed()
        events = self.cluster.list("Event", self.pods.namespace)
        told = in_words(blockers(pods=listed, events=events))
        known = {agent.pod.name for agent in self.agents.values()}
        unheard = [why for name, why in self._unfit.items() if name not in known]
        if len(listed) < self.pods.workers:
            said = [str(one.get("message", "")) for one in events if one.get("reason") == "FailedCreate"]
            unheard += [f"the Job made {len(listed)} pods", *said[-1:]]
        return "; ".join(one for one in (told, *unheard) if one) or "they are there, but not ready"

    def _worker(self, number: int, agent: Agent, orders: Orders) -> Worker:
        try:
            reading = read_remote(agent.clock, orders.clock.now_ns)
        except Unheard as unheard:
            raise HarnessBroken(unheard.what) from None
        clock = anchored(reading)
        plan = Plan(
            clock=clock,
            run_folder=self.folders[number],
            url=orders.url,
            profile=orders.profile,
            seed=orders.seed,
            in_flight_max=IN_FLIGHT_MAX,
            duration_max_s=orders.duration_max_s,
            worker=number,
            workers=self.pods.workers,
            cores=CORES,
        )
        environ = _named(orders.profile.headers, os.environ)
        channel = PodChannel(agent, orders.run_folder, environ)
        generator = Generator(channel, plan, orders.run_folder, orders.clock)
        return Worker(generator, agent, clock, reading, self.nodes[number])

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
def pod_crew(
    cluster: Cluster, pods: LoadPods, *, executor: Executor, tidy: Executor, journal: Journal, undo: UndoLog
) -> Iterator[PodCrew]:
    """Make the Job, and remove it and its pods when the block ends. Its removal is promised to `undo` before.

    `executor` makes it, `tidy` removes it: what comes after the trial is no part of its record. Raises `ClusterRefused`
    or `UsageError` if it cannot be made, `HarnessBroken` if the promise cannot be written.
    """
    token = secrets.token_hex(16)
    by_hand = f"kubectl delete job -n {pods.namespace} {pods.job.name}"
    inverse = Inverse("delete-job", pods.job, by_hand)
    if why := undo.promise(inverse, fault="load"):
        raise HarnessBroken(f"load in the cluster: {why}")
    try:
        manifest = job_manifest(pods, hashlib.sha256(token.encode()).hexdigest())
        done = executor.do(replace(mutations.create(manifest), action="start-load"))
        if done.outcome != "ok":
            raise refusal("created", pods.job, done)
        yield PodCrew(cluster, journal, pods, token)
    finally:
        tidy.do(replace(mutations.delete(pods.job), action="end-load"))
        _await_gone(cluster, pods)
        undo.kept(inverse)


def _await_gone(cluster: Cluster, pods: LoadPods) -> None:
    """Wait until nothing of it is left. Raises `TimedOut` naming what is."""
    seen: list[str] = []

    def gone() -> bool:
        job = cluster.get("Job", pods.namespace, pods.job.name)
        left = cluster.list("Pod", pods.namespace, selector=pod_selector(pods))
        seen[:] = [*([pods.job.name] if job else []), *(View(one).name for one in left)]
        return not seen

    until(gone, deadline_s=GONE_S, poll_s=POLL_S, awaited="the load workers gone", last_seen=lambda: ", ".join(seen))


def _named(headers: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the headers name. Raises `UsageError` if one is not set here."""
    filled(headers, environ)
    return {name: environ[name] for name in variables(headers)}
