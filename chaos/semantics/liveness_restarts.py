"""How long a container that hangs or dies may take to be restarted in place: its liveness, its grace, the back-off."""

from collections.abc import Iterable, Mapping

from chaos.clock import seconds
from chaos.objects.base import Raw
from chaos.semantics.probes import Unpromised, container_probes, ready_bound_s, unpromised_hooks, unpromised_start
from chaos.semantics.recovery_bounds import POD_STARTUP, STATUS_SYNC, Bound, Part, allowance
from chaos.semantics.timings import Timings

__all__ = ["backoff_s", "restart_bound", "restarts_remembered"]

EXIT_SEEN = 1.0
BACKOFF_FIRST = 10.0
BACKOFF_MEMORY = 600.0
"""A container that has run for longer starts without back-off again; the cap does not change it (KEP-4603)."""


def restart_bound(pod_spec: Raw, timings: Timings, *, container: str = "", restarts: int = 0) -> Bound:
    """From not Ready to Ready again for a container that hangs or dies in place: same pod, one restart more.

    Args:
        pod_spec: the pod's raw spec.
        timings: the cluster's.
        container: which one hangs or died; empty where that is not known: then the slowest liveness probe counts.
        restarts: how many of its restarts the kubelet remembers, for the back-off (`restarts_remembered`).
    """
    probes = container_probes(pod_spec, container)
    detected_s = [one.ended_s for one in probes if one.ended_s is not None]
    # Of several containers, one without any probe cannot have turned the pod not Ready by its hang.
    stuck = [one.name for one in probes if not one.liveness and (one.readiness or not detected_s)]
    missing = tuple(
        Unpromised("ready", f"container {name!r} has no liveness probe, so nothing restarts it when it hangs")
        for name in stuck
    )
    parts = (
        Part(
            "liveness probe and grace",
            max(detected_s, default=0.0),
            "the container's own probe: P + (F-1)*max(P, T) + T, then grace",
        ),
        Part("exit seen", EXIT_SEEN, "kubelet relists containers every second"),
        Part("back-off", backoff_s(restarts, timings.restart_backoff_cap_s), "kubelet's restart back-off"),
        Part("start", POD_STARTUP, "Kubernetes' objective for pod startup, p99 5 s without pulls"),
        Part("startup and readiness probes", ready_bound_s(pod_spec), "the pod's own probes"),
        Part("status report", STATUS_SYNC, "kubelet's periodic status sync, at worst"),
        allowance(timings),
    )
    return Bound(parts, (*missing, *unpromised_start(pod_spec), *unpromised_hooks(pod_spec, "ready", container)))


def backoff_s(restarts: int, cap_s: float) -> float:
    """The kubelet's wait before a restart: none before the first, then 10, 20, 40 s … up to the cap."""
    return 0.0 if restarts <= 0 else min(BACKOFF_FIRST * 2.0 ** min(restarts - 1, 30), cap_s)


def restarts_remembered(
    restarts_ns: Mapping[str, Iterable[int]], at_ns: int, timings: Timings, *, container: str = ""
) -> int:
    """How many restarts of a container the kubelet's back-off remembers at a moment.

    They go on adding up as long as none was followed by ten minutes of running (Kubernetes' kubelet.go,
    `crashLoopBackOff.HasExpiredFunc`). The wait before a restart is no part of the running.

    Args:
        restarts_ns: of each container by name, when it was restarted.
        at_ns: the moment.
        timings: the cluster's, for the cap of the wait.
        container: which one; empty: the one with the most.
    """
    chosen = (moments for name, moments in restarts_ns.items() if container in ("", name))
    return max((_chain(sorted(moments), at_ns, timings.restart_backoff_cap_s) for moments in chosen), default=0)


def _chain(moments: list[int], at_ns: int, cap_s: float) -> int:
    count, last_ns = 0, 0
    for restart_ns in (one for one in moments if one <= at_ns):
        if count and seconds(restart_ns - last_ns) > BACKOFF_MEMORY + backoff_s(count, cap_s):
            count = 0
        count, last_ns = count + 1, restart_ns
    return count if count and seconds(at_ns - last_ns) <= BACKOFF_MEMORY else 0
