"""A release that cannot work: an image that does not exist, or a readiness probe that never passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.errors import UsageError
from chaos.faults.base import Field, Until
from chaos.faults.support.background_task import Work
from chaos.faults.support.template_patch import Template
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
class BadRollout:
    """Give the Deployment a template whose pods never become Ready; healing rolls it back.

    `kind`: `image` names a tag that does not exist in the first container's own repository; `probe` gives that
    container a readiness probe on a path that does not exist, so its pods run and are never Ready. It has landed when
    a pod of the new template is seen to be bad. `ended` is when the Deployment says that it makes no progress, within
    its own progress deadline: the result is then `blocked`, which is what Kubernetes promises. `shown` is when such a
    pod is to be seen (again). Healing puts the former template back, and compares.
    """

    workload: Ref
    kind: Literal["image", "probe"]
    deadline_s: float = 120.0
    _work: Work = field(default_factory=Work, init=False, repr=False, compare=False)
    _template: Template = field(init=False, repr=False, compare=False)
    _fields: list[Field] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in ("image", "probe"):
            raise UsageError(f"BadRollout.kind: {self.kind!r} is not one of image, probe")
        if self.deadline_s <= 0:
            raise UsageError(f"BadRollout.deadline_s: {self.deadline_s} is not a positive number of seconds")
        object.__setattr__(self, "_template", Template(self.workload))

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "bad-rollout"

    @property
    def words(self) -> str:
        """What it does to whom."""
        bad = "an image that does not exist" if self.kind == "image" else "a readiness probe that never passes"
        return f"roll Deployment {self.workload.name} out with {bad}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The Deployment."""
        return (self.workload,)

    @property
    def landing_deadline_s(self) -> float:
        """The start of a pod, and the refusal of a pull."""
        return LANDING_S

    @property
    def ended(self) -> Until:
        """The rollout halted, or ended otherwise."""
        return Until(f"the rollout of {self.workload.name} halts", lambda: self._work.ended, self.deadline_s + STOP_S)

    @property
    def shown(self) -> Until:
        """A pod of the new template is seen to be bad."""
        return Until(
            "a pod of the new template is seen to be bad",
            lambda: any(self.landed(field) for field in self._fields),
            LANDING_S,
        )

    def inject(self, field: Field) -> str:
        """Change the template. Return why that could not be done."""
        self._fields.append(field)
        edit = _without_image if self.kind == "image" else _never_ready
        if reason := self._template.make(field, edit, action="roll-out"):
            return reason
        self._work.start(field, lambda: self._template.followed(field, self._work, self.deadline_s, "blocked"))
        return ""

    def landed(self, field: Field) -> str:
        """Prove it: a pod of the new template cannot have its image, or runs and is not Ready."""
        bad = self._reason if self.kind == "image" else self._unready
        pods = (pod for pod in self._template.pods(field) if not pod.deleting)
        return next((words for pod in pods if (words := bad(pod))), "")

    def heal(self, field: Field) -> str:
        """Put the former template back. Return what could not be undone."""
        ended = self._work.stop(STOP_S)
        left = self._template.undo(field)
        return left if ended else f"watching the rollout did not stop within {STOP_S:g} s; {left}".rstrip("; ")

    @staticmethod
    def _reason(pod: PodView) -> str:
        reason = next((one.waiting for one in pod.containers if one.waiting in NO_IMAGE), "")
        return f"pod {pod.name} of the new template waits: {reason}" if reason else ""

    @staticmethod
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
