"""What the faults that change a Deployment's template share: the change, and watching what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from chaos.faults.base import Field
from chaos.faults.support.background_task import Ending, Result, Work
from chaos.faults.support.cluster_view import unscheduled
from chaos.faults.support.object_patch import Change
from chaos.objects.base import Ref
from chaos.objects.kinds import DeploymentView
from chaos.objects.pod import PodView

__all__ = ["HASH", "Template"]

HASH = "pod-template-hash"

LOOK_S = 1.0
"""How often a wait for the watch looks whether it is to end."""

Edit = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Template:
    """The pod template of one Deployment, and the rollout that a change of it begins."""

    def __init__(self, workload: Ref) -> None:
        by_hand = f"kubectl rollout undo deployment/{workload.name} -n {workload.namespace}"
        self.change = Change(workload, "/spec/template", by_hand)
        self._workload = workload
        self._old: frozenset[str] = frozenset()

    def make(self, field: Field, edit: Edit, *, action: str) -> str:
        """Change the template. Return an empty string, or why that could not be done."""
        if reason := self.change.read(field):
            return reason
        self._old = frozenset(_hash(pod) for pod in map(PodView, field.recorder.objects("Pod")))
        return self.change.make(field, edit(self.change.before), action=action)

    def undo(self, field: Field) -> str:
        """Put the former template back, and compare. Return what could not be undone."""
        return self.change.undo(field, action="restore-template")

    def pods(self, field: Field) -> tuple[PodView, ...]:
        """The pods that were made from the changed template."""
        return tuple(
            pod
            for pod in map(PodView, field.recorder.objects("Pod"))
            if pod.controller_kind == "ReplicaSet" and _hash(pod) not in self._old
        )

    def followed(self, field: Field, work: Work, deadline_s: float, stuck: Result) -> Ending:
        """Wait until the rollout is complete, makes no progress (`stuck` is that ending's name), or time is up."""
        began = time.monotonic()
        while (left_s := began + deadline_s - time.monotonic()) > 0 and not work.stopping:
            if field.recorder.wait_for(lambda: self._settled(field), min(LOOK_S, left_s)):
                break
        view = self._view(field)
        seconds = time.monotonic() - began
        if view is None:
            return Ending("failed", f"Deployment {self._workload.name} is gone")
        counted = f"{view.updated_replicas} of {view.replicas} replicas updated, {view.available_replicas} available"
        pending = unscheduled(field.recorder.objects("Pod"))
        words = "; ".join([f"{counted} after {seconds:.1f} s", *pending])
        detail = {"seconds": round(seconds, 3), "updated": view.updated_replicas, "pending": list(pending)}
        if self._seen(view) and view.rolled_out:
            return Ending("finished", words, detail)
        if self._seen(view) and view.stuck:
            return Ending(stuck, f"halted, {view.stuck}: {words}", detail)
        return Ending("stopped" if work.stopping else "failed", f"not complete: {words}", detail)

    def _settled(self, field: Field) -> bool:
        view = self._view(field)
        return view is None or (self._seen(view) and (view.rolled_out or bool(view.stuck)))

    def _seen(self, view: DeploymentView) -> bool:
        """Whether the state is of our change, and its controller has taken it up."""
        return view.generation >= self.change.generation and view.observed_generation >= self.change.generation

    def _view(self, field: Field) -> DeploymentView | None:
        views = map(DeploymentView, field.recorder.objects("Deployment"))
        return next((view for view in views if view.uid == self._workload.uid), None)


def _hash(pod: PodView) -> str:
    return str(pod.labels.get(HASH, ""))
