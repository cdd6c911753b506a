"""One execution of a scenario: phases, faults, and the judgement at the end.

The trial touches the world and writes the run folder; it decides nothing itself except whether to go on. The system
being unwell never raises here: it is evidence. A baseline that is not steady stops the trial: from then on every call
returns at once, nothing is injected, and the verdict is UNKNOWN. The same inert mode lets a scenario run once more
over a saved run, so that only `judge` does anything. After a fault that missed the verdict cannot be PASS either: no
more trouble is made and nothing is held for it, but the system is still given the time to recover.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from chaos.checks import Completed, FaultsLanded, SteadyBefore
from chaos.checks.judge import Judgement, judge_run
from chaos.checks.verdict import Answer, Check
from chaos.clock import seconds
from chaos.cluster import DryRunExecutor
from chaos.errors import HarnessBroken, NotAllowed, NotProven, UsageError
from chaos.faults import Fault, Field, Until
from chaos.faults.base import leaves_foreign, parameters_of, spares_no_node
from chaos.faults.support.cluster_view import foreign_pods
from chaos.history import load_history
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.slo import Slo
from chaos.trial.context import World, desired, recovery_bound_s, whole
from chaos.trial.data_readings import read_data

__all__ = ["Trial", "Until"]

LOOK_S = 1.0
"""How often the generator is looked at while nothing happens in the cluster."""

SETTLE_S = 5.0
"""How long traffic flows after the system has recovered, so that the verdict sees users served again."""


class Trial:
    """One execution of a scenario. `world` is None when the saved run in `run` is judged again."""

    def __init__(
        self, run: Path, world: World | None, *, say: Callable[[str], None], draw: Callable[[Judgement], Path]
    ) -> None:
        self.run = run
        self.judgement: Judgement | None = None
        self._world = world
        self._say = say
        self._draw = draw
        self._steady = SteadyBefore()
        self._stopped = False
        self._missed = False
        self._faults = 0
        self._phase = ""

    # --- phases -------------------------------------------------------------------------------------------------

    def baseline(self, *, duration_s: float, slo: Slo | None = None) -> None:
        """Watch the untroubled system for `duration_s` seconds, and stop the trial if it is not steady.

        With an `slo` steady also means that its latency is kept: a system that is slow before any fault says nothing
        about what the fault does to it.
        """
        self._steady = SteadyBefore(slo)
        if not (world := self._live()):
            return
        self._say(f"baseline, {duration_s:g} s")
        with self._in_phase(world, "baseline"):
            self._wait(world, duration_s)
        # After its end, so that whatever a watch loses later is no doubt about the baseline.
        world.recorder.prove()
        finding = self._steady(load_history(self.run))
        if finding.answer is not Answer.PASS:
            self.stop(f"unsteady baseline: {finding.measured}" + (f"; {finding.reason}" if finding.reason else ""))

    def hold(self, *, duration_s: float | None = None, until: Until | None = None) -> None:
        """Let time pass while the fault stands and traffic flows: so many seconds, or until something is seen.

        `until` comes with a deadline of its own; that it did not come true in time is noted, and left to the checks.
        Returns at once after a fault that missed: there is nothing to wait for.
        """
        if (duration_s is None) == (until is None):
            raise UsageError("trial.hold: give duration_s or until, and only one")
        if self._missed or not (world := self._live()):
            return
        if until is None:
            self._wait(world, duration_s or 0.0)
            return
        self._say(f"until {until.words}, at most {until.deadline_s:.0f} s")
        if not self._wait(world, until.deadline_s, until.seen):
            world.journal.event("note", text=f"not seen within {until.deadline_s:.0f} s: {until.words}")

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Inject the fault and wait for its landing proof; heal it when the block ends, however it ends.

        After a fault that missed no other one is injected, but in a dry run, where all of them miss.
        """
        world = self._live()
        if not world or (self._missed and not isinstance(world.executor, DryRunExecutor)):
            yield
            return
        self._faults += 1
        field = Field(
            executor=world.executor,
            recorder=world.recorder,
            cluster=world.cluster,
            journal=world.journal,
            fault=f"{fault.name}-{self._faults}",
            namespace=world.blast_radius.namespace,
            timings=world.timings,
            means=world.means,
            workload_kind=world.workload_kind,
            adopted=world.adopted,
            undo=world.undo,
        )
        self._admit(world, fault)
        world.claim()
        self._say(f"fault: {fault.words}")
        with self._in_phase(world, "fault"):
            world.journal.event(
                "fault-begin",
                fault=field.fault,
                name=fault.name,
                words=fault.words,
                victims=[asdict(ref) for ref in fault.victims],
                parameters={**parameters_of(fault), "landing_deadline_s": fault.landing_deadline_s},
            )
            try:
                self._inject(world, fault, field)
                yield
            finally:
                self._heal(world, fault, field)

    def read_data(self, *files: str) -> None:
        """Read in every ready replica what must survive, for `DataSurvived`: files, and an answer made from them.

        `files` are paths in the container, by default those that fill the system's claims. Raises `UsageError` without.
        """
        if not (world := self._live()):
            return
        data = world.data.of(files)
        world.claim()
        self._say(f"reading {', '.join(data.files)} in every ready replica")
        read_data(world.cluster, world.executor, world.journal, world.recorder, data)

    def recovery(self, *, settle_s: float = SETTLE_S) -> None:
        """Wait until the system has all its replicas back, at most as long as its own spec permits.

        Then traffic flows for `settle_s` more: long enough that each replica is surely asked, if that is to be judged.
        """
        if not (world := self._live()):
            return
        self._say("recovery")
        with self._in_phase(world, "recovery"):
            bound_s = recovery_bound_s(world)
            if self._wait(world, bound_s, lambda: whole(world)):
                self._wait(world, settle_s)
            elif not self._stopped:
                world.journal.event("note", text=f"not all replicas ready {bound_s:.0f} s after recovery began")

    def note(self, text: str) -> None:
        """Write a remark into the record, for whoever reads it."""
        if world := self._live():
            world.journal.event("note", text=text)

    # --- the end ------------------------------------------------------------------------------------------------

    def judge(self, *checks: Check, trouble: bool = True) -> None:
        """Close the record and judge it. Raises `NotProven` unless every check passes.

        Besides the scenario's own checks three are always made: the baseline was steady, every fault landed on
        running traffic, and the trial came to its end. A trial that measures, and claims nothing about trouble, says
        `trouble=False`: it may do without a fault.
        """
        self._close()
        landed = (FaultsLanded(),) if trouble or self._faults else ()
        self._judge((*checks, Completed(), self._steady, *landed))
        if self.judgement is not None and self.judgement.verdict.answer is not Answer.PASS:
            raise NotProven(self.judgement.text())

    def abandon(self, reason: str) -> None:
        """Close the record of a trial that never came to `judge`, and judge what is there."""
        if self.judgement is None:
            self.stop(reason)
            self._close()
            self._judge((Completed(), self._steady, FaultsLanded()))

    def stop(self, reason: str) -> None:
        """Do nothing more: no fault, no waiting. The verdict cannot be PASS."""
        if world := self._live():
            world.journal.event("trial-stopped", reason=reason)
            self._say(f"stopped: {reason}")
        self._stopped = True

    def _close(self) -> None:
        if (world := self._world) is None:
            return
        self._world = None
        self._say("letting requests end, then judging")
        try:
            world.traffic.finish()
            # The end of a stream lies a little ahead of the word that ends it, and the watch is judged up to there.
            if (left_s := seconds(world.traffic.ended_ns - world.clock.now_ns())) > 0:
                world.recorder.wait_for(lambda: False, left_s)
            world.recorder.stop()
        except HarnessBroken as broken:
            world.journal.event("trial-stopped", reason=broken.what)
        world.journal.event("trial-end", wall_step_ns=world.clock.step_ns())

    def _judge(self, checks: tuple[Check, ...]) -> None:
        self.judgement = judge_run(self.run, checks)
        self._draw(self.judgement)
        if self.judgement.interrupted is not None:
            raise self.judgement.interrupted

    # --- inside -------------------------------------------------------------------------------------------------

    def _live(self) -> World | None:
        return None if self._stopped else self._world

    def _wait(self, world: World, duration_s: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let time pass until `until` is true, but notice a harness that broke. Say whether it came true."""
        deadline = time.monotonic() + duration_s
        while (left_s := deadline - time.monotonic()) > 0:
            if reason := world.lost():
                self.stop(reason)
                return False
            world.traffic.check()
            if world.recorder.wait_for(until, min(left_s, LOOK_S)):
                return True
        return False

    def _admit(self, world: World, fault: Fault) -> None:
        if objection := world.consent(fault):
            raise NotAllowed(objection)
        pods = [PodView(pod) for pod in world.recorder.objects("Pod")]
        ready = sum(pod.ready and not pod.deleting for pod in pods)
        hit = [victim.name for victim in fault.victims if victim.kind == "Node"]
        nodes = [node for node in map(NodeView, world.recorder.objects("Node")) if node.name not in hit]
        namespace = world.blast_radius.namespace
        # On nodes of others their owners' bound stands, whatever a scenario is about.
        unbounded = spares_no_node(fault) and not world.adopted
        radius = replace(world.blast_radius, nodes_max=None) if unbounded else world.blast_radius
        radius.admit(
            fault.victims,
            ours={pod.uid for pod in pods},
            down=max(0, (desired(world) or 0) - ready),
            nodes_out=sum(node.unschedulable or not node.ready for node in nodes),
            foreign=() if leaves_foreign(fault) else foreign_pods(world.cluster, hit, namespace),
        )

    def _inject(self, world: World, fault: Fault, field: Field) -> None:
        """Inject, and journal either the landing or why there was none."""
        reason = fault.inject(field)
        if not reason and self._wait(world, fault.landing_deadline_s, lambda: fault.landed(field)):
            proof = fault.landed(field)
            world.journal.event("fault-landed", fault=field.fault, proof=proof)
            self._say(f"landed: {proof}")
            return
        if not reason:
            late = f"no proof of landing within {fault.landing_deadline_s:g} s"
            reason = "the trial was stopped before its landing was proved" if self._stopped else late
        self._missed = True
        world.journal.event("fault-missed", fault=field.fault, reason=reason)
        self._say(f"missed: {reason}")

    def _heal(self, world: World, fault: Fault, field: Field) -> None:
        """Heal, and journal whether that went well. What could not be undone is said, and stops the trial."""
        try:
            left = fault.heal(field)
        except BaseException as error:
            detail = {"reason": f"{type(error).__name__}: {error}"}
            world.journal.event("fault-healed", fault=field.fault, outcome="info", detail=detail)
            raise
        world.journal.event(
            "fault-healed", fault=field.fault, outcome="fail" if left else "ok", detail={"reason": left} if left else {}
        )
        if left:
            self.stop(f"not healed: {left}")

    @contextmanager
    def _in_phase(self, world: World, phase: str) -> Iterator[None]:
        """Journal a phase; a fault inside a fault stays in the phase that is open."""
        if self._phase:
            yield
            return
        self._phase = phase
        world.journal.event("phase-begin", phase=phase)
        try:
            yield
        finally:
            self._phase = ""
            world.journal.event("phase-end", phase=phase)
