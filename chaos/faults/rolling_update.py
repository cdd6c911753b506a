"""Roll a Deployment out anew, as every release does: `kubectl rollout restart`, or another environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.errors import UsageError
from chaos.faults.base import Field, Until
from chaos.faults.support.background_task import Work
from chaos.faults.support.template_patch import Template
from chaos.objects.base import Ref

__all__ = ["RollingUpdate"]

LANDING_S = 20.0
"""The API's own time and the controller's: a new ReplicaSet and its first pod."""

STOP_S = 5.0

ANNOTATION = "gameday.dev/rolled-out-by"


@dataclass(frozen=True, slots=True)
class RollingUpdate:
    """Change the pod template, so that the Deployment replaces every pod by its own strategy.

    An annotation is changed, and with `env` environment variables of the first container. It has landed when the
    first pod of the new template is there; `ended` is when the rollout is complete, makes no progress within its own
    progress deadline, or `deadline_s` is over. Healing puts environment variables back, which rolls the pods once
    more; an annotation alone stays, except on an adopted system.
    """

    workload: Ref
    env: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float = 120.0
    _work: Work = field(default_factory=Work, init=False, repr=False, compare=False)
    _template: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise UsageError(f"RollingUpdate.deadline_s: {self.deadline_s} is not a positive number of seconds")
        object.__setattr__(self, "_template", Template(self.workload))

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "rolling-update"

    @property
    def words(self) -> str:
        """What it does to whom."""
        changed = f" with {', '.join(f'{name}={value}' for name, value in self.env.items())}" if self.env else ""
        return f"roll Deployment {self.workload.name} out anew{changed}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The Deployment, whose pods are all replaced."""
        return (self.workload,)

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time and the controller's."""
        return LANDING_S

    @property
    def ended(self) -> Until:
        """The rollout ended, however it did."""
        return Until(f"the rollout of {self.workload.name} ends", lambda: self._work.ended, self.deadline_s + STOP_S)

    def inject(self, field: Field) -> str:
        """Change the template. Return why that could not be done."""
        if reason := self._template.make(field, lambda before: self._edited(before, field.fault), action="roll-out"):
            return reason
        self._work.start(field, lambda: self._template.followed(field, self._work, self.deadline_s, "failed"))
        return ""

    def landed(self, field: Field) -> str:
        """Prove it: there is a pod of the new template."""
        pods = self._template.pods(field)
        return f"pod {pods[0].name} is made from the new template" if pods else ""

    def heal(self, field: Field) -> str:
        """Put environment variables back. Return what could not be undone."""
        ended = self._work.stop(STOP_S)
        left = self._template.undo(field) if self.env or field.adopted else ""
        return left if ended else f"watching the rollout did not stop within {STOP_S:g} s; {left}".rstrip("; ")

    def _edited(self, template: Mapping[str, Any], fault: str) -> Mapping[str, Any]:
        metadata, spec = template.get("metadata") or {}, template["spec"]
        annotations = dict(metadata.get("annotations") or {})
        # Another value than a former trial left there, or nothing would roll.
        annotations[ANNOTATION] = f"{fault} over generation {self._template.change.generation}"
        first, *others = spec["containers"]
        kept = [one for one in first.get("env") or () if one["name"] not in self.env]
        env = [*kept, *({"name": name, "value": value} for name, value in self.env.items())]
        first = {**first, "env": env} if env else first
        return {
            **template,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {**spec, "containers": [first, *others]},
        }
