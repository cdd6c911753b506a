"""Autoscalers of foreign systems: own metrics, flags of the controller, pods that nobody makes or that load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling, cpu, hpa, spike_story
from histories import at, deployment

from chaos.checks import DecisionsRecomputed, ScaledUp
from chaos.checks.verdict import Answer, Finding
from chaos.history.facts.autoscaler import KIND
from chaos.objects.pod import PodView
from chaos.semantics.hpa.pod_groups import Groups, PodSample, ReplicaState, group_pods, replica_state
from chaos.semantics.hpa.replica_calculator import Proposal, Target, Tolerance, metric_replicas, strongest
from chaos.semantics.hpa.stabilization import Behaviour, Limits, Recommendation, Scaled, scaled
from chaos.slo import Slo

NOW_S = 1000.0
CPU_60 = Target("Utilization", 60)
SERVED = Slo(availability=0.9, latency_p99_s=2)

# --- decisions computed again -------------------------------------------------------------------------------------


def test_decisions_of_the_default_controller_are_reached() -> None:
    """A controller with its default flags decides what the samples ask for."""
    assert DecisionsRecomputed()(spike_story().history()).answer is Answer.PASS


def test_a_decision_that_a_finer_tolerance_explains_is_left_open() -> None:
    """A rise at 65 % of 60 % is right for a controller whose tolerance flag is 0.05, and the record has no flags."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).loaded(4, 30, 100)
    story.used(0, 40, 80, "a", "b").used(40, 120, 130, "a", "b").rescaled(60, 3, measured=65)
    finding = DecisionsRecomputed()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


FINER = {"hpa_tolerance": 0.05}
USUAL = {"hpa_tolerance": 0.1, "hpa_downscale_stabilization_s": 300}


@pytest.mark.parametrize(("flags", "answer"), [(FINER, Answer.PASS), (USUAL, Answer.FAIL)])
def test_a_recorded_tolerance_decides(flags: dict[str, float], answer: Answer) -> None:
    """The same rise at 65 % of 60 % follows from a tolerance of 0.05, and not from one of 0.1."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).loaded(4, 30, 100)
    story.used(0, 40, 80, "a", "b").used(40, 120, 130, "a", "b").rescaled(60, 3, measured=65)
    finding = DecisionsRecomputed()(flagged(story, flags).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("shown", "desired", "answer"), [(67, 3, Answer.UNKNOWN), (67, 7, Answer.FAIL), (60, 3, Answer.FAIL)]
)
def test_a_value_that_only_the_autoscaler_was_shown_leaves_its_decision_open(
    shown: int, desired: int, answer: Answer
) -> None:
    """What its own status shows and no sample gives may explain a decision; what it does not explain stays wrong."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115)
    story.used(0, 60, 120, "a", "b").used(60, 120, 88, "a", "b")
    story.saw(60, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
    story.saw(60.05, "MODIFIED", said(desired, measured=shown, at_s=60), KIND)
    finding = DecisionsRecomputed()(flagged(story, USUAL).history())
    assert finding.answer is answer, finding.line()
    assert (f"cpu was at {shown} %" in finding.line()) is (answer is Answer.UNKNOWN), finding.line()


def said(desired: int, *, measured: int, at_s: int, metrics: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The autoscaler that says by which value of the CPU it scaled, and when."""
    raw = hpa(desired, measured=measured, metrics=metrics)
    raw["status"]["lastScaleTime"] = f"2026-01-01T00:{at_s // 60:02}:{at_s % 60:02}Z"
    return raw


@pytest.mark.parametrize("shown", [41, 40])
def test_what_is_not_sampled_of_one_look_excuses_no_broken_window(shown: int) -> None:
    """Five were recommended up to 10 s before a fall to four, and the window is 30 s, whatever was shown in the end."""
    story = Scaling(140).stands("a", "b").loaded(1, 0, 135)
    story.used(0, 40, 80, "a", "b").used(40, 50, 200, "a", "b").saw(41, "MODIFIED", hpa(2, measured=100), KIND)
    story.made("c", 42.1, 46).made("d", 42.2, 47).used(50, 57, 140, *"abcd", every_s=7)
    story.made("e", 54.1, 58).used(57, 80, 100, *"abcde", every_s=23).used(80, 140, 82, *"abcde", every_s=60)
    for at_s, desired, measured in ((42, 4, 100), (54, 5, 70), (91, 4, shown)):
        story.saw(at_s, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
        story.saw(at_s + 0.05, "MODIFIED", said(desired, measured=measured, at_s=at_s), KIND)
    story.saw(58.5, "MODIFIED", said(5, measured=50, at_s=54), KIND)
    finding = DecisionsRecomputed()(flagged(story, USUAL).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_metric_that_was_given_right_before_a_decision_leaves_it_open() -> None:
    """Of the one metric of before and the two of after each is held against its own samples."""
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}
    both = [cpu(60), {"type": "Resource", "resource": memory}]
    before, after = hpa(2, measured=40, metrics=both), said(7, measured=40, at_s=60, metrics=both)
    for raw in (before, after):
        shown = {"name": "memory", "current": {"averageValue": "1500Mi"}}
        raw["status"]["currentMetrics"].append({"type": "Resource", "resource": shown})
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).used(0, 120, 80, "a", "b")
    story.saw(59, "MODIFIED", before, KIND).saw(60, "MODIFIED", deployment(7, spec=ASKING), "Deployment")
    finding = DecisionsRecomputed()(story.saw(60.05, "MODIFIED", after, KIND).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def flagged(story: Scaling, flags: Mapping[str, float | None]) -> Scaling:
    """The story with flags of the controller on record; None takes one off it."""
    known = story.parts["facts"]
    return story.has(facts=replace(known, raw={**known.raw, "timings": {**known.raw["timings"], **flags}}))


@pytest.mark.parametrize(("flags", "answer"), [({}, Answer.UNKNOWN), (USUAL, Answer.FAIL)])
def test_a_fall_that_a_shorter_window_explains_is_left_open(flags: dict[str, float], answer: Answer) -> None:
    """Without a window of its own the autoscaler has the controller's, which need not be 300 s."""
    raw = hpa(4, measured=60)
    raw["spec"]["behavior"] = None
    story = Scaling(500).stands(*"abcd", scaler=raw).loaded(1, 0, 495)
    story.used(0, 420, 120, *"abcd").used(420, 500, 40, *"abcd")
    story.saw(450, "MODIFIED", deployment(2, spec=ASKING), "Deployment")
    story.saw(450.05, "MODIFIED", {**raw, "status": hpa(2, measured=20)["status"]}, KIND)
    finding = DecisionsRecomputed()(flagged(story, flags).history())
    assert finding.answer is answer, finding.line()


def test_a_fall_is_explained_by_syncs_that_had_no_metrics() -> None:
    """A sync that got no answer recommends nothing: what it would have seen holds nothing up."""
    story = Scaling(150).stands(*"abcd").loaded(1, 0, 145)
    story.used(0, 60, 40, *"abcd").used(60, 70, 120, *"abcd").used(70, 150, 40, *"abcd")
    failing = [replace(one, error="503") if at(59) <= one.at_ns <= at(72) else one for one in story.parts["metrics"]]
    fallen = story.rescaled(75, 2, measured=20)
    assert DecisionsRecomputed()(fallen.history()).answer is Answer.FAIL
    finding = DecisionsRecomputed()(fallen.has(metrics=tuple(failing)).history())
    assert finding.answer is not Answer.FAIL, finding.line()


@pytest.mark.parametrize("reason", ["FailedGetResourceMetric", "AmbiguousSelector"])
def test_a_fall_is_explained_by_syncs_that_could_not_scale(reason: str) -> None:
    """The autoscaler says so itself, while the metrics API answers us."""
    story = Scaling(150).stands(*"abcd").loaded(1, 0, 145)
    story.used(0, 60, 40, *"abcd").used(60, 70, 120, *"abcd").used(70, 150, 40, *"abcd").rescaled(75, 2, measured=20)
    assert DecisionsRecomputed()(story.history()).answer is Answer.FAIL
    story.saw(59, "MODIFIED", hpa(4, inactive=reason), KIND).saw(72, "MODIFIED", hpa(4, measured=20), KIND)
    finding = DecisionsRecomputed()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def beside_a_sidecar(metric: str) -> Scaling:
    """From 59 s to 72 s only a sidecar of one of four pods is measured, while the others ask for four."""
    source = {"name": "cpu", **({"container": "m"} if metric == "ContainerResource" else {})}
    part = {**source, "target": {"type": "Utilization", "averageUtilization": 60}}
    raw = hpa(4)
    raw["spec"]["metrics"] = [{"type": metric, metric[0].lower() + metric[1:]: part}]
    story = Scaling(150).stands(*"abcd", scaler=raw).loaded(1, 0, 145)
    story.used(0, 60, 40, *"abcd").used(60, 70, 120, *"abcd").used(70, 150, 40, *"abcd")
    story.saw(75, "MODIFIED", deployment(2, spec=ASKING), "Deployment")
    story.saw(75.05, "MODIFIED", {**raw, "status": hpa(2)["status"]}, KIND)
    aside = {"sidecar": {"cpu": 120}}
    return story.has(
        metrics=tuple(
            replace(one, pods={**one.pods, "model-d": replace(one.pods["model-d"], containers=aside)})
            if at(59) <= one.at_ns <= at(72)
            else one
            for one in story.parts["metrics"]
        )
    )


@pytest.mark.parametrize(("metric", "answer"), [("ContainerResource", Answer.PASS), ("Resource", Answer.FAIL)])
def test_a_pod_without_the_measured_container_fails_the_metric(metric: str, answer: Answer) -> None:
    """A metric of one container asks for nothing while some pod is measured without it; one of whole pods does."""
    finding = DecisionsRecomputed()(beside_a_sidecar(metric).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        ({}, Answer.FAIL),
        ({"hpa_sync_s": 15}, Answer.FAIL),
        ({"hpa_sync_s": 60}, Answer.PASS),
        ({"hpa_sync_s": None}, Answer.UNKNOWN),
    ],
    ids=["each 5 s", "each 15 s", "each 60 s", "nobody knows"],
)
def test_a_fall_that_rarer_syncs_explain_is_left_open(flags: dict[str, Any], answer: Answer) -> None:
    """For 30 s within the window of 60 s the samples ask for four; who looks once a minute may not have seen it."""
    story = Scaling(200).stands(*"abcd", scaler=hpa(4, measured=60, window_s=60)).loaded(1, 0, 195)
    story.used(0, 60, 40, *"abcd").used(60, 90, 120, *"abcd").used(90, 200, 40, *"abcd")
    finding = DecisionsRecomputed()(flagged(story.rescaled(110, 2, measured=20, window_s=60), flags).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("resolution_s", "rises_s", "to", "answer"),
    [
        pytest.param(None, 42, 4, Answer.UNKNOWN, id="before our samples show it"),
        pytest.param(None, 51, 4, Answer.PASS, id="as they show it"),
        pytest.param(None, 42, 5, Answer.FAIL, id="another number"),
        pytest.param(None, 30, 4, Answer.FAIL, id="long before"),
        pytest.param(15, 42, 4, Answer.FAIL, id="before the one server that there is shows it"),
    ],
)
def test_a_second_metrics_server_may_show_it_before(
    resolution_s: float | None, rises_s: float, to: int, answer: Answer
) -> None:
    """From 50 s on our samples show 100 % of 60 %; who asks another replica of metrics-server may see it before."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).used(0, 50, 80, "a", "b").used(50, 120, 200, "a", "b")
    story.rescaled(rises_s, to, measured=100)
    finding = DecisionsRecomputed()(flagged(story, {"metrics_resolution_s": resolution_s}).history())
    assert finding.answer is answer, finding.line()
    assert ("a second metrics-server" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_wrong_number_is_wrong_however_rare_the_syncs_are() -> None:
    """Five replicas follow from no sample at all."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).used(0, 120, 80, "a", "b").rescaled(60, 5, measured=40)
    assert DecisionsRecomputed()(flagged(story, {"hpa_sync_s": None}).history()).answer is Answer.FAIL


# --- a rise that comes to nothing ---------------------------------------------------------------------------------


def wished(*, made: Sequence[str]) -> Finding:
    """Desired replicas rise from two to four in time; of the two new pods only these are ever made."""
    story = Scaling(200).stands("a", "b").loaded(1, 0, 195).loaded(4, 30, 150)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 4, measured=100)
    for uid in made:
        story.made(uid, 42.1, 46)
    return ScaledUp()(story.history())


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        ("", Answer.FAIL),
        ("c", Answer.FAIL),
        ("cd", Answer.PASS),
    ],
    ids=["none", "one of two", "both"],
)
def test_a_rise_needs_all_its_pods(made: str, answer: Answer) -> None:
    """A quota or a webhook that refuses the new pods leaves the spike unanswered, whatever the number says."""
    finding = wished(made=made)
    assert finding.answer is answer, finding.line()


# --- a metric of the system's own ---------------------------------------------------------------------------------

QUEUE = {"metric": {"name": "vllm:num_requests_waiting"}}
QUEUE_OF_5 = {"type": "Pods", "pods": {**QUEUE, "target": {"type": "AverageValue", "averageValue": "5"}}}


def queue_scaler(desired: int, waiting: int, *, failing: str = "") -> dict[str, Any]:
    """An autoscaler on the queue of the servers, five requests for each; `failing` is why it has no metrics."""
    raw = hpa(desired, inactive=failing)
    raw["spec"]["metrics"] = [QUEUE_OF_5]
    current = {**QUEUE, "current": {"averageValue": str(waiting)}}
    raw["status"]["currentMetrics"] = [{"type": "Pods", "pods": current}]
    return raw


def queued(*, risen_s: float | None = None, failing: str = "", slo: Slo | None = None) -> Finding:
    """From 30 s to 150 s the load is tenfold and users wait; from 40 s the autoscaler shows 20 of 5.

    Desired replicas rise to six at `risen_s`, if ever.
    """
    story = Scaling(200).stands("a", "b", scaler=queue_scaler(2, 1)).loaded(1, 0, 150).loaded(9, 30, 150)
    story.saw(40, "MODIFIED", queue_scaler(2, 20, failing=failing), KIND)
    if risen_s is not None:
        story.saw(risen_s, "MODIFIED", deployment(6, spec=ASKING), "Deployment")
        story.saw(risen_s + 0.05, "MODIFIED", queue_scaler(6, 20), KIND)
        for uid in "efgh":
            story.made(uid, risen_s + 0.2, risen_s + 6)
    return ScaledUp(slo)(story.slow(30, 150).history())


@pytest.mark.parametrize("slo", [None, SERVED], ids=["replicas alone", "users too"])
def test_an_autoscaler_that_does_nothing_is_named(slo: Slo | None) -> None:
    """An autoscaler that shows 20 of 5 for 110 s and raises nothing is at fault, and not its metric."""
    finding = queued(slo=slo)
    assert finding.answer is Answer.FAIL, finding.line()
    assert "never passed its target" not in finding.reason
    assert "does not move this metric" not in finding.reason


def test_a_metric_that_cannot_be_read_is_unknown() -> None:
    """An autoscaler that has no metrics from the adapter says so itself."""
    finding = queued(failing="FailedGetPodsMetric", slo=SERVED)
    assert finding.answer is Answer.UNKNOWN
    assert "FailedGetPodsMetric" in finding.reason


def test_nobody_promises_how_soon_a_custom_metric_shows_the_load() -> None:
    """A scrape and an adapter of 30 s each make a first rise after 60 s, which no bound of ours is about."""
    finding = queued(risen_s=90)
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- the controller's own arithmetic ------------------------------------------------------------------------------


def grouped(pods: Sequence[ReplicaState], usage: Sequence[int]) -> tuple[Groups, Proposal]:
    """How three desired replicas' pods are sorted, and what they ask for when they use so much."""
    samples = {pod.name: PodSample(used, NOW_S - 1, 15) for pod, used in zip(pods, usage, strict=True)}
    groups = group_pods(pods, samples, cpu=True, now_s=NOW_S, cpu_initialization_s=300, initial_readiness_s=30)
    return groups, metric_replicas(pods, samples, groups, CPU_60, current=3, tolerance=Tolerance())


@pytest.mark.parametrize(("used", "replicas"), [(400, 4), (600, 3), (700, 7)])
def test_the_pods_of_both_releases_count(used: int, replicas: int) -> None:
    """In a rollout all six Ready pods of three replicas are counted, so a change starts from six."""
    pods = [ReplicaState(f"p{number}", request=1000) for number in range(6)]
    assert grouped(pods, [used] * 6)[1].replicas == replicas


def asked_of(spec: dict[str, Any], container: str = "") -> int | None:
    """The CPU that the autoscaler takes a pod to ask for."""
    return replica_state(PodView({"metadata": {"name": "p"}, "spec": spec}), "cpu", container).request


def asking(cpu: str, **more: Any) -> dict[str, Any]:
    """A container that asks for so much CPU, if any."""
    return {"name": "m", "resources": {"requests": {"cpu": cpu} if cpu else {}}, **more}


def test_a_pods_own_requests_come_with_what_is_reserved_for_it() -> None:
    """Where a pod has requests of its own, overhead counts, and what they leave out is reserved for its containers.

    Without them neither overhead nor init containers count, and a named container comes before both.
    """
    whole = {"containers": [asking("500m")], "overhead": {"cpu": "100m"}, "initContainers": [asking("2")]}
    assert asked_of(whole) == 500
    assert asked_of({**whole, "resources": {"requests": {"cpu": "1"}}}) == 1100
    assert asked_of({**whole, "resources": {"requests": {"memory": "1Gi"}}}) == 2100
    assert asked_of({**whole, "resources": {"requests": {"cpu": "1"}}}, "m") == 500
    assert asked_of({"containers": [asking("")], "resources": {"requests": {"memory": "1Gi"}}}) is None


def loading(for_s: float) -> tuple[Groups, Proposal]:
    """Two replicas at half their request, and a third one that has been loading its model for so long."""
    began_s = NOW_S - for_s
    young = ReplicaState("new", request=1000, ready=False, ready_since_s=began_s, started_s=began_s)
    old = [ReplicaState("a", request=1000), ReplicaState("b", request=1000)]
    return grouped([*old, young], [500, 500, 4000])


def test_a_pod_that_loads_its_model_does_not_count() -> None:
    """What a replica burns while it loads says nothing of the load: two at 50 % of 60 % need two."""
    groups, proposal = loading(20)
    assert groups.unready == {"new"}
    assert (proposal.replicas, proposal.measured) == (2, 50)


def test_a_pod_that_was_never_ready_goes_on_not_counting() -> None:
    """A load of the model that outlasts the CPU initialisation leaves the pod unready all the same."""
    assert loading(400)[0].unready == {"new"}


WINDOWED = {
    "behavior": {
        "scaleDown": {
            "stabilizationWindowSeconds": 600,
            "policies": [{"type": "Pods", "value": 2, "periodSeconds": 180}],
        },
        "scaleUp": {
            "stabilizationWindowSeconds": 300,
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 30}],
        },
    }
}


@pytest.mark.parametrize(
    "past",
    [
        [(500, 25), (600, 24), (700, 23), (800, 21), (900, 21)],
        [(500, 25), (750, 24), (800, 21), (900, 22), (990, 21)],
    ],
    ids=["a long fall", "higher all the time"],
)
def test_a_low_wish_makes_no_rise_out_of_former_ones(past: list[tuple[float, int]]) -> None:
    """With 17 replicas and a wish for 14, higher wishes within both windows hold the fall and raise nothing."""
    found = scaled(
        Proposal(14),
        current=17,
        limits=Limits(2, 40),
        behaviour=Behaviour.of(WINDOWED),
        now_s=NOW_S,
        recommendations=[Recommendation(at_s, replicas) for at_s, replicas in past],
    )
    assert found == Scaled(17, 17)


def test_a_missing_metric_forbids_a_fall() -> None:
    """Where one of two metrics has no figure, the other one's wish for fewer is not followed."""
    assert strongest([Proposal(2), Proposal(None, reason="no metrics")], current=6).replicas is None
