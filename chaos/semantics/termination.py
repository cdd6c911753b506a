"""How a pod ends once its deletion is accepted, as bounds over its raw spec and the cluster's timings.

Every time counts from the accepted deletion. Two things happen side by side, and nothing orders them (kubernetes.md
A.6; Kubernetes documentation, "Pod Lifecycle", section "Termination of Pods"):

- its kubelet runs the preStop hook, then sends SIGTERM, and SIGKILL when the grace is over. The hook's time is part of
  the grace, in whole seconds rounded down; two seconds are sure after SIGTERM, however long the hook took (kubelet's
  kuberuntime_container.go: `killContainer`, `executePreStopHook`, `minimumGracePeriodInSeconds`). Sidecars (init
  containers that always restart) are told to end when the others have ended, or at the end of the grace
  (kuberuntime_termination_order.go, KEP-753);
- the controller marks its endpoint as terminating (KEP-1672), and every node's kube-proxy rewrites its rules, at most
  once in `minSyncPeriod`. New connections stop then; those that stand are not touched. For this Kubernetes states no
  objective: the worst case is the objective for one write, one period, and our allowance.
"""

import math
from dataclasses import dataclass

from chaos.objects.base import Raw
from chaos.semantics.probes import GRACE_DEFAULT_S
from chaos.semantics.recovery_bounds import API_CALL, Bound, Part
from chaos.semantics.timings import Timings

__all__ = ["Between", "Termination", "grace_needed", "pre_stop_needed_s", "termination"]

SURE_AFTER_TERM = 2.0
"""What a container has between SIGTERM and SIGKILL at least: the kubelet's `minimumGracePeriodInSeconds`."""

FORCED_GRACE = 1.0
"""What a kubelet makes of a grace of 0 (pod_workers.go: `calculateEffectiveGracePeriod`)."""


@dataclass(frozen=True, slots=True)
class Between:
    """A moment or a length that is known within limits, in seconds."""

    best_s: float
    worst_s: float


@dataclass(frozen=True, slots=True)
class Termination:
    """The end of one pod; moments in seconds after its deletion was accepted.

    Attributes:
        grace_s: what the deletion gave it.
        forced: a grace of 0, with which the object vanishes at once, whatever its containers do.
        pre_stop: how long the hook runs.
        unrouted: when the last node sends it no more connections.
        term: SIGTERM; of several containers the earliest is the best case and the latest the worst.
        kill: SIGKILL, if it has not ended by then.
    """

    grace_s: float
    forced: bool
    pre_stop: Between
    unrouted: Between
    term: Between
    kill: Between


def termination(pod_spec: Raw, timings: Timings, *, grace_s: float | None = None) -> Termination:
    """The end of a pod with this spec; `grace_s` is what its deletion said, if it said anything.

    The kubelet learns of the deletion within the allowance. The length of an exec or HTTP hook is in no spec:
    it may take no time, or all of the grace, at whose end it is abandoned.
    """
    given_s = pod_spec.get("terminationGracePeriodSeconds") if grace_s is None else grace_s
    wanted_s = GRACE_DEFAULT_S if given_s is None else float(given_s)
    forced = wanted_s == 0
    effective_s = FORCED_GRACE if forced else wanted_s
    hooks = [_pre_stop(container, effective_s) for container in pod_spec.get("containers") or ()] or [Between(0, 0)]
    late_s = timings.allowance_s
    sidecars = any(one.get("restartPolicy") == "Always" for one in pod_spec.get("initContainers") or ())
    killed = [_kill(hook, effective_s) for hook in hooks]
    if sidecars:
        killed.append(Between(killed[0].best_s, effective_s + SURE_AFTER_TERM))
    return Termination(
        grace_s=wanted_s,
        forced=forced,
        pre_stop=Between(min(one.best_s for one in hooks), max(one.worst_s for one in hooks)),
        unrouted=Between(0, _open_s(timings) + late_s),
        term=Between(min(one.best_s for one in hooks), max(one.worst_s for one in hooks) + late_s),
        kill=Between(min(one.best_s for one in killed), max(one.worst_s for one in killed) + late_s),
    )


def pre_stop_needed_s(timings: Timings) -> int:
    """The preStop sleep that keeps a server open until no node sends it connections any more, in whole seconds.

    A server that itself goes on taking connections for so long after SIGTERM needs none.
    """
    return math.ceil(_open_s(timings) + timings.allowance_s)


def grace_needed(longest_s: float, pre_stop_s: float, timings: Timings) -> Bound:
    """The terminationGracePeriodSeconds with which no answer is cut, if the longest takes `longest_s` seconds.

    The last request comes when the last node learns of the end, or at the latest when preStop is over, and may be the
    longest: grace >= preStop + longest request (kubernetes.md A.6), and our margin. `total_s` is not rounded: write the
    next whole second.
    """
    least_s = _open_s(timings)
    opened = Part("preStop", pre_stop_s, "the pod's preStop hook")
    if pre_stop_s < least_s:
        opened = Part("until no new connection comes", least_s, "the controller's write and kube-proxy's minSyncPeriod")
    return Bound(
        (
            opened,
            Part("longest answer", round(longest_s, 1), "the longest request of the trial"),
            Part("margin", timings.allowance_s, "ours: watch delivery and a busy machine"),
        )
    )


def _open_s(timings: Timings) -> float:
    """How long new connections may come if nothing is late: the controller's write, and kube-proxy's period."""
    return API_CALL + timings.proxy_sync_s


def _pre_stop(container: Raw, grace_s: float) -> Between:
    """How long a container's hook runs; it is abandoned at the end of the grace."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    if not hook:
        return Between(0, 0)
    if (sleep := hook.get("sleep")) is not None:
        slept_s = min(float(sleep.get("seconds") or 0), grace_s)
        return Between(slept_s, slept_s)
    return Between(0, grace_s)


def _kill(hook: Between, grace_s: float) -> Between:
    """When a container is killed: at the end of the grace, but two seconds after SIGTERM at the earliest."""
    return Between(*(max(grace_s, ran_s + SURE_AFTER_TERM) for ran_s in (hook.best_s, hook.worst_s)))
