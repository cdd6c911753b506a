"""Rollouts of a Deployment: anew, as every release does, or with a template whose pods never become Ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import Awaited, DeploymentFault, Injection, Until
from chaos.faults.context import FaultContext
from chaos.faults.support.background_task import Result, Work
from chaos.faults.support.object_patch import Edit, Template
from chaos.history.writing.redaction import redacted_words
from chaos.objects.base import Raw, Ref
from chaos.objects.kinds import DeploymentView
from chaos.objects.pod import PodView
from chaos.semantics.rollout import Strategy, rollout_bound

__all__ = ["BadRollout", "RollingUpdate"]

NEW_POD_S = 20.0
"""The API's own time and the controller's: a new ReplicaSet and its first pod."""

LEAST_S = 120.0
"""A release has at least so long: nothing promises how soon e.g. an image is pulled."""

BAD_POD_S = 60.0
"""A pod must be made, scheduled and started before it can be seen to be bad; a pull may take its time to be refused."""

STOP_S = 5.0

ANNOTATION = "gameday.dev/rolled-out-by"
NO_SUCH_TAG = "gameday-no-such-image"
NO_SUCH_PATH = "/gameday-never-ready"

NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")


class _Rollout(Injection):
    """A change of the template, and its rollout followed in the background; `stuck` is what no progress is called."""

    def __init__(self, fault: RollingUpdate | BadRollout, context: FaultContext, edit: Edit, stuck: Result) -> None:
        super().__init__(fault, context)
        self._workload = fault.workload.name
        self._deadline_s = fault.deadline_s or _patience_s(context, fault.workload)
        self._work = Work("watching the rollout")
        self._template = Template(context, fault.workload)
        self.missed = self._template.make(edit)
        if not self.missed:
            self._work.start(context, lambda: self._template.follow(self._work, self._deadline_s, stuck))

    @property
    def ended(self) -> Until:
        """See the fault's."""
        words = f"the rollout of {self._workload} ends"
        return Until(words, lambda: self._work.ended, self._deadline_s + STOP_S)

    @override
    def stop(self) -> str:
        return self._work.stop(STOP_S)


@dataclass(frozen=True, slots=True)
class RollingUpdate(DeploymentFault):
    """Change the pod template, so that the Deployment replaces every pod by its own strategy.

    An annotation is changed, and with `env` environment variables of the first container. It has landed when the
    first pod of the new template is there, or may not be made (a quota, a webhook). `ended` is when the rollout is
    complete, makes no progress within its own progress deadline, or `deadline_s` is over, by default as long as its
    strategy and the pods' own spec permit. Healing puts environment variables back, which rolls the pods once more; an
    annotation alone stays, except on an adopted system.
    """

    name: ClassVar[str] = "rolling-update"

    env: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        _require_positive(self)

    @property
    @override
    def words(self) -> str:
        given = redacted_words(f"{name}={value}" for name, value in self.env.items())
        changed = f" with {', '.join(given)}" if given else ""
        return f"roll Deployment {self.workload.name} out anew{changed}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        return NEW_POD_S

    @property
    def ended(self) -> Awaited:
        """The rollout ended, however it did."""
        return Awaited(self, "ended")

    @override
    def pods_at_risk(self, workload: Raw, desired: int, down: int) -> int:
        """As the strategy has it; all where no readiness probe holds a rollout of bad pods up."""
        containers = DeploymentView(workload).pod_spec.get("containers") or ()
        probed = any("readinessProbe" in one for one in containers)
        return _may_be_missing(workload, desired, down) if probed else max(0, desired - down)

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change the template, and follow the rollout."""
        return _Update(self, context)


class _Update(_Rollout):
    def __init__(self, fault: RollingUpdate, context: FaultContext) -> None:
        self._env = fault.env
        super().__init__(fault, context, self._edited, "failed")

    @override
    def landed(self) -> str:
        """There is a pod of the new template, or none may be made."""
        pods = self._template.pods()
        return f"pod {pods[0].name} is made from the new template" if pods else self._template.refused()

    @override
    def stop(self) -> str:
        if not (self._env or self.context.adopted):
            for entry in self.context.entries:
                self.context.discard(entry)
        return super().stop()

    def _edited(self, template: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata, spec = template.get("metadata") or {}, template["spec"]
        annotations = dict(metadata.get("annotations") or {})
        # Another value than a former trial left there, or nothing would roll.
        annotations[ANNOTATION] = f"{self.context.fault} over generation {self._template.change.generation}"
        first, *others = spec["containers"]
        kept = [one for one in first.get("env") or () if one["name"] not in self._env]
        env = [*kept, *({"name": name, "value": value} for name, value in self._env.items())]
        first = {**first, "env": env} if env else first
        return {
            **template,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {**spec, "containers": [first, *others]},
        }


@dataclass(frozen=True, slots=True)
class BadRollout(DeploymentFault):
    """Give the Deployment a template whose pods never become Ready; healing rolls it back.

    `kind`: `image` names a tag that does not exist in the first container's own repository; `probe` gives that
    container a readiness probe on a path that does not exist, so its pods run and are never Ready. It has landed when
    a pod of the new template is seen to be bad. `ended` is when the Deployment reports that it makes no progress,
    within its own progress deadline: the result is then `blocked`, as Kubernetes documents it. `shown` is when such a
    pod is to be seen (again). Healing puts the former template back, and compares.
    """

    name: ClassVar[str] = "bad-rollout"

    kind: Literal["image", "probe"]
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.kind not in ("image", "probe"):
            raise UsageError(f"BadRollout.kind: {self.kind!r} is not one of image, probe")
        _require_positive(self)

    @property
    @override
    def words(self) -> str:
        bad = "an image that does not exist" if self.kind == "image" else "a readiness probe that never passes"
        return f"roll Deployment {self.workload.name} out with {bad}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The start of a pod, and the refusal of a pull."""
        return BAD_POD_S

    @property
    def ended(self) -> Awaited:
        """The rollout halted, or ended otherwise."""
        return Awaited(self, "ended")

    @property
    def shown(self) -> Awaited:
        """A pod of the new template is seen to be bad."""
        return Awaited(self, "shown")

    @override
    def pods_at_risk(self, workload: Raw, desired: int, down: int) -> int:
        """As the strategy has it: no bad pod ever becomes Ready, so no more of the former ones go."""
        return _may_be_missing(workload, desired, down)

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change the template, and follow the rollout."""
        return _BadRollout(self, context)


class _BadRollout(_Rollout):
    def __init__(self, fault: BadRollout, context: FaultContext) -> None:
        edit, self._bad = (_without_image, _refused) if fault.kind == "image" else (_never_ready, _unready)
        super().__init__(fault, context, edit, "blocked")

    @property
    def shown(self) -> Until:
        """See `BadRollout.shown`."""
        return Until("a pod of the new template is seen to be bad", self.landed, BAD_POD_S)

    @override
    def landed(self) -> str:
        """A pod of the new template cannot have its image, or runs and is not Ready."""
        pods = (pod for pod in self._template.pods() if not pod.deleting)
        return next((words for pod in pods if (words := self._bad(pod))), "")


def _may_be_missing(workload: Raw, desired: int, down: int) -> int:
    """What a Deployment's strategy lets a rollout have unavailable, those that are down already among them."""
    return max(0, Strategy.of(DeploymentView(workload).spec).unavailable(desired) - down)


def _patience_s(context: FaultContext, workload: Ref) -> float:
    """How long a release may take as its strategy and the pods' own spec permit, each round after old pods are gone."""
    found = (view for view in map(DeploymentView, context.recorder.objects("Deployment")) if view.uid == workload.uid)
    if (view := next(found, None)) is None:
        return LEAST_S
    waits = "no node may have room before old pods are gone"
    bound = rollout_bound(view.pod_spec, Strategy.of(view.spec), view.replicas, context.timings, waits=waits)
    return max(LEAST_S, bound.total_s)


def _require_positive(fault: RollingUpdate | BadRollout) -> None:
    if fault.deadline_s is not None and fault.deadline_s <= 0:
        name = type(fault).__name__
        raise UsageError(f"{name}.deadline_s: {fault.deadline_s} is not a positive number of seconds")


def _refused(pod: PodView) -> str:
    reason = next((one.waiting for one in pod.containers if one.waiting in NO_IMAGE), "")
    return f"pod {pod.name} of the new template waits: {reason}" if reason else ""


def _unready(pod: PodView) -> str:
    started = pod.running and all(one.raw.get("started") for one in pod.containers)
    return f"pod {pod.name} of the new template runs and is not Ready" if started and not pod.ready else ""


def _without_image(template: Mapping[str, Any]) -> Mapping[str, Any]:
    image = template["spec"]["containers"][0]["image"]
    repository = image.partition("@")[0]
    # A colon before the last slash belongs to the registry's port.
    head, slash, last = repository.rpartition("/")
    return _first_container(template, image=f"{head}{slash}{last.partition(':')[0]}:{NO_SUCH_TAG}")


def _never_ready(template: Mapping[str, Any]) -> Mapping[str, Any]:
    container = template["spec"]["containers"][0]
    ports = [port["containerPort"] for port in container.get("ports") or ()] or [80]
    former = container.get("readinessProbe") or {}
    probe = {key: value for key, value in former.items() if key not in ("exec", "tcpSocket", "grpc", "httpGet")}
    return _first_container(template, readinessProbe={**probe, "httpGet": {"path": NO_SUCH_PATH, "port": ports[0]}})


def _first_container(template: Mapping[str, Any], **fields: Any) -> Mapping[str, Any]:
    first, *others = template["spec"]["containers"]
    return {**template, "spec": {**template["spec"], "containers": [{**first, **fields}, *others]}}
