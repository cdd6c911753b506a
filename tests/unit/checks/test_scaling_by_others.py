"""Rises and falls that others make, refuse or hold up, and healthy autoscalers that are not the usual one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling, aged, at_maximum, cpu, hpa
from histories import at, deployment, pod

from chaos.checks import DecisionsRecomputed, HeldAtMaximum, NoFlapping, ScaledDown, ScaledUp, WithinLimits
from chaos.checks.verdict import Answer
from chaos.history import Gap, LoadPoint
from chaos.history.facts.autoscaler import KIND
from chaos.slo import Slo

USERS = Slo(availability=0.9, latency_p99_s=2)
FIVE_EACH = {"type": "AverageValue", "averageValue": "5"}
QUEUE = {"type": "External", "external": {"metric": {"name": "s0-prometheus"}, "target": FIVE_EACH}}


def scaler(desired: int, value: str = "", *, least: int = 2, **status: Any) -> dict[str, Any]:
    """An autoscaler on the length of a queue, five for each replica; `value` is what its status shows."""
    raw = hpa(desired, limits=(least, 8))
    raw["spec"]["metrics"] = [QUEUE]
    shown = {"metric": QUEUE["external"]["metric"], "current": {"averageValue": value}}
    raw["status"] |= {"currentMetrics": [{"type": "External", "external": shown}] if value else [], **status}
    return raw


def off(reason: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The autoscaler, which says that it is off."""
    condition = {"type": "ScalingActive", "status": "False", "reason": reason, "message": "no"}
    return {**raw, "status": {**raw["status"], "conditions": [condition]}}


def spike(end_s: float = 300, *, scaler: Mapping[str, Any] | None = None, until_s: float = 200) -> Scaling:
    """Five times the load from 30 s on, over two replicas."""
    story = Scaling(end_s).stands("a", "b", scaler=scaler)
    return story.loaded(1, 0, end_s - 5).loaded(4, 30, until_s)


def risen() -> Scaling:
    """The autoscaler sets four at 42 s, for a spike that ends at 200 s."""
    return spike().saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 4, measured=100)


# --- the pods of a rise -------------------------------------------------------------------------------------------


def test_a_new_pod_that_is_taken_and_not_replaced_is_missed() -> None:
    """Two pods are made, one is deleted before it is Ready, and no other comes: three of four are there."""
    gone = aged(pod("d", running=True, deleting=True, spec=ASKING), 42, None)
    story = risen().made("c", 42.1, 46).made("d", 42.2, None)
    story.saw(44, "MODIFIED", gone).saw(45, "DELETED", gone)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "no pod was made for replica 4 of 4 within 29 s" in finding.reason


def test_a_new_pod_that_is_taken_and_replaced_is_not() -> None:
    """The same, with a successor that is Ready in its own time."""
    gone = aged(pod("d", running=True, deleting=True, spec=ASKING), 42, None)
    story = risen().made("c", 42.1, 46).made("d", 42.2, None)
    story.saw(44, "MODIFIED", gone).saw(45, "DELETED", gone).made("e", 44.1, 50)
    assert ScaledUp()(story.history()).answer is Answer.PASS


def test_a_new_pod_that_fails_does_not_count() -> None:
    """The kubelet fails it for want of memory, its object stays, and no other comes."""
    failed = aged(pod("d", spec=ASKING), 42, None)
    failed["status"]["phase"] = "Failed"
    finding = ScaledUp()(risen().made("c", 42.1, 46).made("d", 42.2, None).saw(44, "MODIFIED", failed).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "no pod was made for replica 4 of 4 within 29 s" in finding.reason


@pytest.mark.parametrize(("ready_s", "answer"), [(50, Answer.PASS), (80, Answer.FAIL)])
def test_a_new_pod_that_fails_and_is_replaced_counts_as_the_next(ready_s: float, answer: Answer) -> None:
    """A kubelet fails a pod whose device is not there yet (UnexpectedAdmissionError), and the next one has its time."""
    failed = aged(pod("d", spec=ASKING), 42, None)
    failed["status"]["phase"] = "Failed"
    story = risen().made("c", 42.1, 46).made("d", 42.2, None).saw(44, "MODIFIED", failed).made("e", 44.1, ready_s)
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()
    assert "model-d" not in finding.reason


def test_a_new_pod_that_does_not_stay_ready_is_open() -> None:
    """It was Ready in time, and is not for the rest of the spike."""
    story = risen().made("c", 42.1, 46).made("d", 42.2, 46)
    story.saw(60, "MODIFIED", aged(pod("d", running=True, spec=ASKING), 42, None))
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "model-d was Ready after 3.8 s, and not Ready when the spike ended" in finding.reason


def test_a_pod_that_never_finds_room_is_open_with_the_schedulers_words() -> None:
    """All nodes' devices are taken to the end of the record."""
    waiting = aged(pod("c", node="", spec=ASKING), 42, None)
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "1 Insufficient gpu."}
    waiting["status"]["conditions"].append(why)
    story = spike().saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100)
    finding = ScaledUp()(story.saw(42.1, "ADDED", waiting).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the scheduler says: 1 Insufficient gpu." in finding.reason


def test_a_new_pod_that_is_ready_in_time_after_the_spike_is_kept() -> None:
    """A pod that is made at the end of the spike has its time all the same."""
    story = spike(until_s=80).saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100)
    story.made("c", 42.1, 46).rescaled(78, 4, measured=90).made("d", 78.1, 84)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def one_step(scaler: Mapping[str, Any]) -> Scaling:
    """The autoscaler rises by one at 42 s, and never again, while each of its pods goes on using 100 % of 60 %."""
    story = spike(scaler=scaler).used(0, 40, 80, "a", "b").used(40, 300, 200, "a", "b", "c")
    story.saw(42, "MODIFIED", deployment(3, spec=ASKING), "Deployment")
    story.saw(42.05, "MODIFIED", {**scaler, "status": hpa(3, measured=100)["status"]}, KIND)
    return story.made("c", 42.1, 46)


def test_one_step_is_not_enough_where_the_metrics_ask_for_more() -> None:
    """The samples ask for five for minutes: FAIL; PASS with rates of one pod in ten minutes, which allow no more."""
    finding = ScaledUp()(one_step(hpa(2, measured=40)).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "desired replicas did not rise further, though cpu was over its target" in finding.reason
    slow = hpa(2, measured=40)
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 600}]
    slow["spec"]["behavior"]["scaleUp"] = {"policies": policies}
    finding = ScaledUp()(one_step(slow).history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(
    ("further_s", "assumed", "answer"),
    [
        pytest.param(82, ("hpa_sync_s",), Answer.UNKNOWN, id="late, and who knows when it looks"),
        pytest.param(82, (), Answer.FAIL, id="late"),
        pytest.param(60, (), Answer.PASS, id="in time"),
        pytest.param(None, ("hpa_sync_s",), Answer.FAIL, id="never, however seldom it looks"),
    ],
)
def test_a_further_step_may_be_late_as_the_cluster_is_set(
    further_s: float | None, assumed: tuple[str, ...], answer: Answer
) -> None:
    """From 52 s on, when the third pod counts, the samples ask for five."""
    story = one_step(hpa(2, measured=40))
    if further_s is not None:
        story.rescaled(further_s, 5, measured=100)
        story.made("d", further_s + 0.1, further_s + 4).made("e", further_s + 0.1, further_s + 4)
    known = story.parts["facts"]
    given = {name: value for name, value in known.raw["timings"].items() if name not in assumed}
    finding = ScaledUp()(story.has(facts=replace(known, raw={**known.raw, "timings": given})).history())
    assert finding.answer is answer, finding.line()


def queued(value: str, *, still_s: float = 200, limits: tuple[int, int] = (2, 8), **behavior: Any) -> Scaling:
    """An autoscaler on a queue rises by one at 36 s, and never again; from 60 s up to a moment it shows this value."""

    def scaling(desired: int, shown: str) -> dict[str, Any]:
        raw = scaler(desired, shown)
        raw["spec"] |= {"minReplicas": limits[0], "maxReplicas": limits[1]}
        raw["spec"]["behavior"] |= behavior
        return raw

    story = spike(scaler=scaling(2, "3")).saw(35, "MODIFIED", scaling(2, "6"), KIND)
    story.saw(36, "MODIFIED", deployment(3, spec=ASKING), "Deployment").saw(36.05, "MODIFIED", scaling(3, "6"), KIND)
    story.made("c", 36.1, 40).saw(60, "MODIFIED", scaling(3, value), KIND)
    return story if still_s >= 200 else story.saw(still_s, "MODIFIED", scaling(3, "4500m"), KIND)


ONCE = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}]}


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(queued("5"), Answer.PASS, id="three are enough"),
        pytest.param(queued("12"), Answer.FAIL, id="eight are asked for, to the end"),
        pytest.param(queued("12", still_s=62), Answer.PASS, id="eight are asked for, for a moment"),
        pytest.param(queued("12", limits=(2, 3)), Answer.PASS, id="there are as many as there may be"),
        pytest.param(queued("12", scaleUp=ONCE), Answer.PASS, id="its rates let it rise no further"),
    ],
)
def test_one_step_is_not_enough_where_its_own_status_asks_for_more(story: Scaling, answer: Answer) -> None:
    """Of a queue nobody takes samples; but the autoscaler says itself what it reads for the three that are there."""
    finding = ScaledUp()(timed(story, metric_delay_s=10).history())
    assert finding.answer is answer, finding.line()
    assert ("did not rise further, though s0-prometheus was over" in finding.reason) == (answer is Answer.FAIL)


# --- who made it --------------------------------------------------------------------------------------------------


def test_a_rise_of_somebody_elses_is_no_pass_of_the_autoscaler() -> None:
    """An operator sets four while the autoscaler goes on saying two."""
    story = spike().saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment")
    finding = ScaledUp()(story.made("c", 42.1, 46).made("d", 42.2, 46).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the autoscaler did not ask for it" in finding.reason


def test_a_status_that_follows_somebody_else_is_no_change_of_the_autoscaler() -> None:
    """At its next sync it reports the five that somebody set, with the lastScaleTime of long ago."""

    def stamped(desired: int, when: str) -> dict[str, Any]:
        raw = hpa(desired, measured=60)
        return {**raw, "status": {**raw["status"], "lastScaleTime": when}}

    story = spike(scaler=stamped(2, "2026-01-01T00:00:00Z"))
    story.saw(42, "MODIFIED", deployment(5, spec=ASKING), "Deployment")
    for uid in "cde":
        story.made(uid, 42.1, 46)
    follows = story.saw(44, "MODIFIED", stamped(5, "2026-01-01T00:00:00Z"), KIND)
    assert ScaledUp()(follows.history()).answer is Answer.UNKNOWN
    decided = story.saw(42.05, "MODIFIED", stamped(5, "2026-01-01T00:10:00Z"), KIND)
    assert ScaledUp()(decided.history()).answer is Answer.PASS


def able(desired: int, *, stamp: str = "") -> dict[str, Any]:
    """The autoscaler as its controller writes it; without a stamp it never scaled in its life."""
    raw = hpa(desired, measured=60)
    conditions = [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended"}]
    return {**raw, "status": {**raw["status"], "conditions": conditions, **({"lastScaleTime": stamp} if stamp else {})}}


@pytest.mark.parametrize(("stamp", "answer"), [("", Answer.UNKNOWN), ("2026-01-01T00:00:42Z", Answer.PASS)])
def test_an_autoscaler_that_never_scaled_made_no_rise(stamp: str, answer: Answer) -> None:
    """A new one reports what somebody set, without any lastScaleTime; its own first rise has one."""
    story = spike(scaler=able(2)).saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment")
    story.made("c", 42.1, 46).made("d", 42.2, 46).saw(44, "MODIFIED", able(4, stamp=stamp), KIND)
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("the autoscaler did not ask for it" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("stamp", "answer"), [("", Answer.UNKNOWN), ("2026-01-01T00:00:", Answer.FAIL)])
def test_turns_that_it_only_reports_are_none_of_a_new_autoscaler(stamp: str, answer: Answer) -> None:
    """Somebody goes up, down and up again: open; where the autoscaler did, it flaps."""
    story = spike(scaler=able(2))
    for at_s, desired in ((60, 4), (100, 2), (140, 4)):
        story.saw(at_s, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
        story.saw(at_s + 1, "MODIFIED", able(desired, stamp=stamp and f"{stamp}{at_s}"), KIND)
    finding = NoFlapping()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("type_", "answer"), [("ADDED", Answer.UNKNOWN), ("DELETED", Answer.FAIL)])
def test_an_event_says_what_a_lost_status_does_not(type_: str, answer: Answer) -> None:
    """The write of the status failed, and the Event of the rescale says whose it was; one that expires does not."""
    about = {"kind": KIND, "uid": "hpa-model"}
    event = {"metadata": {"uid": "e"}, "reason": "SuccessfulRescale", "involvedObject": about}
    story = at_maximum().saw(70, "MODIFIED", deployment(3), "Deployment")
    assert HeldAtMaximum()(story.history()).answer is Answer.FAIL
    story.saw(70.01, type_, {**event, "message": "New size: 3; reason: All metrics below target"}, "Event")
    finding = HeldAtMaximum()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("by the autoscaler" in finding.reason) is (answer is Answer.UNKNOWN)


def test_a_number_set_back_soon_after_the_rise_is_somebody_elses() -> None:
    """The autoscaler's status said two until 47 s; two at 50 s was set by somebody else."""
    story = spike().saw(46, "MODIFIED", hpa(2, measured=100), KIND).rescaled(47, 4, measured=100)
    story.made("c", 47.1, 51).made("d", 47.1, 51)
    story.saw(50, "MODIFIED", deployment(2, spec=ASKING), "Deployment").ends(50.1, "c", "d")
    story.rescaled(57, 4, measured=100).made("e", 57.2, 62).made("f", 57.3, 62)
    finding = NoFlapping()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "desired replicas 4 to 2, and the autoscaler did not ask for it" in finding.reason


def test_a_rise_to_a_new_minimum_follows_no_load() -> None:
    """The owners set a minimum of three in the spike, which needs no metric; a fourth replica is for the load."""
    raised: dict[str, Any] = {"measured": 55, "limits": (3, 8)}
    story = spike().saw(40, "MODIFIED", hpa(2, **raised), KIND).rescaled(41, 3, **raised).made("c", 41.1, 45)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "desired replicas 2 to 3, which only brings it to the minimum" in finding.reason
    followed = story.rescaled(50, 4, measured=75, limits=(3, 8)).made("d", 50.1, 54)
    finding = ScaledUp()(followed.history())
    assert finding.answer is Answer.PASS, finding.line()


def test_without_an_autoscaler_the_pods_of_a_rise_are_owed_all_the_same() -> None:
    """Something raises the number and no pod comes: FAIL."""
    story = spike(scaler={}).saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment")
    finding = ScaledUp()(story.made("c", 42.1, 46).history())
    assert finding.answer is Answer.FAIL
    assert "no pod was made for replica 4 of 4" in finding.reason


def test_an_autoscaler_that_was_deleted_before_is_named() -> None:
    """KEDA deletes the autoscaler of a ScaledObject that is paused; nothing follows the load then."""
    finding = ScaledUp()(spike().saw(20, "DELETED", hpa(2, measured=40), KIND).history())
    assert finding.answer is Answer.FAIL
    assert "no autoscaler scales model: model was deleted before the load rose" in finding.reason


def test_an_autoscaler_made_anew_in_the_spike_is_open() -> None:
    """Which memory it had is not known."""
    again = hpa(2, measured=100)
    again["metadata"] = {**again["metadata"], "uid": "hpa-second"}
    story = spike().saw(40, "DELETED", hpa(2), KIND).saw(41, "ADDED", again, KIND)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert "made anew" in finding.reason


@pytest.mark.parametrize("check", [ScaledUp(USERS), ScaledDown()], ids=["up", "down"])
def test_two_autoscalers_on_the_same_pods_are_named_as_such(check: ScaledUp | ScaledDown) -> None:
    """The controller does not scale where pods belong to two; that is no lack of metrics."""
    story = spike(until_s=90).slow(30, 90).rescaled(35, 4, measured=100).made("c", 35.1, 40).made("d", 35.1, 40)
    if isinstance(check, ScaledUp):
        story = spike().slow(30, 200)
    story.saw(38, "MODIFIED", off("AmbiguousSelector", hpa(4)), KIND)
    finding = check(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the autoscaler could not scale: AmbiguousSelector: no" in finding.reason
    assert "metrics-server" not in finding.settle


# --- the metric ---------------------------------------------------------------------------------------------------


def timed(story: Scaling, **timings: float) -> Scaling:
    """The story with more timings on record."""
    known = story.parts["facts"]
    return story.has(facts=replace(known, raw={**known.raw, "timings": {**known.raw["timings"], **timings}}))


@pytest.mark.parametrize(("age_s", "answer"), [(60, Answer.PASS), (30, Answer.FAIL)])
def test_a_declared_age_of_the_metric_makes_a_bound(age_s: float, answer: Answer) -> None:
    """A first rise 50 s after the step: in time for a metric that may be a minute old, late for half of it."""
    story = spike(scaler=scaler(2, "2")).saw(79, "MODIFIED", scaler(2, "12"), KIND)
    story.saw(80, "MODIFIED", deployment(3, spec=ASKING), "Deployment").saw(80.05, "MODIFIED", scaler(3, "12"), KIND)
    finding = ScaledUp()(timed(story.made("c", 80.1, 84), metric_delay_s=age_s).history())
    assert finding.answer is answer, finding.line()


def test_a_foreign_metric_that_never_passed_its_target_may_only_be_late() -> None:
    """Users wait, and the queue that the autoscaler shows is of nobody knows when."""
    finding = ScaledUp(USERS)(spike(scaler=scaler(2, "2")).slow(30, 200).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "nobody promises how soon a metric of type External shows the load" in finding.reason


def test_a_metric_that_was_never_read_moves_with_nothing() -> None:
    """Users wait, and the status shows no value of any metric: that it does not move is not known."""
    finding = ScaledUp(USERS)(spike(scaler=hpa(2)).slow(30, 200).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "cpu could not be read" in finding.reason


def test_a_value_as_a_whole_over_its_target_calls_for_a_rise() -> None:
    """An Object metric with a Value of 400 against 100 is four times too much."""
    part = {"metric": {"name": "hits"}, "describedObject": {"kind": "Service", "name": "model"}}
    spec = {"type": "Object", "object": {**part, "target": {"type": "Value", "value": "100"}}}
    raw = hpa(2)
    raw["spec"]["metrics"] = [spec]
    raw["status"]["currentMetrics"] = [{"type": "Object", "object": {**part, "current": {"value": "400"}}}]
    finding = ScaledUp()(spike(scaler=hpa(2, measured=40)).saw(50, "MODIFIED", raw, KIND).history())
    assert finding.answer is Answer.UNKNOWN  # the autoscaler was given other metrics in the spike
    finding = ScaledUp()(spike(scaler=raw).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "hits was over its target 0.0 s after the step (400 of 100)" in finding.reason


def test_pods_that_are_not_ready_hold_a_rise_back() -> None:
    """One of two at 75 % of 60 %, the other one not Ready: with it at nothing the average asks for no more."""
    story = spike().saw(31, "MODIFIED", aged(pod("b", running=True, spec=ASKING), -100, None))
    finding = ScaledUp()(story.saw(50, "MODIFIED", hpa(2, measured=75), KIND).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    both = ScaledUp()(spike().saw(50, "MODIFIED", hpa(2, measured=75), KIND).history())
    assert both.answer is Answer.FAIL


def test_a_rise_that_waits_for_a_pod_is_not_late() -> None:
    """The metric is over in time, but one of two pods is not Ready until 70 s, and the rise comes at 85 s."""
    held = spike().saw(45, "MODIFIED", hpa(2, measured=75), KIND)
    held.rescaled(85, 3, measured=75).made("c", 85.1, 89)
    assert ScaledUp()(held.history()).answer is Answer.FAIL
    held.saw(31, "MODIFIED", aged(pod("b", running=True, spec=ASKING), -100, None))
    finding = ScaledUp()(held.saw(70, "MODIFIED", aged(pod("b", ready=True, spec=ASKING), -100, 70)).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "pods that are not Ready or not measured may have held it back" in finding.reason


@pytest.mark.parametrize(("known", "answer"), [("ab", Answer.FAIL), ("a", Answer.UNKNOWN)])
def test_a_pod_without_a_sample_holds_a_rise_back(known: str, answer: Answer) -> None:
    """75 % of 60 % of the one pod that is measured is less than the target for two; of a container as of a pod."""
    part = {"name": "cpu", "container": "m"}
    target = {"type": "Utilization", "averageUtilization": 60}
    raw = hpa(2)
    raw["spec"]["metrics"] = [{"type": "ContainerResource", "containerResource": {**part, "target": target}}]
    shown = {"type": "ContainerResource", "containerResource": {**part, "current": {"averageUtilization": 75}}}
    raw["status"]["currentMetrics"] = [shown]
    finding = ScaledUp()(spike(scaler=raw).used(0, 300, 150, *known).history())
    assert finding.answer is answer, finding.line()
    assert "cpu of m was over its target" in finding.reason


def test_a_metric_that_comes_and_goes_is_held_by_the_window() -> None:
    """A window of 60 s takes the lowest recommendation of a minute; over for 20 s of it calls for nothing."""
    raw = hpa(2, measured=40)
    raw["spec"]["behavior"]["scaleUp"] = {"stabilizationWindowSeconds": 60}
    over = {**raw, "status": hpa(2, measured=100)["status"]}
    story = spike(scaler=raw)
    for at_s in (60, 120, 180):
        story.saw(at_s, "MODIFIED", over, KIND).saw(at_s + 20, "MODIFIED", raw, KIND)
    assert ScaledUp()(story.history()).answer is Answer.UNKNOWN
    stays = ScaledUp()(spike(scaler=raw).saw(60, "MODIFIED", over, KIND).history())
    assert stays.answer is Answer.FAIL


def test_rates_that_let_nothing_rise_break_no_promise() -> None:
    """With selectPolicy Disabled the autoscaler never rises, as its owners want it."""
    raw = hpa(2, measured=100)
    raw["spec"]["behavior"]["scaleUp"] = {"selectPolicy": "Disabled"}
    finding = ScaledUp()(spike(scaler=raw).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the autoscaler's own rates never let it rise" in finding.reason


def test_a_refused_rise_is_told_in_the_autoscalers_words() -> None:
    """The number is computed, and a webhook or a missing right refuses it."""
    refused = {"type": "AbleToScale", "status": "False", "reason": "FailedUpdateScale", "message": "denied"}
    raw = hpa(2, measured=100)
    raw["status"]["conditions"] = [refused]
    finding = ScaledUp()(spike().saw(45, "MODIFIED", raw, KIND).history())
    assert finding.answer is Answer.FAIL
    assert "FailedUpdateScale: denied" in finding.reason


def test_a_slow_rise_of_the_load_is_not_felt_at_its_begin() -> None:
    """From 30 s the load grows for 100 s; near the end of that the metric passes its target, and is followed."""
    story = Scaling(300).stands("a", "b").loaded(1, 0, 295).traffic(rate_rps=4, begin_s=30, end_s=250)
    *others, last = story.parts["streams"]
    points = (LoadPoint(at(30), 0.0), LoadPoint(at(130), 4.0))
    story.has(streams=(*others, replace(last, rate_rps=0.0, rate_profile=points)))
    story.saw(120, "MODIFIED", hpa(2, measured=75), KIND).rescaled(121, 3, measured=75).made("c", 121.1, 125)
    assert ScaledUp()(story.history()).answer is Answer.PASS


def unsent(story: Scaling, share: float) -> Scaling:
    """Of each hundred requests of the spike's own stream so many are never sent."""
    for row in story.rows:
        if row["stream"] == "steady-2" and row["id"] % 100 < 100 * share:
            row |= {"outcome": "unsent", "sent_ns": None}
    return story


@pytest.mark.parametrize(("share", "answer"), [(1, Answer.UNKNOWN), (0.1, Answer.UNKNOWN), (0, Answer.FAIL)])
def test_a_load_that_was_not_sent_moves_no_metric(share: float, answer: Answer) -> None:
    """Users wait, cpu stays at half of its target, and the spike was not given to the system, or not all of it."""
    story = spike().slow(30, 200).saw(45, "MODIFIED", hpa(2, measured=30), KIND)
    finding = ScaledUp(USERS)(unsent(story, share).history())
    assert finding.answer is answer, finding.line()
    assert "the load does not move this metric" in finding.reason
    assert ("of the spike were never sent" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_metric_over_its_target_is_ignored_whatever_was_sent() -> None:
    """The autoscaler's own status asks for more for minutes, and nothing rises."""
    story = spike().saw(45, "MODIFIED", hpa(2, measured=100), KIND)
    assert ScaledUp()(unsent(story, 0.5).history()).answer is Answer.FAIL


@pytest.mark.parametrize(
    ("rate_rps", "slow_s", "answer"),
    [(1, 0, Answer.PASS), (0.05, 0, Answer.UNKNOWN), (0.05, 100, Answer.UNKNOWN), (0.05, 105, Answer.FAIL)],
)
def test_few_requests_say_nothing_of_users(rate_rps: float, slow_s: float, answer: Answer) -> None:
    """Fifteen answers in the spike that are all in time, or the last of them, prove nothing; where none is, they do."""
    story = Scaling(200).stands("a", "b").loaded(rate_rps, 0, 195).loaded(3 * rate_rps, 30, 105)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 4, measured=100)
    finding = ScaledUp(USERS)(story.made("c", 42.1, 46).made("d", 42.2, 46).slow(30, slow_s).history())
    assert finding.answer is answer, finding.line()
    assert ("fewer than 20 requests" in finding.reason) == (answer is Answer.UNKNOWN)


def unstreamed(rate_rps: float, slow_s: float, *, lost: int = 0, before: bool = True) -> Scaling:
    """A spike that is followed, whose answers come in one piece, late up to a moment; of its last so many are lost."""
    story = Scaling(200).stands("a", "b").loaded(rate_rps, 0, 195).loaded(3 * rate_rps, 30, 105)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 4, measured=100)
    story.made("c", 42.1, 46).made("d", 42.2, 46).slow(30, slow_s)
    for row in story.rows:
        if before or row["intended_ns"] >= at(30):
            row["first_token_ns"] = None
    return story.fate(range(len(story.rows) - lost, len(story.rows)), "failed")


@pytest.mark.parametrize(
    ("story", "slo", "answer"),
    [
        pytest.param(unstreamed(1, 0), USERS, Answer.PASS, id="an SLO without times of tokens"),
        pytest.param(unstreamed(1, 0), Slo(first_token_p99_s=2), Answer.UNKNOWN, id="first token"),
        pytest.param(unstreamed(1, 0), Slo(latency_p99_s=2, token_gap_p99_s=1), Answer.UNKNOWN, id="token gap"),
        pytest.param(unstreamed(0.05, 0), Slo(first_token_p99_s=2), Answer.UNKNOWN, id="few requests, too"),
        pytest.param(
            unstreamed(1, 105), Slo(latency_p99_s=2, first_token_p99_s=2), Answer.FAIL, id="late as a whole to the end"
        ),
        pytest.param(unstreamed(1, 0, lost=60), Slo(first_token_p99_s=2), Answer.FAIL, id="lost at the end"),
        pytest.param(unstreamed(1, 0, before=False), Slo(first_token_p99_s=2), Answer.FAIL, id="tokens before it"),
    ],
)
def test_answers_in_one_piece_leave_the_times_of_tokens_open(story: Scaling, slo: Slo, answer: Answer) -> None:
    """Where no answer of a stream ever showed a token, nobody knows whether users got their first ones in time."""
    finding = ScaledUp(slo)(story.history())
    assert finding.answer is answer, finding.line()
    assert ("no token was ever seen" in finding.reason) == (answer is Answer.UNKNOWN)


# --- to and from zero ---------------------------------------------------------------------------------------------


def from_zero() -> Scaling:
    """KEDA wakes the workload at 35 s, and its autoscaler, off until then, goes on from one to three at 60 s."""
    story = Scaling(300).stands(scaler=off("ScalingDisabled", scaler(0, least=1)))
    story.loaded(1, 0, 295).loaded(4, 30, 200)
    story.saw(35, "MODIFIED", deployment(1, spec=ASKING), "Deployment").made("a", 35.1, 40)
    story.saw(39, "MODIFIED", scaler(1, "4", least=1), KIND).saw(59, "MODIFIED", scaler(1, "12", least=1), KIND)
    story.saw(60, "MODIFIED", deployment(3, spec=ASKING), "Deployment")
    story.saw(60.05, "MODIFIED", scaler(3, "12", least=1), KIND)
    return story.made("b", 60.1, 65).made("c", 60.1, 65)


def test_a_system_that_is_woken_from_zero_is_open() -> None:
    """Who woke it is not the autoscaler, and its metric is of nobody knows when."""
    finding = ScaledUp()(from_zero().history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert finding.values["spikes"][0]["desired_before"] == 0
    limits = WithinLimits()(from_zero().history())
    assert limits.answer is Answer.UNKNOWN
    assert "switches the autoscaler off" in limits.reason


def test_the_fall_ends_at_the_autoscalers_own_minimum() -> None:
    """Before the spike there was no replica; down to its minimum of one the autoscaler goes, and no further."""
    story = from_zero().saw(240, "MODIFIED", deployment(1, spec=ASKING), "Deployment")
    story.saw(240.05, "MODIFIED", scaler(1, "1", least=1), KIND).ends(240.1, "b", "c")
    finding = ScaledDown()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


# --- falls --------------------------------------------------------------------------------------------------------


def fallen(last: Mapping[str, Any], *, to: int = 3) -> Scaling:
    """A spike until 90 s takes two replicas to four; at 140 s the autoscaler goes down, and then shows this."""
    story = Scaling(260).stands("a", "b", scaler=hpa(2, measured=62)).loaded(4, 0, 255).loaded(8, 30, 90)
    story.saw(41, "MODIFIED", hpa(2, measured=110), KIND).rescaled(42, 4, measured=110)
    story.made("c", 42.1, 46).made("d", 42.2, 47).saw(110, "MODIFIED", hpa(4, measured=31), KIND)
    return story.rescaled(140, to, measured=31).ends(140.1, "d").saw(150, "MODIFIED", last, KIND)


@pytest.mark.parametrize(
    ("falls_s", "answer"),
    [(200, Answer.PASS), (150, Answer.PASS), (290, Answer.FAIL), (None, Answer.FAIL)],
)
def test_a_slow_fall_of_the_load_is_not_over_at_its_begin(falls_s: float | None, answer: Answer) -> None:
    """From 90 s to 190 s the load goes down to what it was; the bound of 80 s is for what comes after that."""
    story = Scaling(400).stands("a", "b").loaded(1, 0, 395).loaded(4, 30, 190)
    *others, last = story.parts["streams"]
    points = (LoadPoint(at(30), 4.0), LoadPoint(at(90), 4.0), LoadPoint(at(190), 0.0))
    story.has(streams=(*others, replace(last, rate_rps=0.0, rate_profile=points)))
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.2, 46)
    story.saw(140, "MODIFIED", hpa(4, measured=25), KIND)
    if falls_s is not None:
        story.rescaled(falls_s, 2, measured=10).ends(falls_s + 0.1, "c", "d")
    finding = ScaledDown()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("falls_s", "answer"), [(None, Answer.UNKNOWN), (195, Answer.PASS)])
def test_replicas_that_come_back_without_a_spike_are_not_gone(falls_s: float | None, answer: Answer) -> None:
    """Back at two in time, and at four again while the load is low; they may have gone once more in the end."""
    story = spike(until_s=90).rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.1, 46)
    story.rescaled(130, 2, measured=10).ends(130.1, "c", "d")
    story.rescaled(150, 4, measured=100).made("e", 150.1, 155).made("f", 150.1, 155)
    if falls_s is not None:
        story.rescaled(falls_s, 2, measured=10).ends(falls_s + 0.1, "e", "f")
    finding = ScaledDown()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("and up at 4 again" in finding.reason) == (answer is Answer.UNKNOWN)


def eased(*falls: int, resets_s: float | None = None) -> Scaling:
    """The load is high until 200 s, but little felt from 100 s on: at 150 s the autoscaler goes down to these."""
    story = spike().saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 4, measured=100)
    story.made("c", 42.1, 46).made("d", 42.2, 46).saw(100, "MODIFIED", hpa(4, measured=20), KIND)
    for number in falls:
        story.rescaled(150, number, measured=10).ends(150.1, *"cd"[number - 2 :])
    if resets_s is not None:
        story.saw(resets_s, "MODIFIED", deployment(2, spec=ASKING), "Deployment").ends(resets_s + 0.1, "c", "d")
        story.saw(resets_s + 20, "MODIFIED", hpa(2, measured=10), KIND)
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(eased(2), Answer.PASS, id="by the autoscaler"),
        pytest.param(eased(resets_s=120), Answer.UNKNOWN, id="by somebody else"),
        pytest.param(eased(3), Answer.FAIL, id="a part of the way"),
        pytest.param(eased(), Answer.FAIL, id="not at all"),
    ],
)
def test_what_fell_in_the_spike_need_not_fall_after_it(story: Scaling, answer: Answer) -> None:
    """Desired replicas are back at two before the load is."""
    finding = ScaledDown()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("not back at 2" in finding.reason) == (answer is Answer.FAIL)


def test_where_the_metrics_keep_the_replicas_the_fall_ends() -> None:
    """Three at 45 % of 60 % are rounded up to three: PASS; at 20 % they have to go on falling: FAIL."""
    kept = ScaledDown()(fallen(hpa(3, measured=45)).history())
    assert kept.answer is Answer.PASS, kept.line()
    assert "down to 3 50" in kept.measured
    assert ScaledDown()(fallen(hpa(3, measured=20)).history()).answer is Answer.FAIL


def surging(pods: int, *, falls_s: float | None = None) -> Scaling:
    """A spike until 90 s; from 100 s on so many pods are there for four desired, and the queue is at 3.2 for each."""
    story = Scaling(400).stands("a", "b", scaler=scaler(2, "3")).loaded(1, 0, 395).loaded(4, 30, 90)
    story.saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment").saw(42.05, "MODIFIED", scaler(4, "9"), KIND)
    story.made("c", 42.1, 46).made("d", 42.1, 46)
    story.saw(100, "MODIFIED", {**deployment(4, spec=ASKING), "status": {"replicas": pods}}, "Deployment")
    story.saw(120, "MODIFIED", scaler(4, "3200m"), KIND)
    if falls_s is not None:
        story.saw(falls_s, "MODIFIED", deployment(2, spec=ASKING), "Deployment").ends(falls_s + 0.1, "c", "d")
        story.saw(falls_s + 0.05, "MODIFIED", scaler(2, "1"), KIND)
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(surging(4), Answer.FAIL, id="12.8 for four are for three"),
        pytest.param(surging(5), Answer.UNKNOWN, id="16 for five are for four"),
        pytest.param(surging(5, falls_s=130), Answer.PASS, id="it falls in time"),
    ],
)
def test_an_average_is_over_the_pods_of_a_surge_too(story: Scaling, answer: Answer) -> None:
    """A release that is stuck has a pod more than desired, over which the autoscaler divides the queue, too."""
    finding = ScaledDown()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("s0-prometheus is at 3200m of 5" in finding.reason) == (answer is Answer.UNKNOWN)


def test_one_of_two_metrics_may_keep_them() -> None:
    """The highest of all proposals counts."""
    share = {"type": "Utilization", "averageUtilization": 90}
    memory = {"type": "Resource", "resource": {"name": "memory", "target": share}}
    raw = hpa(3, measured=20, metrics=[cpu(60), memory])
    held = {"type": "Resource", "resource": {"name": "memory", "current": {"averageUtilization": 85}}}
    raw["status"]["currentMetrics"].append(held)
    assert ScaledDown()(fallen(raw).history()).answer is Answer.PASS
    held["resource"]["current"] = {"averageUtilization": 20}
    assert ScaledDown()(fallen(raw).history()).answer is Answer.FAIL


def test_samples_that_ask_for_fewer_contradict_the_status() -> None:
    """The status says 45 %, and the metrics API 10 %: where it is to end is not proved."""
    story = fallen(hpa(3, measured=45)).used(0, 260, 20, "a", "b", "c")
    finding = ScaledDown()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_raised_minimum_is_as_far_as_it_falls() -> None:
    """The owners set a minimum of three in the spike."""
    raised = hpa(3, measured=10, limits=(3, 8))
    finding = ScaledDown()(fallen(raised).history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_rise_to_the_minimum_binds_no_fall() -> None:
    """It is made without looking at any metric, so it leaves no recommendation behind."""
    story = Scaling(260).stands("a", "b").loaded(1, 0, 255).loaded(4, 30, 90)
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.1, 46)
    story.saw(100, "MODIFIED", hpa(4, measured=10, limits=(6, 8)), KIND).rescaled(101, 6, limits=(6, 8))
    finding = ScaledDown()(story.rescaled(115, 2, measured=10).ends(115.1, "c", "d").history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(
    ("falls_s", "flags", "answer"),
    [
        (130, {}, Answer.UNKNOWN),
        (130, {"hpa_downscale_stabilization_s": 300}, Answer.FAIL),
        (130, {"hpa_downscale_stabilization_s": 60}, Answer.PASS),
        (480, {}, Answer.UNKNOWN),
        (480, {"hpa_downscale_stabilization_s": 300}, Answer.FAIL),
    ],
)
def test_the_controllers_own_window_has_to_be_known(falls_s: float, flags: dict[str, float], answer: Answer) -> None:
    """Without a window of its own the autoscaler has the controller's: a fall is early, late or neither by that."""

    def plain(desired: int, measured: int) -> dict[str, Any]:
        raw = hpa(desired, measured=measured)
        return {**raw, "spec": {**raw["spec"], "behavior": None}}

    story = Scaling(600).stands("a", "b", scaler=plain(2, 40)).loaded(1, 0, 595).loaded(4, 30, 90)
    story.saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment").saw(42.05, "MODIFIED", plain(4, 100), KIND)
    story.made("c", 42.1, 46).made("d", 42.1, 46).saw(100, "MODIFIED", plain(4, 10), KIND)
    story.saw(falls_s, "MODIFIED", deployment(2, spec=ASKING), "Deployment")
    story.saw(falls_s + 0.05, "MODIFIED", plain(2, 10), KIND).ends(falls_s + 0.1, "c", "d")
    finding = ScaledDown()(timed(story, **flags).history())
    assert finding.answer is answer, finding.line()


# --- an autoscaler that its owner edits in the trial -------------------------------------------------------------


def given(desired: int, measured: int, *, limits: tuple[int, int] = (2, 8), **behavior: Any) -> dict[str, Any]:
    """The usual autoscaler with another behavior."""
    raw = hpa(desired, measured=measured, limits=limits)
    raw["spec"]["behavior"] = {**raw["spec"]["behavior"], **behavior}
    return raw


OFF = {"selectPolicy": "Disabled"}


@pytest.mark.parametrize(
    ("edit", "answer"),
    [
        pytest.param(given(2, 100, scaleUp=OFF), Answer.UNKNOWN, id="no rises"),
        pytest.param(hpa(2, measured=100, metrics=[cpu(120)]), Answer.UNKNOWN, id="another target"),
        pytest.param(hpa(2, measured=100, metrics=[cpu(50)]), Answer.FAIL, id="another target that it is over, too"),
        pytest.param(given(2, 100, limits=(2, 6)), Answer.FAIL, id="another maximum"),
        pytest.param(given(2, 100), Answer.FAIL, id="the same"),
    ],
)
def test_a_rise_that_was_forbidden_meanwhile_is_not_missed(edit: dict[str, Any], answer: Answer) -> None:
    """The metric is over its target from 41 s on, and at 43 s the owner edits the autoscaler."""
    story = spike().saw(41, "MODIFIED", hpa(2, measured=100), KIND).saw(43, "MODIFIED", edit, KIND)
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("edit", "answer"),
    [
        pytest.param(given(4, 10, scaleDown=OFF), Answer.UNKNOWN, id="KEDA pauses the scale-in"),
        pytest.param(given(4, 10, scaleDown={"stabilizationWindowSeconds": 200}), Answer.UNKNOWN, id="a longer window"),
        pytest.param(
            given(4, 10, scaleDown={"stabilizationWindowSeconds": 60}), Answer.FAIL, id="a window that passed"
        ),
        pytest.param(given(4, 10, limits=(2, 6)), Answer.FAIL, id="another maximum"),
    ],
)
def test_a_fall_that_was_forbidden_meanwhile_is_not_late(edit: dict[str, Any], answer: Answer) -> None:
    """At 100 s, after the spike and before its window is over, the owner edits the autoscaler; nothing falls."""
    story = spike(until_s=90).rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.1, 46)
    finding = ScaledDown()(story.saw(100, "MODIFIED", edit, KIND).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("before_s", "answer"), [(0, Answer.UNKNOWN), (30, Answer.FAIL)])
def test_a_window_that_was_given_meanwhile_binds_nothing_before(before_s: int, answer: Answer) -> None:
    """Two are set 10 s after four were asked for: too early for a window of 30 s, unless it is 7 s old itself."""
    story = spike(until_s=90, scaler=hpa(2, measured=40, window_s=before_s))
    story.used(0, 40, 80, "a", "b").used(40, 90, 200, "a", "b", "c", "d").used(90, 300, 20, "a", "b", "c", "d")
    story.rescaled(85, 4, measured=100, window_s=before_s).made("c", 85.1, 89).made("d", 85.1, 89)
    story.saw(88, "MODIFIED", hpa(4, measured=100), KIND).rescaled(95, 2, measured=10).ends(95.1, "c", "d")
    for finding in (ScaledDown()(story.history()), DecisionsRecomputed()(story.history())):
        assert finding.answer is answer, finding.line()
        assert ("the autoscaler was edited meanwhile" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("least", "answer"), [(4, Answer.UNKNOWN), (2, Answer.FAIL)])
def test_turns_that_keep_to_other_limits_are_no_flapping(least: int, answer: Answer) -> None:
    """After the spike was followed up and down, a minimum of four takes it up again."""
    story = spike(until_s=90).rescaled(42, 4, measured=100).rescaled(130, 2, measured=10)
    story.saw(150, "MODIFIED", hpa(2, measured=10, limits=(least, 8)), KIND)
    finding = NoFlapping()(story.rescaled(155, 4, measured=10, limits=(least, 8)).history())
    assert finding.answer is answer, finding.line()


# --- a controller that is started anew ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "at_s", "answer"),
    [
        ("autoscaler-restart", 130, Answer.UNKNOWN),
        ("cluster-upgrade", 130, Answer.UNKNOWN),
        ("autoscaler-restart", 60, Answer.FAIL),
        ("metrics-down", 130, Answer.FAIL),
    ],
)
def test_a_controller_that_is_started_anew_waits_for_a_whole_window_again(
    fault: str, at_s: float, answer: Answer
) -> None:
    """The number that it finds is its first recommendation: back at 190 s is late for a spike that ended at 90 s."""
    story = spike(until_s=90).rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.1, 46)
    story.fault(at_s=at_s, healed_s=at_s + 5, name=fault).rescaled(190, 2, measured=10).ends(190.1, "c", "d")
    finding = ScaledDown()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("started anew" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("fault", "answer"), [("autoscaler-restart", Answer.UNKNOWN), ("metrics-down", Answer.FAIL)])
def test_a_controller_that_is_started_anew_misses_no_rise(fault: str, answer: Answer) -> None:
    """It was over its target from 41 s on, and set more at 85 s only; who it was that looked changed at 50 s."""
    story = spike().saw(41, "MODIFIED", hpa(2, measured=100), KIND).fault(at_s=50, healed_s=55, name=fault)
    story.rescaled(85, 4, measured=100).made("c", 85.1, 89).made("d", 85.1, 89)
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("fault", "falls_s", "answer"),
    [
        ("autoscaler-restart", None, Answer.UNKNOWN),
        ("metrics-down", None, Answer.FAIL),
        ("autoscaler-restart", 65, Answer.FAIL),
    ],
)
def test_a_controller_that_is_started_anew_has_all_of_its_rates(
    fault: str, falls_s: float | None, answer: Answer
) -> None:
    """It rose from 4 to 8 and 5 s later to 16, which its rate in 15 s forbids; what it found it keeps for 30 s."""
    limits = (2, 30)
    story = Scaling(150).stands("a", "b", "c", "d", scaler=hpa(4, measured=40, limits=limits)).loaded(1, 0, 145)
    story.fault(at_s=50, healed_s=52, name=fault)
    if falls_s is not None:
        story.used(0, 50, 120, *"abcd").used(50, 150, 40, *"abcd")
        story.rescaled(falls_s, 2, measured=20, limits=limits)
    else:
        story.used(0, 47, 120, *"abcd").used(47, 150, 400, *"abcd")
        story.rescaled(49, 8, measured=300, limits=limits).rescaled(54, 16, measured=300, limits=limits)
    finding = DecisionsRecomputed()(story.history())
    assert finding.answer is answer, finding.line()


# --- back and forth, and the maximum ------------------------------------------------------------------------------


def two_spikes(calm_s: float, *, flap: str = "") -> Scaling:
    """Two spikes of a minute, each followed up after 12 s and down 45 s after its end."""
    second = 90 + calm_s
    story = Scaling(second + 240).stands("a", "b").loaded(1, 0, second + 235)
    for begin_s in (30.0, second):
        story.loaded(4, begin_s, begin_s + 60).rescaled(begin_s + 12, 4, measured=100)
        if flap and begin_s == second:
            story.rescaled(begin_s + 30, 2, measured=30).rescaled(begin_s + 40, 4, measured=100)
        story.rescaled(begin_s + 60 + min(45, calm_s - 5), 2, measured=10)
    return story


@pytest.mark.parametrize(
    ("calm_s", "flap", "answer"), [(100, "", Answer.PASS), (100, "in the second", Answer.FAIL), (40, "", Answer.FAIL)]
)
def test_the_loads_own_turns_are_no_flapping(calm_s: float, flap: str, answer: Answer) -> None:
    """Two spikes far enough apart ask for both rises and both falls; a burst soon after, or a turn within, does not."""
    finding = NoFlapping()(two_spikes(calm_s, flap=flap).history())
    assert finding.answer is answer, finding.line()


def followed_late(*more: float, aged_s: float | None = None, spikes: int = 2) -> Scaling:
    """Each spike of a minute is followed by a queue's length 90 s after it began, and back 180 s later; then as given.

    `aged_s` is the age of that metric as declared.
    """
    story = Scaling(900).stands("a", "b", scaler=scaler(2, "2")).loaded(1, 0, 895)
    moves = [90 + 300 * number + more_s for number in range(2) for more_s in (30, 210)]
    for number in range(spikes):
        story.loaded(4, 30 + 300 * number, 90 + 300 * number)
    for place, at_s in enumerate((*moves, *more)):
        desired = 2 if place % 2 else 4
        story.saw(at_s, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
        story.saw(at_s + 0.05, "MODIFIED", scaler(desired, "9"), KIND)
    return story if aged_s is None else timed(story, metric_delay_s=aged_s)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(followed_late(), Answer.UNKNOWN, id="as often as the load, late"),
        pytest.param(followed_late(700, 760), Answer.FAIL, id="once more than the load"),
        pytest.param(followed_late(spikes=1), Answer.FAIL, id="a second time without a spike"),
        pytest.param(followed_late(aged_s=20), Answer.FAIL, id="later than is declared"),
    ],
)
def test_turns_that_follow_the_load_late_are_open(story: Scaling, answer: Answer) -> None:
    """KEDA's metric may show a spike only when it is over, and two of them take desired replicas up and down twice."""
    finding = NoFlapping()(story.history())
    assert finding.answer is answer, finding.line()


def test_a_limit_from_before_the_metrics_failed_proves_nothing() -> None:
    """The condition ScalingLimited stays as it was while no metric can be read."""
    before = hpa(4, limits=(2, 4), limited="TooManyReplicas")
    failed = off("FailedGetResourceMetric", before)
    failed["status"]["conditions"] += before["status"]["conditions"]
    story = Scaling(200).stands("a", "b", "c", "d", scaler=before).loaded(1, 0, 195).loaded(4, 30, 120)
    finding = HeldAtMaximum()(story.saw(20, "MODIFIED", failed, KIND).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_rise_that_somebody_takes_back_again_and_again_is_open() -> None:
    """A GitOps controller sets the number of its repository 6 s after each rise: no pod comes, by nobody's failure."""
    story = Scaling(180).stands("a", "b")
    story.loaded(1, 0, 175).loaded(4, 30, 90).used(0, 40, 80, "a", "b").used(40, 90, 200, "a", "b")
    for at_s in (42, 54, 66):
        story.rescaled(at_s, 4, measured=100).saw(at_s + 6, "MODIFIED", deployment(2, spec=ASKING), "Deployment")
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "desired replicas 4 to 2 in the spike, and the autoscaler did not ask for it" in finding.reason


# --- a maximum that exists as a number only ----------------------------------------------------------------------


def held_with(*late: str, how: str = "") -> Scaling:
    """The maximum of four is reached at 42 s; of the two new pods these come otherwise."""
    story = at_maximum()
    story.events = [one for one in story.events if one.kind != "Pod" or one.object["metadata"]["uid"] not in late]
    for uid in late:
        if how == "pending":
            raw = aged(pod(uid, node="", spec=ASKING), 42.1, None)
            why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/9 nodes"}
            raw["status"]["conditions"].append(why)
            story.saw(42.1, "ADDED", raw)
        else:
            story.made(uid, 42.1, 46 if how == "in time" else None)
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(held_with("c", "d", how="in time"), Answer.PASS, id="both are Ready in time"),
        pytest.param(held_with("c", "d"), Answer.FAIL, id="none is ever Ready"),
        pytest.param(held_with("d"), Answer.FAIL, id="one is never Ready"),
        pytest.param(held_with("c", "d", how="pending"), Answer.UNKNOWN, id="no node takes them"),
    ],
)
def test_a_maximum_is_held_by_pods_that_are_ready(story: Scaling, answer: Answer) -> None:
    """Four are desired to the end of the spike, as they should be, and two of them never serve anybody."""
    finding = HeldAtMaximum()(story.history())
    assert finding.answer is answer, finding.line()


def held_without(*, back_s: float | None = None) -> Scaling:
    """The maximum of four is reached, and one of the two old pods is not Ready from 60 s on."""
    story = at_maximum().saw(60, "MODIFIED", aged(pod("a", running=True, spec=ASKING), -100, None))
    if back_s is not None:
        story.saw(back_s, "MODIFIED", aged(pod("a", ready=True, spec=ASKING), -100, back_s))
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(held_without(), Answer.UNKNOWN, id="not Ready when the spike ends"),
        pytest.param(held_without(back_s=75), Answer.PASS, id="Ready again in the spike"),
        pytest.param(held_without(back_s=95), Answer.UNKNOWN, id="Ready again after it"),
    ],
)
def test_a_maximum_is_held_by_old_replicas_too(story: Scaling, answer: Answer) -> None:
    """Both new pods are Ready in time, and still three replicas carry what four are to carry."""
    finding = HeldAtMaximum()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("3 of 4 replicas were Ready when the spike ended" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_maximum_that_was_reached_before_needs_its_pods() -> None:
    """Four have been desired since long before the spike, and one of them waits for a node all the time."""
    full = hpa(4, measured=100, limits=(2, 4), limited="TooManyReplicas")
    waiting = aged(pod("d", node="", spec=ASKING), -100, None)
    held = Scaling(120).stands("a", "b", "c", "d", scaler=full).loaded(1, 0, 110).loaded(4, 30, 90)
    assert HeldAtMaximum()(held.history()).answer is Answer.PASS
    finding = HeldAtMaximum()(held.saw(1, "MODIFIED", waiting).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- a metrics pipeline that is set otherwise --------------------------------------------------------------------


def risen_late(*assumed: str, over_s: float, rise_s: float = 75) -> Scaling:
    """The metric is over its target at this moment, the first rise 5 s after that one; 45 s may pass from 30 s on."""
    story = spike().used(0, round(over_s), 80, "a", "b").used(round(over_s), round(over_s) + 30, 200, "a", "b")
    story.saw(over_s + 1, "MODIFIED", hpa(2, measured=100), KIND).rescaled(rise_s + 5, 4, measured=100)
    story.made("c", rise_s + 5.1, rise_s + 9).made("d", rise_s + 5.2, rise_s + 9)
    known = story.parts["facts"]
    given = {name: value for name, value in known.raw["timings"].items() if name not in assumed}
    return story.has(facts=replace(known, raw={**known.raw, "timings": given}))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(risen_late(over_s=78), Answer.FAIL, id="a late metric, all on record"),
        pytest.param(
            risen_late("metrics_resolution_s", over_s=95, rise_s=100), Answer.UNKNOWN, id="its own age is not"
        ),
        pytest.param(risen_late(over_s=40), Answer.FAIL, id="a late decision, all on record"),
        pytest.param(
            risen_late("metrics_resolution_s", over_s=40, rise_s=100), Answer.FAIL, id="the metric's age is not"
        ),
        pytest.param(risen_late("hpa_sync_s", over_s=40, rise_s=100), Answer.UNKNOWN, id="the sync's period is not"),
    ],
)
def test_a_late_rise_may_be_how_the_cluster_is_set(story: Scaling, answer: Answer) -> None:
    """A cloud's metrics-server that measures once a minute shows a step up to two minutes later, as it is set to."""
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()


def test_late_news_of_a_number_is_read_both_ways() -> None:
    """Ten of at most eight are seen at 40 s and brought back at 48 s or 70 s, of which the watch may tell late."""
    for back_s, since_s, late_s, answer in (
        (48, 42, 48, Answer.PASS),
        (48, 30, 40, Answer.UNKNOWN),
        (70, 45, 70, Answer.UNKNOWN),
        (70, 68, 70, Answer.FAIL),
    ):
        story = spike().saw(40, "MODIFIED", deployment(10, spec=ASKING), "Deployment").rescaled(back_s, 8, measured=100)
        story.has(late=(Gap("Deployment", at(since_s), at(late_s), "reset"),))
        finding = WithinLimits()(story.history())
        assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("back_s", "assumed", "answer"),
    [
        pytest.param(48, (), Answer.PASS, id="in one sync"),
        pytest.param(70, (), Answer.FAIL, id="later, all on record"),
        pytest.param(70, ("hpa_sync_s",), Answer.UNKNOWN, id="later, the sync's period is not on record"),
        pytest.param(None, ("hpa_sync_s",), Answer.FAIL, id="never"),
    ],
)
def test_a_number_is_brought_back_by_the_next_sync(
    back_s: float | None, assumed: tuple[str, ...], answer: Answer
) -> None:
    """Somebody asks for ten of at most eight, and the autoscaler takes them back when it looks next."""
    story = spike().saw(40, "MODIFIED", deployment(10, spec=ASKING), "Deployment")
    if back_s is not None:
        story.rescaled(back_s, 8, measured=100)
    known = story.parts["facts"]
    given = {name: value for name, value in known.raw["timings"].items() if name not in assumed}
    story.has(facts=replace(known, raw={**known.raw, "timings": given}))
    finding = WithinLimits()(story.history())
    assert finding.answer is answer, finding.line()
