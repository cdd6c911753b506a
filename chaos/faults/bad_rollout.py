"""A release that cannot work: an image that does not exist, or a readiness probe that never passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import Awaited, Fault, Injection, Until
from chaos.faults.context import FaultContext
from chaos.faults.permissions import Right, rights
from chaos.faults.support.background_task import Work
from chaos.faults.support.object_patch import Template
from chaos.objects.base import Ref
from chaos.objects.pod import PodView

__all__ = ["BadRollout"]

LANDING_S = 60.0
"""A pod must be made, scheduled and started before it can be seen to be bad; a pull may take its time to be refused."""

STOP_S = 5.0

NO_SUCH_TAG = "gameday-no-such-image"
NO_SUCH_PATH = "/gameday-never-ready"

NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")


@dataclass(frozen=True, slots=True)
class BadRollout(Fault):
    """Give the Deployment a template whose pods never become Ready; healing rolls it back.

    `kind`: `image` names a tag that does not exist in the first container's own repository; `probe` gives that
    container a readiness probe on a path that does not exist, so its pods run and are never Ready. It has landed when
    a pod of the new template is seen to be bad. `ended` is when the Deployment reports that it makes no progress,
    within its own progress deadline: the result is then `blocked`, as Kubernetes documents it. `shown` is when such a
    pod is to be seen (again). Healing puts the former template back, and compares.
    """

    name: ClassVar[str] = "bad-rollout"
    permissions: ClassVar[tuple[Right, ...]] = rights("get patch", "Deployment")
    workload_kind: ClassVar[str] = "Deployment"

    workload: Ref
    kind: Literal["image", "probe"]
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.kind not in ("image", "probe"):
            raise UsageError(f"BadRollout.kind: {self.kind!r} is not one of image, probe")
        if self.deadline_s <= 0:
            raise UsageError(f"BadRollout.deadline_s: {self.deadline_s} is not a positive number of seconds")

    @property
    @override
    def words(self) -> str:
        bad = "an image that does not exist" if self.kind == "image" else "a readiness probe that never passes"
        return f"roll Deployment {self.workload.name} out with {bad}"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return (self.workload,)

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The start of a pod, and the refusal of a pull."""
        return LANDING_S

    @property
    def ended(self) -> Awaited:
        """The rollout halted, or ended otherwise."""
        return Awaited(self, "ended")

    @property
    def shown(self) -> Awaited:
        """A pod of the new template is seen to be bad."""
        return Awaited(self, "shown")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change the template, and follow the rollout."""
        return _BadRollout(self, context)


class _BadRollout(Injection):
    def __init__(self, fault: BadRollout, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._work = Work("watching the rollout")
        self._template = Template(context, fault.workload)
        self.missed = self._template.make(_without_image if fault.kind == "image" else _never_ready)
        if not self.missed:
            self._work.start(context, lambda: self._template.follow(self._work, fault.deadline_s, "blocked"))

    @property
    def ended(self) -> Until:
        """See `BadRollout.ended`."""
        words = f"the rollout of {self._fault.workload.name} halts"
        return Until(words, lambda: self._work.ended, self._fault.deadline_s + STOP_S)

    @property
    def shown(self) -> Until:
        """See `BadRollout.shown`."""
        return Until("a pod of the new template is seen to be bad", self.landed, LANDING_S)

    @override
    def landed(self) -> str:
        """A pod of the new template cannot have its image, or runs and is not Ready."""
        bad = _refused if self._fault.kind == "image" else _unready
        pods = (pod for pod in self._template.pods() if not pod.deleting)
        return next((words for pod in pods if (words := bad(pod))), "")

    @override
    def stop(self) -> str:
        return self._work.stop(STOP_S)


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
