"""Views of autoscalers: whose they are, what they look at, and what they say of themselves."""

from __future__ import annotations

from autoscaler_stories import Scaling, cpu, hpa
from histories import at

from chaos.history.facts.autoscaler import KIND, AutoscalerView, MetricView, autoscalers


def test_the_autoscalers_of_the_workload_alone_are_given() -> None:
    """One that scales another workload is no concern of the trial."""
    other = hpa(2, name="other")
    other["spec"]["scaleTargetRef"]["name"] = "database"
    story = Scaling(100).stands("a", "b").saw(1, "ADDED", other, KIND).saw(20, "MODIFIED", hpa(5), KIND)
    (life,) = autoscalers(story.saw(60, "DELETED", hpa(5), KIND).history())
    assert (life.name, life.first_ns, life.listed, life.gone_ns) == ("model", at(0), True, at(60))
    assert [life.at(at(second)).desired for second in (0, 19.9, 20, 50)] == [2, 2, 5, 5]


def test_fields_read_as_kubernetes_means_them() -> None:
    """An absent minimum is 1; conditions are quoted; a metric that failed is an empty entry of the status."""
    raw = hpa(3, measured=70, inactive="FailedGetResourceMetric")
    del raw["spec"]["minReplicas"]
    raw["status"]["conditions"].append({"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"})
    raw["status"]["currentMetrics"].append({"type": ""})
    view = AutoscalerView(raw)
    assert (view.least, view.most, view.desired) == (1, 8, 3)
    assert (view.inactive, view.limited) == ("FailedGetResourceMetric: no", "TooManyReplicas")
    assert [(one.name, seen.amount("Utilization")) for one, seen in view.readings] == [("cpu", 70)]
    assert AutoscalerView(hpa(2)).inactive == ""


def test_metrics_have_their_names() -> None:
    """A resource by its name, one of a container with that, any other by the metric's."""
    assert MetricView(cpu(60)).name == "cpu"
    of_container = {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "m"}}
    assert MetricView(of_container).name == "cpu of m"
    pods = MetricView({"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"averageValue": "5"}}})
    assert (pods.name, pods.amount("Utilization")) == ("queue", None)
