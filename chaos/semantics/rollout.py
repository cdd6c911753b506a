"""What a Deployment's strategy promises of a rolling update: how many pods stay, how many there are, how long it takes.

Follows the deployment controller's `ResolveFenceposts`: a surge in percent is rounded up, unavailability down, and if
both come to nothing one pod may be unavailable. Pods that are being deleted count neither as available nor against the
surge: the Kubernetes documentation of Deployments says so ("Max Unavailable", "Max Surge"), and `FilterActivePods` of
the controllers does so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chaos.objects.base import Raw
from chaos.objects.kinds import DeploymentView
from chaos.semantics.recovery_bounds import Bound, Part, recovery_bound, termination_part
from chaos.semantics.timings import Timings

__all__ = ["Strategy", "is_rolled_out", "release_bound", "rollout_bound"]

DEFAULT = "25%"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a Deployment replaces its pods. `recreate`: all at once, so that none need stay."""

    recreate: bool
    max_surge: int | str
    max_unavailable: int | str
    min_ready_s: float

    @classmethod
    def of(cls, spec: Raw) -> Strategy:
        """Read a raw Deployment's spec, with Kubernetes' defaults."""
        strategy = spec.get("strategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
        return cls(
            recreate=strategy.get("type") == "Recreate",
            max_surge=DEFAULT if surge is None else surge,
            max_unavailable=DEFAULT if unavailable is None else unavailable,
            min_ready_s=spec.get("minReadySeconds") or 0,
        )

    def surge(self, desired: int) -> int:
        """How many pods there may be above the desired number."""
        return 0 if self.recreate else _share(self.max_surge, desired, up=True)

    def unavailable(self, desired: int) -> int:
        """How many of the desired pods may be missing."""
        if self.recreate:
            return desired
        missing = _share(self.max_unavailable, desired, up=False)
        return min(desired, missing if missing or self.surge(desired) else 1)


def rollout_bound(
    pod_spec: Raw, strategy: Strategy, desired: int, timings: Timings, *, former: Raw | None = None, waits: str = ""
) -> Bound:
    """From the change of the template to the last new pod's Ready and the last old one's deletion.

    In rounds of as many pods as the strategy lets the controller move at a time; each takes what a lost pod's
    replacement takes, and the new pods have to stay Ready for minReadySeconds. Recreate makes no new pod before the
    last old one is gone (pkg/controller/deployment/recreate.go: `oldPodsRunning`), so that takes the grace of the
    `former` pods, too; so does each round that `waits` for them, and why.
    """
    step = max(1, strategy.surge(desired) + strategy.unavailable(desired))
    rounds = math.ceil(desired / step)
    one = recovery_bound(pod_spec, timings)
    parts = (*one.parts, Part("minReadySeconds", strategy.min_ready_s, "the Deployment's minReadySeconds"))
    if why := "Recreate waits for the old pods" if strategy.recreate else waits:
        parts = (termination_part(pod_spec if former is None else former, why), *parts)
    return Bound(tuple(replace(part, seconds=part.seconds * rounds) for part in parts), one.unpromised)


def release_bound(kind: str, spec: Raw, pod_spec: Raw, timings: Timings, *, desired: int, former: Raw) -> Bound:
    """The same of any kind that has releases: a StatefulSet replaces one member at a time, each when the old is gone.

    `spec` is the workload's, `pod_spec` that of the new pods, `former` of the old.
    """
    strategy, waits = Strategy.of(spec), ""
    if kind == "StatefulSet":
        strategy = replace(strategy, recreate=False, max_surge=0, max_unavailable=1)
        waits = "a StatefulSet makes a member anew when the former one is gone"
    return rollout_bound(pod_spec, strategy, desired or 1, timings, former=former, waits=waits)


def is_rolled_out(kind: str, workload: Raw) -> bool:
    """Whether a controller has no pod left to replace by its workload's template, as `kubectl rollout status` decides.

    None has to be while a Deployment is paused, with OnDelete, or below a StatefulSet's partition. Of kinds that say
    nothing of releases there is nothing to wait for: true.
    """
    view = DeploymentView(workload)  # a StatefulSet writes what is read here alike
    if kind == "Deployment":
        return bool(view.spec.get("paused")) or view.replaced
    strategy = view.spec.get("updateStrategy") or {}
    if kind != "StatefulSet" or strategy.get("type") == "OnDelete":
        return True
    kept = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    through = kept or view.status.get("updateRevision") == view.status.get("currentRevision")
    return bool(
        through and view.observed_generation >= view.generation and view.updated_replicas >= view.replicas - kept
    )


def _share(given: int | str, total: int, *, up: bool) -> int:
    if isinstance(given, int):
        return given
    share = int(given.rstrip("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)
