"""How soon an autoscaler must follow the load up and down: bounds derived from its own spec, part by part.

Each part names its source. What comes after a rise, up to Ready, is `chaos.semantics.recovery_bound`.
"""

from collections.abc import Iterable

from chaos.semantics.hpa.stabilization import Behaviour, Change, down_steps, up_wait_s
from chaos.semantics.probes import Unpromised
from chaos.semantics.recovery_bounds import Bound, Part, allowance
from chaos.semantics.timings import Timings

__all__ = ["MEASURED", "decision_bound", "fall_bound", "metric_bound", "rise_bound"]

KUBELET_MEASURES_S = 15.0
"""The kubelet measures a container every 10 to 15 s (cAdvisor's housekeeping)."""

MEASURED = ("Resource", "ContainerResource")
"""The types of metrics that come from the kubelet by way of metrics-server."""


def metric_bound(timings: Timings, types: Iterable[str] = MEASURED) -> Bound:
    """From a change of the load to metrics of these types that show nothing but the new load."""
    types, parts, unpromised = tuple(types), [], []
    foreign = [one for one in types if one not in MEASURED]
    if len(foreign) < len(types):
        parts.append(Part("kubelet's measuring", KUBELET_MEASURES_S, "cAdvisor measures a container every 10 to 15 s"))
        source = "metrics-server needs two points: the window under way, then one wholly after the change"
        parts.append(Part("metrics window", 2 * timings.metrics_resolution_s, source))
    if foreign and timings.metric_delay_s is None:
        text = f"nobody promises how soon a metric of type {foreign[0]} shows the load (timings: metric_delay_s)"
        unpromised.append(Unpromised("created", text))
    elif foreign:
        more_s = max(0.0, (timings.metric_delay_s or 0.0) - sum(part.seconds for part in parts))
        parts.append(Part("age of the metric", more_s, "metric_delay_s, as declared"))
    return Bound(tuple(parts), tuple(unpromised))


def decision_bound(
    behaviour: Behaviour, timings: Timings, *, current: int = 1, changes: Iterable[Change] = (), now_s: float = 0.0
) -> Bound:
    """From metrics that ask for more, and go on asking, to the rise of desired replicas, as received over the watch."""
    wait_s = up_wait_s(behaviour, current, changes, now_s)
    never = (Unpromised("created", "the autoscaler's own rates never let it rise"),) if wait_s is None else ()
    return Bound(
        (
            Part("autoscaler's sync", timings.hpa_sync_s, "horizontal-pod-autoscaler-sync-period"),
            Part("scale-up window", behaviour.up.window_s, "behavior.scaleUp.stabilizationWindowSeconds"),
            Part("rate", wait_s or 0.0, "behavior.scaleUp.policies: what earlier changes used up"),
            allowance(timings),
        ),
        never,
    )


def rise_bound(behaviour: Behaviour, timings: Timings, types: Iterable[str] = MEASURED) -> Bound:
    """From a rise of the load to the first rise of desired replicas, as received over the watch.

    `types` are those of the autoscaler's metrics.
    """
    shown, decided = metric_bound(timings, types), decision_bound(behaviour, timings)
    return Bound((*shown.parts, *decided.parts), (*shown.unpromised, *decided.unpromised))


def fall_bound(
    behaviour: Behaviour, timings: Timings, types: Iterable[str] = MEASURED, *, peak: int, bottom: int
) -> Bound:
    """From the end of the spike's last request to desired replicas back at `bottom`, as received over the watch.

    The window counts from the last high recommendation, which the sync after the metrics' last high value may make;
    the sync that acts on it comes after the window. Each further step of the rate takes a period and a sync.
    """
    steps, shown = down_steps(behaviour.down, peak, bottom), metric_bound(timings, types)
    period_s = max((policy.period_s for policy in behaviour.down.policies), default=0.0)
    unpromised = shown.unpromised
    if steps is None:
        unpromised += (Unpromised("created", "the autoscaler's own rates never let it fall that far"),)
    more = max(0, (steps or 1) - 1)
    return Bound(
        (
            *shown.parts,
            Part(
                "autoscaler's syncs", 2 * timings.hpa_sync_s, "horizontal-pod-autoscaler-sync-period, before and after"
            ),
            Part("scale-down window", behaviour.down.window_s, "behavior.scaleDown.stabilizationWindowSeconds"),
            Part("rate", more * (period_s + timings.hpa_sync_s), "behavior.scaleDown.policies: further steps"),
            allowance(timings),
        ),
        unpromised,
    )
