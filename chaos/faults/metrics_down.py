"""A metrics path that fails: what shows autoscalers their metrics stands still, as a server that hangs or is slow."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from typing_extensions import override

from chaos.cluster import DRY_RUN, selector_of
from chaos.cluster.watch.custom_sampler import MetricsReader, Question, questions_of
from chaos.errors import ClusterRefused, UsageError
from chaos.faults.base import API_ALLOWANCE_S, Fault, Injection
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import NO_METRICS_PATH, MetricsPath
from chaos.faults.permissions import Right, rights
from chaos.faults.support.background_task import Ending, Work
from chaos.objects.base import Raw, Ref, View
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.safety import UndoEntry
from chaos.safety.undo_rules import METRICS_PROGRAMS

__all__ = ["GROUPS", "MetricsDown"]

RESOURCE, CUSTOM, EXTERNAL = "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "metrics-server": (RESOURCE,),
    "prometheus": (CUSTOM, EXTERNAL),
    "prometheus-adapter": (CUSTOM, EXTERNAL),
    "keda-adapter": (EXTERNAL,),
}
"""The API groups that autoscalers ask, by what shows them their metrics there."""

NOTICED_S = 36.0
"""The API server asks each server of an API at least every 30 s, and waits 5 s for its answer, at most 6 s (the
available controller of kube-aggregator)."""

STALE_S = 60.0
"""A newest value that is so old comes from nobody any more: what scrapes does so several times a minute."""

ANSWER_S = 5.0

RUNS_S = 1.0
"""How long a program that is slowed down goes on each time: enough for Prometheus to scrape what it has missed."""

TURNS = 10
"""In so many turns some question that is asked meets a pause."""


@dataclass(frozen=True, slots=True)
class MetricsDown(Fault):
    """Have `what` stand still: it holds its connections and answers nothing, as a server does that hangs.

    `what` is one of `METRICS_PROGRAMS`. It has landed when the API server says that the API which it serves is not
    available; of Prometheus, behind which an adapter still answers, when a metric of the system's autoscalers that was
    there before comes as an error, not at all or `STALE_S` old, or KEDA says that its trigger fails. Only where the
    infrastructure can: a metrics path serves the whole cluster. Healing lets it go on, and waits until it is served.

    With `pause_s` it is slow: it stands still for so long at a time, and goes on for `RUNS_S` in between. That has
    landed when an answer that was asked of it while it stood still took at least half of a pause, and came.
    """

    name: ClassVar[str] = "metrics-down"
    permissions: ClassVar[tuple[Right, ...]] = rights("list get", "APIService", everywhere=True)
    hits_none: ClassVar[bool] = True
    if_run_dies: ClassVar[str] = "it stands still until the lab's next command"

    what: str = METRICS_PROGRAMS[0]
    pause_s: float | None = None

    def __post_init__(self) -> None:
        if self.pause_s is not None and not 0 < self.pause_s < ANSWER_S:
            raise UsageError(
                f"MetricsDown: pause_s must be over 0 and under {ANSWER_S:g}, not {self.pause_s:g}",
                "the API server takes what is silent for longer for gone: leave pause_s out",
            )
        if self.what not in METRICS_PROGRAMS:
            known = ", ".join(METRICS_PROGRAMS)
            raise UsageError(f"MetricsDown: {self.what!r} shows no autoscaler its metrics", f"name one of {known}")

    @property
    @override
    def words(self) -> str:
        return f"{'stop' if self.pause_s is None else 'slow down'} {self.what}, by which autoscalers see"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        """Nothing of the system: what stands still is beside it."""
        return ()

    @property
    @override
    def landing_deadline_s(self) -> float:
        if self.pause_s is not None:
            return TURNS * (self.pause_s + RUNS_S) + 2 * API_ALLOWANCE_S
        return (STALE_S if self.what == "prometheus" else NOTICED_S) + 2 * API_ALLOWANCE_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Stop it, unless it serves nothing even now: then nothing could be told apart."""
        path = context.infrastructure.metrics
        if missed := NO_METRICS_PATH if path is None else path.objection(self.what):
            return Injection(self, context, missed=missed)
        return _Blindness(self, context, path) if path else Injection(self, context, missed=NO_METRICS_PATH)


class _Blindness(Injection):
    def __init__(self, fault: MetricsDown, context: FaultContext, path: MetricsPath) -> None:
        super().__init__(fault, context)
        self._what, self._path, self._pause_s = fault.what, path, fault.pause_s
        self._reader = MetricsReader(lambda at: context.cluster.transport.call("GET", at, timeout_s=ANSWER_S))
        self._seen: tuple[Question, ...] = ()
        self._service = View({})
        self._late = ""
        self._work = Work(f"the pausing of {fault.what}")
        self.missed = self._stop()
        if fault.pause_s is not None and not self.missed:
            self._work.start(context, self._in_turns)

    @override
    def landed(self) -> str:
        """The metrics API's own answer, once the program stands still; of one that is slow, when an answer is late."""
        if self._pause_s is not None:
            self._late = self._late or self._late_answer(self._pause_s)
            return self._late
        if not self._path.stands_still(self._what):
            return ""
        if self._what == "prometheus":
            told = next((words for one in self._seen if (words := self._dark(one))), "") or self._failing_trigger()
            return f"prometheus stands still: {told}" if told else ""
        found = self.context.cluster.get("APIService", None, self._service.name)
        lost = unavailable(found or {})
        return f"{self._what} stands still: {self._service.name} is not available, {lost}" if lost else ""

    @override
    def stop(self) -> str:
        """End the pauses; the last one may be under way."""
        return self._work.stop((self._pause_s or 0.0) + API_ALLOWANCE_S)

    def _in_turns(self) -> Ending:
        """Let it go on and stop again, until the heal; the heal lets it go on for good."""
        turns, pause_s = 1, self._pause_s or 0.0
        while not self._work.stopping:
            self._work.pause(pause_s)
            if reason := self._path.go_on(self._what):
                return Ending("failed", f"{self._what} did not go on: {reason}")
            self._work.pause(RUNS_S)
            if self._work.stopping:
                break
            if reason := self._path.stop(self._what):
                return Ending("failed", f"{self._what} did not stop again: {reason}")
            turns += 1
        return Ending("stopped", f"{self._what} stood still {turns} times for {pause_s:g} s")

    def _late_answer(self, pause_s: float) -> str:
        """An answer that came, and took at least half of a pause; empty if the one that was asked for did not.

        It is asked for while the program stands still: on a busy machine other answers may be late, too.
        """
        if not self._path.stands_still(self._what):
            return ""
        began_s, seen = time.monotonic(), next(iter(self._seen), None)
        if seen is not None:
            name, error = seen.metric.name, self._reader.said(seen).get("error", "")
        else:
            spec = self._service.spec
            name = f"/apis/{spec['group']}/{spec['version']}"
            error = self._unanswered(name)
        took_s = time.monotonic() - began_s
        late = not error and took_s >= pause_s / 2
        return f"{name} came after {took_s:.1f} s, {self._what} being slow" if late else ""

    def _unanswered(self, path: str) -> str:
        """Why no answer came to what the API server passes on to the program; empty if one did."""
        try:
            answer = self.context.cluster.transport.call("GET", path, timeout_s=ANSWER_S)
        except ClusterRefused as refused:
            return refused.what
        return "" if answer.ok else answer.words()

    def _stop(self) -> str:
        """Stop the program. Return an empty string, or why that was not done."""
        context, what, groups = self.context, self._what, GROUPS[self._what]
        services = [one for one in map(View, context.cluster.list("APIService")) if one.spec.get("group") in groups]
        if not services:
            return f"no API server of {' or '.join(groups)} is registered, so {what} shows nobody anything"
        # What serves two groups serves both or none; of an API in two versions either tells.
        self._service = next((one for one in services if not unavailable(one.raw)), services[0])
        if lost := unavailable(self._service.raw):
            return f"{self._service.name} was not available even before, {lost}"
        if what == "prometheus":
            asked = questions_of(context.recorder.objects("HorizontalPodAutoscaler"), selector_of(context.selector))
            self._seen = tuple(one for one in asked if not self._dark(one))
            if not self._seen:
                return "no autoscaler of the system was shown a metric that could come from prometheus"
        target = Ref("APIService", "", self._service.name, self._service.uid)
        turns = {} if self._pause_s is None else {"pause_s": f"{self._pause_s:g}"}
        entry = UndoEntry("continue-metrics", target, "gameday lab up", {"program": what})
        if reason := context.record(entry):
            return f"{what}: {reason}"
        reason = context.act("stop-metrics", target, lambda: self._path.stop(what), program=what, **turns)
        if reason == DRY_RUN:
            context.discard(entry)
        return reason

    def _dark(self, question: Question) -> str:
        """How a metric is not there, in words; empty while it comes."""
        said, name = self._reader.said(question), question.metric.name
        if "error" in said:
            return f"{name} comes as an error: {said['error']}"
        if not said["values"]:
            return f"{name} has no value"
        age_s = min(_age_s(one) for one in said["values"])
        return f"the newest value of {name} is {age_s:.0f} s old" if age_s > STALE_S else ""

    def _failing_trigger(self) -> str:
        """What KEDA says of a trigger that fails, for which it may show its fallback meanwhile."""
        for scaled in _known(self.context, SCALED_OBJECT):
            health = View(scaled).status.get("health") or {}
            for name, one in sorted(health.items()):
                if one.get("status") == "Failing":
                    return f"KEDA counts {one.get('numberOfFailures')} failures of trigger {name}"
        return ""


def unavailable(service: Raw) -> str:
    """Why the API server does not reach what serves an API, in its own words; empty while it does."""
    condition = View(service).condition("Available")
    if condition.get("status") == "True":
        return ""
    return f"as the API server says: {condition.get('reason', 'no word')}: {condition.get('message', '')}"


def _age_s(value: Mapping[str, Any]) -> float:
    """How old a value is by its own timestamp, on this host's clock; 0 for one that has none."""
    try:
        then_s = datetime.fromisoformat(str(value["timestamp"])).astimezone(UTC).timestamp()
    except ValueError:
        return 0.0
    return time.time() - then_s


def _known(context: FaultContext, kind: str) -> tuple[Raw, ...]:
    """The objects of a kind; none where it is not watched."""
    try:
        return context.recorder.objects(kind)
    except KeyError:
        return ()
