"""Views of a pod and of its containers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chaos.clock import NS
from chaos.objects.base import Raw, Ref, View

__all__ = ["BACK_OFF", "ContainerView", "PodView"]

BACK_OFF = "CrashLoopBackOff"
"""What a container waits for that the kubelet may not yet start anew."""

MIRROR = "kubernetes.io/config.mirror"

RESTARTS = "RestartContainer"
"""The policy of a resource whose change in place restarts its container."""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """The status of one container. Times are the node's clock, whole seconds."""

    raw: Raw

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.raw.get("name") or "")

    @property
    def id(self) -> str:
        """The runtime's id of the container that runs, or ran last; a restart changes it."""
        return str(self.raw.get("containerID") or "")

    @property
    def ready(self) -> bool:
        """Whether it passes its readiness probe."""
        return bool(self.raw.get("ready"))

    @property
    def restarts(self) -> int:
        """How often the kubelet started it anew."""
        return int(self.raw.get("restartCount") or 0)

    @property
    def running_since(self) -> str:
        """When it started to run, empty while it does not run."""
        return str(((self.raw.get("state") or {}).get("running") or {}).get("startedAt") or "")

    @property
    def began_ns(self) -> int | None:
        """When its run began, or its last one if that has ended, in epoch ns by the node's clock; None: not known.

        Of one that never came to run only the end is told (its begin is zero). A container that waits for anything but
        its back-off may have been tried again since.
        """
        ended = self.exit or (self.last_exit if self.waiting == BACK_OFF else {})
        known = (self.running_since, ended.get("startedAt"), ended.get("finishedAt"))
        moments = (round(datetime.fromisoformat(str(text)).timestamp()) for text in known if text)
        return next((at_s * NS for at_s in moments if at_s > 0), None)

    @property
    def waiting(self) -> str:
        """Why it waits (`ContainerCreating`, `CrashLoopBackOff`), empty unless it does."""
        return str(((self.raw.get("state") or {}).get("waiting") or {}).get("reason") or "")

    @property
    def exit(self) -> Raw:
        """How it ended, while it does not run: `exitCode`, `reason`, `finishedAt`; empty if it has not ended."""
        return (self.raw.get("state") or {}).get("terminated") or {}

    @property
    def ended(self) -> bool:
        """Whether a run of it has ended. A kubelet says so of one that was never made, too, as the whole pod ends."""
        how = self.exit or self.last_exit
        return bool(how) and how.get("reason") != "ContainerStatusUnknown"

    @property
    def last_exit(self) -> Raw:
        """How the run before this one ended: `exitCode`, `reason`, `startedAt`, `finishedAt`; empty if none did."""
        return (self.raw.get("lastState") or {}).get("terminated") or {}


@dataclass(frozen=True, slots=True)
class PodView(View):
    """A pod."""

    @property
    def ref(self) -> Ref:
        """This very pod."""
        return Ref("Pod", self.namespace, self.name, self.uid)

    @property
    def node(self) -> str:
        """The node it is bound to, empty while it waits for the scheduler."""
        return str(self.spec.get("nodeName") or "")

    @property
    def phase(self) -> str:
        """`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`."""
        return str(self.status.get("phase") or "")

    @property
    def finished(self) -> bool:
        """Whether it will never run again."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def ready_condition(self) -> bool:
        """Whether its Ready condition is True; a pod that is being deleted may still say so."""
        return self.condition("Ready").get("status") == "True"

    @property
    def ready(self) -> bool:
        """Whether it counts as a replica that serves: Ready, and not being deleted."""
        return not self.deleting and self.ready_condition

    @property
    def sidecars(self) -> frozenset[str]:
        """The names of its sidecars: init containers that always restart and run beside the others (KEP-753)."""
        inits = self.spec.get("initContainers") or ()
        return frozenset(str(one.get("name") or "") for one in inits if one.get("restartPolicy") == "Always")

    @property
    def runs(self) -> tuple[Raw, ...]:
        """What runs side by side: the specs of its sidecars, then of its containers."""
        inits = (one for one in self.spec.get("initContainers") or () if one.get("restartPolicy") == "Always")
        return (*inits, *(self.spec.get("containers") or ()))

    @property
    def containers(self) -> tuple[ContainerView, ...]:
        """The statuses of its containers, then of its sidecars; none before the kubelet has taken it."""
        sidecars = (one for one in self._inits if one.name in self.sidecars)
        return (*map(ContainerView, self.status.get("containerStatuses") or ()), *sidecars)

    @property
    def preparing(self) -> tuple[ContainerView, ...]:
        """The statuses of its init containers that end before the others start, which are started anew if they fail."""
        return tuple(one for one in self._inits if one.name not in self.sidecars)

    @property
    def _inits(self) -> tuple[ContainerView, ...]:
        return tuple(map(ContainerView, self.status.get("initContainerStatuses") or ()))

    def changed_since(self, former: View) -> Iterator[str]:
        """The containers that were changed in place so that the kubelet restarts them: another image, or resources.

        Sidecars, too; of the resources those whose `resizePolicy` asks for it (KEP-1287). A resize may be put off for
        as long as its node lacks room: then it is the restart with which the container has other resources.
        """
        ran = {one.name: one for one in PodView(former.raw).containers}
        runs = {one.name: one for one in self.containers}
        known = {str(one.get("name")): one for one in PodView(former.raw).runs}
        for one in self.runs:
            name = str(one.get("name"))
            was, rules = known.get(name, one), one.get("resizePolicy") or ()
            restarting = [str(rule.get("resourceName")) for rule in rules if rule.get("restartPolicy") == RESTARTS]
            changed = any(_amounts(was, resource) != _amounts(one, resource) for resource in restarting)
            changed = changed or was.get("image") != one.get("image")
            if changed or _restarted_with_others(ran.get(name), runs.get(name), restarting):
                yield name

    @property
    def restarts(self) -> int:
        """Restarts of all its containers."""
        return sum(one.restarts for one in self.containers)

    @property
    def running(self) -> bool:
        """Whether all its containers run."""
        wanted = len(self.spec.get("containers") or ()) + len(self.sidecars)
        return sum(bool(container.running_since) for container in self.containers) >= max(1, wanted)

    @property
    def begun(self) -> bool:
        """Whether all its containers run, or have run: their images, and what else they need to start, were there."""
        wanted = len(self.spec.get("containers") or ()) + len(self.sidecars)
        return sum(bool(one.running_since) or one.ended for one in self.containers) >= max(1, wanted)

    @property
    def grace_s(self) -> int:
        """The terminationGracePeriodSeconds of its spec: what a deletion gives it unless it says otherwise."""
        given = self.spec.get("terminationGracePeriodSeconds")
        return 30 if given is None else int(given)

    @property
    def deletion_grace_s(self) -> int | None:
        """The grace that its accepted deletion gave it, None while it is not being deleted."""
        given = self.metadata.get("deletionGracePeriodSeconds")
        return None if given is None else int(given)

    @property
    def disruption(self) -> str:
        """Why the control plane took it down (`EvictionByEvictionAPI`, `DeletionByTaintManager`, …), else empty."""
        condition = self.condition("DisruptionTarget")
        return str(condition.get("reason") or "") if condition.get("status") == "True" else ""

    @property
    def mirror(self) -> bool:
        """Whether it only mirrors a static pod of a kubelet."""
        return MIRROR in self.annotations

    @property
    def local_storage(self) -> bool:
        """Whether it has an emptyDir, whose content dies with it."""
        return any("emptyDir" in volume for volume in self.spec.get("volumes") or ())


def _restarted_with_others(ran: ContainerView | None, runs: ContainerView | None, resources: Iterable[str]) -> bool:
    """Whether a container was restarted, and has another amount of one of these resources since."""
    if ran is None or runs is None or runs.restarts <= ran.restarts:
        return False
    told = bool(ran.raw.get("resources") and runs.raw.get("resources"))
    return told and any(_amounts(ran.raw, resource) != _amounts(runs.raw, resource) for resource in resources)


def _amounts(container: Raw, resource: str) -> tuple[object, ...]:
    """How much of a resource a container asks for, and may have."""
    given = container.get("resources") or {}
    return tuple((given.get(part) or {}).get(resource) for part in ("requests", "limits"))
