"""How soon an autoscaler must follow the load up and down: bounds derived from its own spec, part by part.

Each part names its source. What comes after a rise, up to Ready, is `chaos.semantics.recovery_bound`.
"""

from __future__ import annotations

from chaos.semantics.hpa.stabilization import Behaviour, down_steps
from chaos.semantics.probes import Unpromised
from chaos.semantics.recovery_bounds import Bound, Part
from chaos.semantics.timings import Timings

__all__ = ["KUBELET_MEASURES_S", "fall_bound", "metric_bound", "rise_bound"]

KUBELET_MEASURES_S = 15.0
"""The kubelet measures a container every 10 to 15 s (cAdvisor's housekeeping)."""


def metric_bound(timings: Timings) -> Bound:
    """From a change of the load to a metric that shows nothing but the new load."""
    return Bound(
        (
            Part("kubelet's measuring", KUBELET_MEASURES_S, "cAdvisor measures a container every 10 to 15 s"),
            Part(
                "metrics window",
                2 * timings.metrics_resolution_s,
                "metrics-server needs two points: the window under way, then one wholly after the change",
            ),
        )
    )


def rise_bound(behaviour: Behaviour, timings: Timings) -> Bound:
    """From a rise of the load to the first rise of desired replicas, as received over the watch."""
    return Bound(
        (
            *metric_bound(timings).parts,
            Part("autoscaler's sync", timings.hpa_sync_s, "horizontal-pod-autoscaler-sync-period"),
            Part("scale-up window", behaviour.up.window_s, "behavior.scaleUp.stabilizationWindowSeconds"),
            Part("allowance", timings.allowance_s, "ours: watch delivery and a busy machine"),
        )
    )


def fall_bound(behaviour: Behaviour, timings: Timings, *, peak: int, bottom: int) -> Bound:
    """From the end of the spike's last request to desired replicas back at `bottom`, as received over the watch.

    The window counts from the last high recommendation, which the sync after the metrics' last high value may make;
    the sync that acts on it comes after the window. Each further step of the rate takes a period and a sync.
    """
    steps = down_steps(behaviour.down, peak, bottom)
    period_s = max((policy.period_s for policy in behaviour.down.policies), default=0.0)
    unpromised: tuple[Unpromised, ...] = ()
    if steps is None:
        unpromised = (Unpromised("created", "the autoscaler's own rates never let it fall that far"),)
    more = max(0, (steps or 1) - 1)
    return Bound(
        (
            *metric_bound(timings).parts,
            Part(
                "autoscaler's syncs", 2 * timings.hpa_sync_s, "horizontal-pod-autoscaler-sync-period, before and after"
            ),
            Part("scale-down window", behaviour.down.window_s, "behavior.scaleDown.stabilizationWindowSeconds"),
            Part("rate", more * (period_s + timings.hpa_sync_s), "behavior.scaleDown.policies: further steps"),
            Part("allowance", timings.allowance_s, "ours: watch delivery and a busy machine"),
        ),
        unpromised,
    )
