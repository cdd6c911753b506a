"""One execution of a scenario: phases, faults, and the judgement at the end.

The trial acts and writes the run folder; it decides nothing itself except whether to go on. An unwell system never
raises here: it is evidence. A baseline that is not steady stops the trial, and so does a fault for which too much is
down already: from then on every call returns at once, and the verdict is UNKNOWN. In the same inert mode a saved run is
judged again. After a fault that missed no other one is made, but the system still gets the time to recover.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from chaos.checks import Completed, EndState, FaultsLanded, InRole, SteadyBefore
from chaos.checks.judge import Judgement, judge_run
from chaos.checks.verdict import Answer, Check
from chaos.clock import seconds
from chaos.errors import HarnessBroken, NotProven, UsageError
from chaos.faults import Awaited, Fault, Injection, Until
from chaos.history import load_history
from chaos.history.writing.redaction import redacted_message
from chaos.slo import Slo
from chaos.trial.active_faults import ActiveFaults
from chaos.trial.canary import Canary, victims_held
from chaos.trial.context import TrialContext
from chaos.trial.data_readings import read_data
from chaos.trial.first_answers import AwaitedAnswers, Replica, ready_replicas
from chaos.trial.request import Output
from chaos.trial.roles import ROLES, are_whole, has_all_endpoints, stop_recording
from chaos.trial.traffic import Traffic

__all__ = ["Trial"]

LOOK_S = 1.0
"""How often the generator is looked at while nothing happens in the cluster."""

SETTLE_S = 5.0
"""How long traffic flows at least after the system has recovered, so that latency is seen back to normal."""


class Trial:
    """One execution of a scenario. `context` is None when the saved run in `run` is judged again."""

    def __init__(self, run: Path, context: TrialContext | None, traffic: Traffic, output: Output) -> None:
        self.run = run
        self.judgement: Judgement | None = None
        self.canary: Canary | None = None
        """Asks each replica directly, once the system is available; None where nobody does."""
        self._traffic = traffic
        self._output = output
        self._replicas_before: frozenset[Replica] | None = None
        self._steady = SteadyBefore()
        self._stopped = False
        self._missed = False
        self._faults = 0
        self._active = ActiveFaults(self.stop)
        self._context = replace(context, active=self._active.faults) if context else None
        self._phase = ""

    def baseline(self, *, duration_s: float, slo: Slo | None = None) -> None:
        """Watch the system before any fault for `duration_s` seconds, and stop the trial if it is not steady.

        With an `slo` steady means too that it is kept, for as long as shows that (`Traffic.long_enough`): what is slow
        before any fault says nothing of the fault. Requests that are under way at the end are waited for.
        """
        self._steady = SteadyBefore(slo)
        if not (context := self._live()):
            return
        duration_s, words = self._traffic.long_enough(duration_s, None if context.dry_run else slo)
        self._say(f"baseline, {words}")
        with self._in_phase(context, "baseline"):
            self._wait(context, duration_s)
        # After its end, so that whatever a watch loses later is no doubt about the baseline.
        for one in context.all:
            one.recorder.prove()
        last = time.monotonic() + context.data.profile.longest_s + LOOK_S
        while (finding := self._steady(load_history(self.run))).values.get("under_way"):
            if self._stopped or time.monotonic() > last:
                break
            self._wait(context, LOOK_S)
        if finding.answer is not Answer.PASS:
            self.stop(f"unsteady baseline: {finding.measured}" + (f"; {finding.reason}" if finding.reason else ""))

    def hold(
        self, *, duration_s: float | None = None, until: Until | Awaited | None = None, slo: Slo | None = None
    ) -> None:
        """Let time pass while the fault is active and traffic flows: so many seconds, or until something is seen.

        With an `slo` the seconds are at least as many as show it at the rate that flows (`Traffic.long_enough`).
        `until` comes with a deadline of its own; that it did not come true in time is noted, and left to the checks.
        Returns at once after a fault that missed: there is nothing to wait for.
        """
        if (duration_s is None) == (until is None):
            raise UsageError("trial.hold: give duration_s or until, and only one")
        if self._missed or not (context := self._live()):
            return
        if until is None:
            lasts_s, words = self._traffic.long_enough(duration_s or 0.0, None if context.dry_run else slo)
            if slo is not None:
                self._say(f"holding, {words}")
            self._wait(context, lasts_s)
            return
        until = self._awaited(until)
        self._say(f"until {until.words}, at most {until.deadline_s:.0f} s")
        if not self._wait(context, until.deadline_s, until.seen):
            context.journal.event("note", text=f"not seen within {until.deadline_s:.0f} s: {until.words}")

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Inject the fault and wait for its landing proof; heal it when the block ends, however it ends.

        After a fault that missed no other one is injected, but in a dry run, where all of them miss.
        """
        context = self._live()
        if not context or (self._missed and not context.dry_run) or not context.of(fault).permits(fault, self.stop):
            yield
            return
        self._faults += 1
        if self._replicas_before is None:
            self._replicas_before = ready_replicas(context.pods())
        context = replace(context.of(fault), fault=f"{fault.name}-{self._faults}")
        self._say(f"fault: {fault.words}{f'; if this run dies, {fault.if_run_dies}' if fault.if_run_dies else ''}")
        with self._in_phase(context, "fault"):
            context.journal.event(
                "fault-begin",
                fault=context.fault,
                name=fault.name,
                words=fault.words,
                victims=[asdict(ref) for ref in fault.victims],
                parameters={**fault.parameters, "landing_deadline_s": fault.landing_deadline_s},
            )
            with victims_held(self.canary, context, fault), self._active.injected(fault, context) as injection:
                self._await_landing(context, injection)
                yield

    def read_data(self, *files: str) -> None:
        """Read in every ready replica what must survive, for `DataSurvived`: files, and an answer made from them.

        `files` are paths in the container, by default those that fill the system's claims. Raises `UsageError` without.
        """
        if not (context := self._live()):
            return
        data = context.data.of(files)
        context.claim()
        if context.stopped(self.stop):
            return
        self._say(f"reading {', '.join(data.files)} in every ready replica")
        read_data(context.cluster, context.executor, context.journal, context.recorder, data)

    def recovery(self, *, settle_s: float = SETTLE_S) -> None:
        """Wait until the system has all its replicas and their endpoints back, and no release is under way.

        At most as long as its own spec permits. Then traffic flows for at least `settle_s`, and until each replica that
        came back has answered. Where one is lost again meanwhile, that does not count: it may crash again and again.
        """
        if not (context := self._live()):
            return
        self._say("recovery")
        with self._in_phase(context, "recovery"):
            bound_s = max(one.recovery_bound_s() for one in context.all)
            deadline = time.monotonic() + bound_s
            while self._wait(context, deadline - time.monotonic(), lambda: are_whole(context)):
                self._wait(context, context.endpoint_bound_s(), lambda: has_all_endpoints(context))
                self._await_answers(context, settle_s)
                if self._stopped or are_whole(context):
                    self._replicas_before = None
                    return
            if not self._stopped:
                self.note(f"not all replicas ready and of the wanted template {bound_s:.0f} s after recovery began")

    def note(self, text: str) -> None:
        """Write a remark into the record, for whoever reads it."""
        if context := self._live():
            context.journal.event("note", text=text)

    def judge(self, *checks: Check, needs_fault: bool = True) -> None:
        """Close the record and judge it. Raises `NotProven` unless every check passes.

        Four checks are always made beside its own: a steady baseline, faults that landed on traffic (a trial that
        only measures has `needs_fault=False`), an end of the trial, and all replicas there at the end.
        """
        self._close()
        self._judge((*checks, *self._always(needs_fault=needs_fault)))
        if self.judgement is not None and self.judgement.verdict.answer is not Answer.PASS:
            raise NotProven(self.judgement.text())

    def abandon(self, reason: str) -> None:
        """Close the record of a trial that never came to `judge`, and judge what is there."""
        if self.judgement is None:
            self.stop(reason)
            self._close()
            self._judge(tuple(self._always()))

    def stop(self, reason: str) -> None:
        """Do nothing more: no fault, no waiting. The verdict cannot be PASS."""
        context, self._stopped = self._live(), True
        if context:
            context.journal.event("trial-stopped", reason=reason)
            self._say(f"stopped: {reason}")

    def _close(self) -> None:
        if (context := self._context) is None:
            return
        self._context = None
        self._say("letting requests end, then judging")
        try:
            self._traffic.finish()
            # A stream ends a little after the command that ends it, and the watch is judged up to there.
            if (left_s := seconds(self._traffic.ended_ns - context.clock.now_ns())) > 0:
                context.recorder.wait_for(lambda: False, left_s)
            if self.canary is not None:
                self.canary.finish()
            stop_recording(context)
        except HarnessBroken as broken:
            context.journal.event("trial-stopped", reason=broken.what)
        context.journal.event("trial-end", wall_step_ns=context.clock.step_ns())

    def _always(self, *, needs_fault: bool = True) -> Iterator[Check]:
        """What is always judged, also of each other workload of the system."""
        yield from (Completed(), self._steady, FaultsLanded(needed=needs_fault), EndState())
        for folder in sorted((self.run / ROLES).glob("*")):
            yield from (InRole(folder.name, SteadyBefore()), InRole(folder.name, EndState()))

    def _judge(self, checks: tuple[Check, ...]) -> None:
        self.judgement = judge_run(self.run, checks)
        self._output.draw(self.judgement)
        if self.judgement.interrupted is not None:
            raise self.judgement.interrupted

    def _say(self, text: str) -> None:
        """Show a line, of which parts may be words of the cluster."""
        self._output.say(redacted_message(text))

    def _live(self) -> TrialContext | None:
        return None if self._stopped else self._context

    def _wait(self, context: TrialContext, duration_s: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let time pass until `until` is true, but notice a harness that broke. Say whether it came true."""
        deadline = time.monotonic() + duration_s
        while (left_s := deadline - time.monotonic()) > 0:
            if context.stopped(self.stop):
                return False
            self._traffic.check()
            context.check_roles()
            if context.recorder.wait_for(until, min(left_s, LOOK_S)):
                return True
        return False

    def _await_answers(self, context: TrialContext, settle_s: float) -> None:
        now = ready_replicas(context.pods())
        before = now if self._replicas_before is None else self._replicas_before
        answers = AwaitedAnswers(self.run / "requests.jsonl", before, now, context.clock)
        began = time.monotonic()
        self._wait(context, settle_s)
        left_s = (bound_s := answers.bound_s(context.timings)) - (time.monotonic() - began)
        if self._stopped or not self._traffic.flows or left_s <= 0 or self._wait(context, left_s, answers.complete):
            return
        if names := ", ".join(sorted(answers.missing)):
            self.note(f"no answer from {names} within {bound_s:.0f} s after recovery")

    def _await_landing(self, context: TrialContext, injection: Injection) -> None:
        """Journal either the landing or why there was none."""
        known = self._wait(context, injection.landing_deadline_s, lambda: injection.missed or injection.landed())
        if known and not injection.missed:
            proof = injection.landed()
            context.journal.event("fault-landed", fault=context.fault, proof=proof)
            self._say(f"landed: {proof}")
            return
        late = f"no proof of landing within {injection.landing_deadline_s:g} s"
        reason = injection.missed or ("the trial was stopped before its landing was proved" if self._stopped else late)
        self._missed = True
        context.journal.event("fault-missed", fault=context.fault, reason=reason)
        self._say(f"missed: {reason}")

    def _awaited(self, until: Until | Awaited) -> Until:
        """What is awaited, of a fault that is active. Raises `UsageError` if it is not."""
        if isinstance(until, Until):
            return until
        if (injection := self._active.injection_of(until.fault)) is None:
            raise UsageError(
                f"trial.hold: {until.fault.name} is not active, so its {until.name} never comes",
                "hold inside `with trial.fault(fault):`, of the same object",
            )
        awaited: Until = getattr(injection, until.name)
        return awaited

    @contextmanager
    def _in_phase(self, context: TrialContext, phase: str) -> Iterator[None]:
        """Journal a phase; a fault inside a fault stays in the phase that is open."""
        if self._phase:
            yield
            return
        self._phase = phase
        context.journal.event("phase-begin", phase=phase)
        try:
            yield
        finally:
            self._phase = ""
            context.journal.event("phase-end", phase=phase)
