"""Change a part of one object while a fault is active, and follow the rollout that a change of a template begins."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from chaos.cluster import Done, DryRunExecutor, Mutation, mutations, unrecorded_executor
from chaos.faults.context import FaultContext
from chaos.faults.support.background_task import Ending, Result, Work
from chaos.faults.support.cluster_view import unscheduled
from chaos.faults.undo.restore_object import TEMPLATE, dry_run, part_of
from chaos.objects.base import Ref, View
from chaos.objects.kinds import TEMPLATE_HASH, DeploymentView
from chaos.objects.pod import PodView
from chaos.objects.pod_template import template_digest
from chaos.safety import UndoEntry

__all__ = ["Change", "Edit", "Template"]

Edit = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Change:
    """One change of the value at `path` (a JSON pointer) in an object.

    The patch tests that the part is still what was read before it replaces it, so nobody else's change is lost.

    Attributes:
        before: The part as it was read.
        generation: The object's generation that was read or made last.
    """

    def __init__(self, context: FaultContext, ref: Ref, path: str, manual: str) -> None:
        self.before: Any = None
        self.generation = 0
        self._context = context
        self._ref = ref
        self._path = path
        self._manual = manual

    def read(self) -> str:
        """Read the part as it is. Return an empty string, or why it cannot be read."""
        ref = self._ref
        found = self._context.cluster.get(ref.kind, ref.namespace, ref.name) if ref.name else None
        if found is None or found["metadata"]["uid"] != ref.uid:
            return f"the {ref.kind} {ref.name or 'of the system'} is not there"
        self.before = part_of(found, self._path)
        self.generation = int(found["metadata"].get("generation", 0))
        return ""

    def make(self, wanted: Any, *, action: str, undo_action: str) -> str:
        """Replace the part; `undo_action` names the heal in the journal. Return why that could not be done."""
        context, ref = self._context, self._ref
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": self._path, "value": self.before},
            {"op": "replace", "path": self._path, "value": wanted},
        ]
        order = mutations.patch(ref, operations, mutations.JSON, action=action, fault=context.fault)
        detail = {"path": self._path, "before": self.before, "wanted": wanted, "action": undo_action}
        if self._path == TEMPLATE:
            # Whole it would bring the secrets of an environment into another namespace.
            detail |= {"before": template_digest(self.before), "wanted": template_digest(self._expected(order, wanted))}
        entry = UndoEntry("restore-part", ref, self._manual, detail, whole=self.before)
        if reason := context.record(entry):
            return f"{action} {ref.name}: {reason}"
        done = context.executor.do(order)
        made = self.before if done.outcome == "fail" else self._made(done)
        if made != self.before:
            context.learn(entry, made=made)
            return ""
        # After an answer that never came it may be changed yet: the heal looks again.
        if done.outcome != "info":
            context.discard(entry)
        return "" if done.outcome == "ok" else f"{action} {ref.name}: {done.reason}"

    def _expected(self, order: Mutation, wanted: Any) -> Any:
        """What the server would make of the part, with defaults filled in; where it does not say, what is wanted."""
        if isinstance(self._context.executor, DryRunExecutor):
            return wanted
        # It is no action of the fault's, and so not in its record.
        asked = unrecorded_executor(self._context.cluster).do(dry_run(order))
        return part_of(asked.body, self._path) if asked.outcome == "ok" and isinstance(asked.body, Mapping) else wanted

    def _made(self, done: Done) -> Any:
        """The part after a patch: as the server answered, or by a fresh read where it did not."""
        found: Any = done.body if done.outcome == "ok" else None
        if not isinstance(found, Mapping):
            found = self._context.cluster.get(self._ref.kind, self._ref.namespace, self._ref.name) or {}
        self.generation = int((found.get("metadata") or {}).get("generation", 0))
        return part_of(found, self._path)


class Template:
    """The pod template of one Deployment, and the rollout that a change of it begins."""

    def __init__(self, context: FaultContext, workload: Ref) -> None:
        manual = f"kubectl rollout undo deployment/{workload.name} -n {workload.namespace}"
        self.change = Change(context, workload, TEMPLATE, manual)
        self._context = context
        self._workload = workload
        self._old: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()

    def make(self, edit: Edit) -> str:
        """Change the template. Return an empty string, or why that could not be done."""
        if reason := self.change.read():
            return reason
        recorder = self._context.recorder
        self._old = frozenset(_hash(pod) for pod in map(PodView, recorder.objects("Pod")))
        self._known = frozenset(one.uid for one in map(View, recorder.objects("ReplicaSet")))
        return self.change.make(edit(self.change.before), action="roll-out", undo_action="restore-template")

    def pods(self) -> tuple[PodView, ...]:
        """The pods that were made from the changed template."""
        return tuple(
            pod
            for pod in map(PodView, self._context.recorder.objects("Pod"))
            if pod.controller_kind == "ReplicaSet" and _hash(pod) not in self._old
        )

    def refused(self) -> str:
        """The ReplicaSet of the changed template that may make no pod, and the API server's reason; empty if none."""
        for replica_set in map(View, self._context.recorder.objects("ReplicaSet")):
            failure = replica_set.condition("ReplicaFailure")
            ours = replica_set.controller_uid == self._workload.uid and replica_set.uid not in self._known
            if ours and failure.get("status") == "True":
                return f"ReplicaSet {replica_set.name} of the new template: {failure.get('message', '')}"
        return ""

    def follow(self, work: Work, deadline_s: float, stuck: Result) -> Ending:
        """Wait until the rollout is complete, makes no progress (`stuck` is that ending's name), or time is up."""
        recorder, began = self._context.recorder, time.monotonic()
        work.wait_for(recorder, self._over, began + deadline_s)
        view = self._view()
        seconds = time.monotonic() - began
        if view is None:
            return Ending("failed", f"Deployment {self._workload.name} is gone")
        counted = f"{view.updated_replicas} of {view.replicas} replicas updated, {view.available_replicas} available"
        pending = unscheduled(recorder.objects("Pod"))
        words = "; ".join([f"{counted} after {seconds:.1f} s", *pending])
        detail = {"seconds": round(seconds, 3), "updated": view.updated_replicas, "pending": list(pending)}
        if self._seen(view) and view.rolled_out:
            return Ending("finished", words, detail)
        if self._seen(view) and view.stuck:
            return Ending(stuck, f"halted, {view.stuck}: {words}", detail)
        return Ending("stopped" if work.stopping else "failed", f"not complete: {words}", detail)

    def _over(self) -> bool:
        view = self._view()
        return view is None or (self._seen(view) and (view.rolled_out or bool(view.stuck)))

    def _seen(self, view: DeploymentView) -> bool:
        """Whether the status is of our change, and its controller has observed it."""
        return view.generation >= self.change.generation and view.observed_generation >= self.change.generation

    def _view(self) -> DeploymentView | None:
        views = map(DeploymentView, self._context.recorder.objects("Deployment"))
        return next((view for view in views if view.uid == self._workload.uid), None)


def _hash(pod: PodView) -> str:
    return str(pod.labels.get(TEMPLATE_HASH, ""))
