"""How soon the kubelet's probes see a change: bounds of one container, and of the pod where all of them count.

A pod is Ready when all its containers are, so how long that takes is the pod's; what a hang brings about is that of
the one container that hangs. Sidecars (init containers that always restart, KEP-753) are containers here.

Source of every rule: Kubernetes' pkg/kubelet/prober/worker.go. With period P, timeout T, failure threshold
F, success threshold S and Q = max(P, T), because a probe that hangs holds up the next tick:

- a failure that answers at once is acted on after at most F*P;
- a hang is acted on after at most P + (F-1)*Q + T;
- a recovery is published after at most S*P, plus the answer itself, which takes at most T.

Ticks are not aligned to the container's start, hence the leading P. A kubelet that has just restarted may add one more
P; that is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chaos.objects.base import Raw

__all__ = [
    "ContainerProbes",
    "Probe",
    "Stage",
    "Unpromised",
    "container_probes",
    "ready_bound_s",
    "unpromised_hooks",
    "unpromised_start",
]

GRACE_DEFAULT_S = 30.0
"""terminationGracePeriodSeconds of a spec that names none."""

Stage = Literal["created", "scheduled", "started", "ready"]
"""What a replica is on its way to become, in this order."""


@dataclass(frozen=True, slots=True)
class Unpromised:
    """Something that may hold a replica up before `stage` without breaking any promise, and why."""

    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe's timing, with Kubernetes' defaults filled in. `grace_s` is its own terminationGracePeriodSeconds."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int
    grace_s: float | None

    @classmethod
    def of(cls, container: Raw, kind: str) -> Probe | None:
        """Read `startupProbe`, `readinessProbe` or `livenessProbe` of a raw container, None if it has none."""
        raw = container.get(kind)
        if not raw:
            return None
        return cls(
            initial_delay_s=raw.get("initialDelaySeconds") or 0,
            period_s=raw.get("periodSeconds") or 10,
            timeout_s=raw.get("timeoutSeconds") or 1,
            success_threshold=raw.get("successThreshold") or 1,
            failure_threshold=raw.get("failureThreshold") or 3,
            grace_s=raw.get("terminationGracePeriodSeconds"),
        )

    @property
    def hang_detection_s(self) -> float:
        """The longest time from a hang to the verdict `failed`: P + (F-1)*Q + T."""
        slowest_s = max(self.period_s, self.timeout_s)
        return self.period_s + (self.failure_threshold - 1) * slowest_s + self.timeout_s

    @property
    def recovery_detection_s(self) -> float:
        """The longest time from health to the verdict `passed`: S*P + T."""
        return self.success_threshold * self.period_s + self.timeout_s

    @property
    def start_window_s(self) -> float:
        """For a startup probe: the longest that a container may take before it is killed for it."""
        return self.initial_delay_s + self.hang_detection_s


@dataclass(frozen=True, slots=True)
class ContainerProbes:
    """What one container's probes promise, each bound in seconds.

    Attributes:
        name: the container's.
        grace_s: how long it may take to end once it has to: its liveness probe's own grace, else the pod's.
        sidecar: whether it is an init container that always restarts.
    """

    name: str
    grace_s: float
    sidecar: bool
    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None

    @property
    def unready_s(self) -> float | None:
        """The longest time from its hang to the pod's being not Ready; None without a readiness probe."""
        return self.readiness.hang_detection_s if self.readiness else None

    @property
    def ended_s(self) -> float | None:
        """The longest time from its hang to its end: detection, then the grace, of which 2 s are sure.

        None without a liveness probe: nothing restarts it then.
        """
        return self.liveness.hang_detection_s + max(self.grace_s, 2) if self.liveness else None

    @property
    def first_failure_s(self) -> float | None:
        """The longest time from its hang to the first probe that fails: a tick, and its timeout; None without any."""
        probes = (self.readiness, self.liveness)
        return min((probe.period_s + probe.timeout_s for probe in probes if probe), default=None)

    @property
    def start_s(self) -> float:
        """The longest that its startup probe lets a start take; 0 without one."""
        return self.startup.start_window_s if self.startup else 0.0

    @property
    def ready_s(self) -> float:
        """The longest time from its start to its being ready: the startup window, then readiness after its delay."""
        if self.readiness is None:
            return self.start_s
        return max(self.start_s, self.readiness.initial_delay_s) + self.readiness.recovery_detection_s


def container_probes(pod_spec: Raw, container: str = "") -> tuple[ContainerProbes, ...]:
    """The probes of each container of a pod, sidecars first; of the named one only, if one is named."""
    sidecars = [one for one in _inits(pod_spec) if one.get("restartPolicy") == "Always"]
    found = [_of(one, pod_spec, sidecar=True) for one in sidecars]
    found += [_of(one, pod_spec, sidecar=False) for one in pod_spec.get("containers") or ()]
    return tuple(one for one in found if container in ("", one.name))


def ready_bound_s(pod_spec: Raw) -> float:
    """The longest time from the start of a pod's containers to Ready, if the pod keeps what its spec promises.

    Each container may use its whole startup window; then readiness must pass, and not before its initial delay. The
    first readiness probe follows a startup success at once, but the bound grants it S periods. Sidecars start one after
    another, before the others. Without a startup probe nothing is granted for the start: see `unpromised_start`.
    """
    probes = container_probes(pod_spec)
    return sum(one.start_s for one in probes if one.sidecar) + max((one.ready_s for one in probes), default=0.0)


def unpromised_start(pod_spec: Raw) -> tuple[Unpromised, ...]:
    """What may delay Ready for as long as it likes without breaking a promise; empty if nothing may.

    While any is named, a start that takes longer than `ready_bound_s` proves nothing against the system. A container
    without a readiness probe is ready as soon as it runs, so its start delays nothing beside one that has a probe; a
    pod without any says nothing of when it serves.
    """
    probes = container_probes(pod_spec)
    mute = not any(one.startup or one.readiness for one in probes if not one.sidecar)
    slow = [one.name for one in probes if not one.startup and (one.readiness or (mute and not one.sidecar))]
    plain = [str(one.get("name", "")) for one in _inits(pod_spec) if one.get("restartPolicy") != "Always"]
    gates = [str(gate.get("conditionType", "")) for gate in pod_spec.get("readinessGates") or ()]
    return (
        *(Unpromised("started", f"init container {name!r} has no time limit") for name in plain),
        *unpromised_hooks(pod_spec, "started"),
        *(Unpromised("ready", f"container {name!r} has no startup probe to limit its start") for name in slow),
        *(Unpromised("ready", f"readiness gate {name!r} is opened by somebody else") for name in gates),
    )


def unpromised_hooks(pod_spec: Raw, stage: Stage, container: str = "") -> tuple[Unpromised, ...]:
    """The postStart hooks, which nothing limits, as what may hold a pod up before a stage; of one container if named.

    A container does not count as running before its hook has ended (Kubernetes documentation, "Container Lifecycle
    Hooks").
    """
    run = (*_inits(pod_spec), *(pod_spec.get("containers") or ()))
    hooked = [str(one.get("name", "")) for one in run if (one.get("lifecycle") or {}).get("postStart")]
    due = [name for name in hooked if container in ("", name)]
    return tuple(Unpromised(stage, f"the postStart hook of container {name!r} has no time limit") for name in due)


def _of(container: Raw, pod_spec: Raw, *, sidecar: bool) -> ContainerProbes:
    liveness = Probe.of(container, "livenessProbe")
    pod_grace_s = pod_spec.get("terminationGracePeriodSeconds")
    own_s = None if liveness is None else liveness.grace_s
    return ContainerProbes(
        name=str(container.get("name", "")),
        grace_s=own_s if own_s is not None else GRACE_DEFAULT_S if pod_grace_s is None else pod_grace_s,
        sidecar=sidecar,
        startup=Probe.of(container, "startupProbe"),
        readiness=Probe.of(container, "readinessProbe"),
        liveness=liveness,
    )


def _inits(pod_spec: Raw) -> tuple[Raw, ...]:
    return tuple(pod_spec.get("initContainers") or ())
