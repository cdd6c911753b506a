"""How soon the kubelet's probes see a change, as bounds over a raw pod spec.

Source of every rule: kubernetes.md A.5, read in kubelet's prober/worker.go. With period P, timeout T, failure threshold
F, success threshold S and Q = max(P, T), because a probe that hangs holds up the next tick:

- a failure that answers at once is acted on after at most F*P;
- a hang is acted on after at most P + (F-1)*Q + T;
- a recovery is published after at most S*P, plus the answer itself, which takes at most T.

Ticks are not aligned to the container's start, hence the leading P. A kubelet that has just restarted may add one more
P; that is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Probe", "Stage", "Unpromised", "liveness_bound_s", "ready_bound_s", "unpromised_start", "unready_bound_s"]

Raw = Mapping[str, Any]


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
    def failure_detection_s(self) -> float:
        """The longest time from a failure that answers at once to the verdict `failed`: F*P."""
        return self.failure_threshold * self.period_s

    @property
    def recovery_detection_s(self) -> float:
        """The longest time from health to the verdict `passed`: S*P + T."""
        return self.success_threshold * self.period_s + self.timeout_s

    @property
    def start_window_s(self) -> float:
        """For a startup probe: the longest that a container may take before it is killed for it."""
        return self.initial_delay_s + self.hang_detection_s


def ready_bound_s(pod_spec: Raw) -> float:
    """The longest time from the start of a pod's containers to Ready, if the pod keeps what its spec promises.

    Each container may use its whole startup window; then readiness must pass, and not before its initial delay. The
    first readiness probe follows a startup success at once, but the bound grants it S periods. Sidecars (init
    containers with restartPolicy Always) start one after another, before the others. Without a startup probe nothing
    is granted for the start itself: see `unpromised_start`.
    """
    sidecars_s = sum(_start_window_s(container) for container in _sidecars(pod_spec))
    containers = (*_sidecars(pod_spec), *(pod_spec.get("containers") or ()))
    return sidecars_s + max((_container_ready_s(container) for container in containers), default=0.0)


def unpromised_start(pod_spec: Raw) -> tuple[Unpromised, ...]:
    """What may delay Ready for as long as it likes without breaking a promise; empty if nothing may.

    While any is named, a start that takes longer than `ready_bound_s` proves nothing against the system.
    """
    containers = pod_spec.get("containers") or ()
    slow = [str(one.get("name", "")) for one in containers if not one.get("startupProbe")]
    plain = [str(one.get("name", "")) for one in _inits(pod_spec) if one.get("restartPolicy") != "Always"]
    gates = [str(gate.get("conditionType", "")) for gate in pod_spec.get("readinessGates") or ()]
    return (
        *(Unpromised("started", f"init container {name!r} has no time limit") for name in plain),
        *(Unpromised("ready", f"container {name!r} has no startup probe to limit its start") for name in slow),
        *(Unpromised("ready", f"readiness gate {name!r} is opened by somebody else") for name in gates),
    )


def unready_bound_s(pod_spec: Raw) -> float | None:
    """The longest time from a hang of any one container to not Ready; None if a container has no readiness probe."""
    probes = [Probe.of(container, "readinessProbe") for container in pod_spec.get("containers") or ()]
    found = [probe.hang_detection_s for probe in probes if probe is not None]
    return max(found) if found and len(found) == len(probes) else None


def liveness_bound_s(pod_spec: Raw) -> float | None:
    """The longest time from a hang to the end of the container: detection, then the grace, of which 2 s are sure.

    None if some container has no liveness probe: nothing restarts it then.
    """
    pod_grace_s = pod_spec.get("terminationGracePeriodSeconds")
    pod_grace_s = 30 if pod_grace_s is None else pod_grace_s
    bounds: list[float] = []
    for container in pod_spec.get("containers") or ():
        probe = Probe.of(container, "livenessProbe")
        if probe is None:
            return None
        grace_s = pod_grace_s if probe.grace_s is None else probe.grace_s
        bounds.append(probe.hang_detection_s + max(grace_s, 2))
    return max(bounds, default=None)


def _inits(pod_spec: Raw) -> tuple[Raw, ...]:
    return tuple(pod_spec.get("initContainers") or ())


def _sidecars(pod_spec: Raw) -> Iterator[Raw]:
    return (container for container in _inits(pod_spec) if container.get("restartPolicy") == "Always")


def _start_window_s(container: Raw) -> float:
    startup = Probe.of(container, "startupProbe")
    return startup.start_window_s if startup else 0.0


def _container_ready_s(container: Raw) -> float:
    started_s = _start_window_s(container)
    readiness = Probe.of(container, "readinessProbe")
    if readiness is None:
        return started_s
    return max(started_s, readiness.initial_delay_s) + readiness.recovery_detection_s
