"""What the HorizontalPodAutoscaler wanted, counted and measured, read from the objects of `autoscaling/v2`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerView
from chaos.objects.base import Raw, View
from reports.build.coverage import missing_of
from reports.build.step_series import States, line, states_of
from reports.model.cluster import AutoscalerCourse
from reports.model.parts import StepLine

__all__ = ["autoscaler_courses"]

KIND = "HorizontalPodAutoscaler"
NOT_LOOKED = "its controller has not looked yet"
NOT_MEASURED = "the autoscaler has no measurement"


def autoscaler_courses(history: History) -> tuple[AutoscalerCourse, ...]:
    """One course an autoscaler of the workload under test, in the order in which they were seen."""
    facts = history.facts
    courses = []
    for states in states_of(history, KIND, View).values():
        last = next(view for _, view in reversed(states) if view is not None)
        if AutoscalerView(last.raw).target == (facts.workload_kind, facts.workload_name):
            courses.append(_course(history, last.name, states))
    return tuple(courses)


def _course(history: History, name: str, states: States[View]) -> AutoscalerCourse:
    missing = missing_of(history, KIND)
    last = next(view for _, view in reversed(states) if view is not None)
    metric = next((name for name, _ in _wished(last)), "")

    def of(read: Callable[[View], int | None], unknown: str = NOT_LOOKED) -> StepLine:
        return line(history, states, read, missing=missing, unknown=unknown)

    return AutoscalerCourse(
        name=name,
        desired=of(lambda view: _counted(view, "desiredReplicas")),
        actual=of(lambda view: _counted(view, "currentReplicas")),
        least=of(lambda view: int(view.spec.get("minReplicas", 1))),
        most=of(lambda view: int(view.spec.get("maxReplicas", 1))),
        metric=metric,
        measured=of(lambda view: _measured(view, metric), NOT_MEASURED),
        target=of(lambda view: dict(_wished(view)).get(metric)),
    )


def _counted(view: View, name: str) -> int | None:
    """A count of the status; without any condition its zeros were written by nobody."""
    return int(view.status.get(name, 0)) if view.status.get("conditions") else None


def _wished(view: View) -> Iterator[tuple[str, int]]:
    """The metrics that are measured in percent of the request, with their targets."""
    for metric in view.spec.get("metrics") or ():
        name, part = _resource(metric)
        target = (part.get("target") or {}).get("averageUtilization")
        if target is not None:
            yield name, int(target)


def _measured(view: View, metric: str) -> int | None:
    """What it last measured, None where it says that it could not."""
    if view.condition("ScalingActive").get("status") == "False":
        return None
    for one in view.status.get("currentMetrics") or ():
        name, part = _resource(one or {})
        value = (part.get("current") or {}).get("averageUtilization")
        if name == metric and value is not None:
            return int(value)
    return None


def _resource(metric: Raw) -> tuple[str, Raw]:
    """The name and the body of a metric about a resource, of pods or of one of their containers."""
    part = metric.get("resource") or metric.get("containerResource") or {}
    return str(part.get("name", "")), part
