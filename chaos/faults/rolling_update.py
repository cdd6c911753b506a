"""Roll a Deployment out anew, as every release does: `kubectl rollout restart`, or another environment variable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import Awaited, Fault, Injection, Until
from chaos.faults.context import FaultContext
from chaos.faults.permissions import Right, rights
from chaos.faults.support.background_task import Work
from chaos.faults.support.object_patch import Template
from chaos.objects.base import Ref

__all__ = ["RollingUpdate"]

LANDING_S = 20.0
"""The API's own time and the controller's: a new ReplicaSet and its first pod."""

STOP_S = 5.0

ANNOTATION = "gameday.dev/rolled-out-by"


@dataclass(frozen=True, slots=True)
class RollingUpdate(Fault):
    """Change the pod template, so that the Deployment replaces every pod by its own strategy.

    An annotation is changed, and with `env` environment variables of the first container. It has landed when the
    first pod of the new template is there; `ended` is when the rollout is complete, makes no progress within its own
    progress deadline, or `deadline_s` is over. Healing puts environment variables back, which rolls the pods once
    more; an annotation alone stays, except on an adopted system.
    """

    name: ClassVar[str] = "rolling-update"
    permissions: ClassVar[tuple[Right, ...]] = rights("get patch", "Deployment")
    workload_kind: ClassVar[str] = "Deployment"

    workload: Ref
    env: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise UsageError(f"RollingUpdate.deadline_s: {self.deadline_s} is not a positive number of seconds")

    @property
    @override
    def words(self) -> str:
        changed = f" with {', '.join(f'{name}={value}' for name, value in self.env.items())}" if self.env else ""
        return f"roll Deployment {self.workload.name} out anew{changed}"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        """The Deployment, whose pods are all replaced."""
        return (self.workload,)

    @property
    @override
    def landing_deadline_s(self) -> float:
        return LANDING_S

    @property
    def ended(self) -> Awaited:
        """The rollout ended, however it did."""
        return Awaited(self, "ended")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change the template, and follow the rollout."""
        return _Rollout(self, context)


class _Rollout(Injection):
    def __init__(self, fault: RollingUpdate, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._work = Work("watching the rollout")
        self._template = Template(context, fault.workload)
        self.missed = self._template.make(self._edited)
        if not self.missed:
            self._work.start(context, lambda: self._template.follow(self._work, fault.deadline_s, "failed"))

    @property
    def ended(self) -> Until:
        """See `RollingUpdate.ended`."""
        words = f"the rollout of {self._fault.workload.name} ends"
        return Until(words, lambda: self._work.ended, self._fault.deadline_s + STOP_S)

    @override
    def landed(self) -> str:
        """There is a pod of the new template."""
        pods = self._template.pods()
        return f"pod {pods[0].name} is made from the new template" if pods else ""

    @override
    def stop(self) -> str:
        if not (self._fault.env or self.context.adopted):
            for entry in self.context.entries:
                self.context.discard(entry)
        return self._work.stop(STOP_S)

    def _edited(self, template: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata, spec = template.get("metadata") or {}, template["spec"]
        annotations = dict(metadata.get("annotations") or {})
        # Another value than a former trial left there, or nothing would roll.
        annotations[ANNOTATION] = f"{self.context.fault} over generation {self._template.change.generation}"
        first, *others = spec["containers"]
        kept = [one for one in first.get("env") or () if one["name"] not in self._fault.env]
        env = [*kept, *({"name": name, "value": value} for name, value in self._fault.env.items())]
        first = {**first, "env": env} if env else first
        return {
            **template,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {**spec, "containers": [first, *others]},
        }
