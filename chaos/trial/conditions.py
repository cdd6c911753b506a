"""What a scenario may wait for with `trial.hold(until=…)` that no fault brings about: what the autoscaler does."""

from chaos.cluster import Recorder
from chaos.faults import Until
from chaos.history.facts.autoscaler import KIND, AutoscalerView
from chaos.objects.pod import PodView
from chaos.objects.scaled_object import SCALED_OBJECT, ScaledObjectView
from chaos.semantics import Bound, recovery_bound
from chaos.semantics.hpa.bounds import MEASURED, fall_bound, metric_bound, rise_bound
from chaos.semantics.hpa.stabilization import Behaviour
from chaos.trial.system_under_test import SystemUnderTest

__all__ = ["scaled_down", "scaled_to_zero", "scaled_up"]

UNPROMISED_S = 120.0
"""For a metric of which nobody says how soon it shows the load: two scrapes and two caches of the usual half minute."""

DRAIN_S = 30.0
"""For what the spike left to answer: the window's bound counts from its last answer."""


def scaled_down(system: SystemUnderTest) -> Until:
    """Until the system is back at its fewest replicas, and no other pod is left; at most as long as is derived."""
    floor, words = system.spec.replicas_floor, f"the system is back at {system.spec.replicas_floor} replicas"
    recorder = system.recorder
    if recorder is None:
        return Until(words, lambda: True, 0.0)

    def seen() -> bool:
        pods = [PodView(raw) for raw in recorder.objects("Pod")]
        low = all(wanted <= floor for wanted in _wanted(system, recorder))
        return low and sum(not pod.finished for pod in pods) <= floor

    return Until(words, seen, _deadline_s(system, recorder, floor))


def scaled_to_zero(system: SystemUnderTest) -> Until:
    """Until no replica is desired, and no pod is left; at most as long as its ScaledObjects imply for want of load."""
    words, recorder = "no replica is left", system.recorder
    if recorder is None:
        return Until(words, lambda: True, 0.0)

    def seen() -> bool:
        wanted = _wanted(system, recorder)
        return bool(wanted) and not any(wanted) and all(PodView(raw).finished for raw in recorder.objects("Pod"))

    try:
        found = [ScaledObjectView(raw) for raw in recorder.objects(SCALED_OBJECT)]
    except KeyError:  # nobody watches them: there is no KEDA, or no right to see
        found = []
    # The last active look, and the one that acts.
    idle_s = max((2 * one.polling_s + one.cooldown_s for one in found), default=UNPROMISED_S)
    shown_s = _patience_s(metric_bound(system.timings, ["External"]))
    return Until(words, seen, shown_s + idle_s + system.spec.grace_s + DRAIN_S)


def scaled_up(system: SystemUnderTest) -> Until:
    """Until more replicas are desired than the system's fewest; at most as long as the autoscaler's bound."""
    floor, words = system.spec.replicas_floor, f"more than {system.spec.replicas_floor} replicas are desired"
    recorder = system.recorder
    if recorder is None:
        return Until(words, lambda: True, 0.0)

    def seen() -> bool:
        return any(wanted > floor for wanted in _wanted(system, recorder))

    found = [AutoscalerView(raw) for raw in recorder.objects(KIND)]
    bounds = [rise_bound(Behaviour.of(one.spec, system.timings), system.timings, _types(one)) for one in found]
    return Until(words, seen, max(map(_patience_s, bounds), default=0.0))


def _types(scaler: AutoscalerView) -> list[str]:
    return [one.type for one in scaler.metrics] or [*MEASURED]


def _patience_s(bound: Bound) -> float:
    """How long a bound is waited for, also where nobody promises a part of it."""
    return bound.total_s + (UNPROMISED_S if bound.unpromised else 0.0)


def _wanted(system: SystemUnderTest, recorder: Recorder) -> list[int]:
    """How many replicas the workload desires, for each state of it that is there and says so."""
    kind = system.workload_kind
    found = [kind.wanted(raw) for raw in recorder.objects(kind.name)]
    return [wanted for wanted in found if wanted is not None]


def _deadline_s(system: SystemUnderTest, recorder: Recorder, floor: int) -> float:
    """The derived bound of the fall, and of the end of the pods that go."""
    specs = [pod["spec"] for pod in recorder.objects("Pod")]
    kind = system.workload_kind.pods_by
    bounds = [recovery_bound(spec, system.timings, workload_kind=kind).total_s for spec in specs]
    gone_s = max((bound_s + system.spec.grace_s for bound_s in bounds), default=0.0)
    found = [AutoscalerView(raw) for raw in recorder.objects(KIND)]
    falls = [
        fall_bound(
            Behaviour.of(one.spec, system.timings), system.timings, _types(one), peak=max(one.most, floor), bottom=floor
        )
        for one in found
    ]
    return max(map(_patience_s, falls), default=0.0) + gone_s + DRAIN_S
