"""Hangs of foreign pods: a sidecar is restarted instead, endpoints show the unready, the watch is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import NAMESPACE, PROBED, T0, WORKLOAD, Story, at, pod
from probe_stories import covered, endpoints, hang_story, hung, killing, restarted

from chaos.checks import NoNeedlessRestart, NoRestartLoop, RestartedByLiveness, UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer, Finding
from chaos.history import History
from chaos.objects.base import Ref

PROXY: Mapping[str, Any] = {
    "name": "proxy",
    "imagePullPolicy": "Never",
    "livenessProbe": {"periodSeconds": 1},
    "startupProbe": {"periodSeconds": 1, "failureThreshold": 5},
}
BESIDE_PROXY: Mapping[str, Any] = {**PROBED, "containers": [PROBED["containers"][0], PROXY]}


def with_proxy(raw: Mapping[str, Any], restarts: int = 0) -> dict[str, Any]:
    """A pod whose container `proxy` runs beside `m`, and was restarted so often."""
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    proxy = {"name": "proxy", "ready": True, "restartCount": restarts, "containerID": f"c://p-{restarts}"}
    containers = [*raw["status"]["containerStatuses"], {**proxy, "state": state}]
    return {**raw, "status": {**raw["status"], "containerStatuses": containers}}


def test_the_restart_of_a_sidecar_does_not_end_the_hang() -> None:
    """The process in `m` hangs and the kubelet restarts `proxy`: the container that hangs was not restarted."""
    story = hung(spec=BESIDE_PROXY)
    story.events = [
        replace(event, object=with_proxy(event.object)) if event.kind == "Pod" else event for event in story.events
    ]
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, parameters={"process": "model-engine", "container": "m"}),))
    story.saw(34, "ADDED", killing("a", "Container proxy failed liveness probe, will be restarted"), "Event")
    story.saw(36, "MODIFIED", with_proxy(pod("a", ready=True, spec=BESIDE_PROXY), restarts=1))
    finding = RestartedByLiveness()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()


def beside_proxy(*, model_s: float | None, proxy_s: float) -> Finding:
    """The process in `m` hangs at 30 s; the kubelet restarts `proxy`, and later `m`, each for its liveness probe."""
    story = hung(spec=BESIDE_PROXY)
    story.events = [
        replace(event, object=with_proxy(event.object)) if event.kind == "Pod" else event for event in story.events
    ]
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, parameters={"process": "model-engine", "container": "m"}),))
    story.saw(proxy_s - 1, "ADDED", killing("a", "Container proxy failed liveness probe, will be restarted"), "Event")
    story.saw(proxy_s, "MODIFIED", with_proxy(pod("a", running=True, spec=BESIDE_PROXY), restarts=1))
    if model_s is not None:
        told = killing("a", "Container m failed liveness probe, will be restarted")
        told["metadata"] |= {"uid": "event-m", "name": "event-m"}
        story.saw(model_s - 1, "ADDED", told, "Event")
        story.saw(model_s, "MODIFIED", with_proxy(restarted("a", spec=BESIDE_PROXY), restarts=1))
        story.saw(model_s + 4, "MODIFIED", with_proxy(restarted("a", ready=True, spec=BESIDE_PROXY), restarts=1))
    return RestartedByLiveness()(story.history())


def test_a_sidecar_that_is_restarted_too_hides_nothing() -> None:
    """Both are restarted, and only the restart of the container that hung counts: in time, late, or never."""
    assert beside_proxy(proxy_s=34, model_s=40).answer is Answer.PASS
    assert beside_proxy(proxy_s=34, model_s=100).answer is Answer.FAIL
    assert beside_proxy(proxy_s=40, model_s=None).answer is Answer.FAIL


def restarted_again(*, asked: bool) -> Finding:
    """The container that hung was restarted, and once more 20 s later, which its liveness probe may have asked for."""
    story = hang_story().saw(60, "MODIFIED", restarted("a", 2)).saw(64, "MODIFIED", restarted("a", 2, ready=True))
    return RestartedByLiveness()((story.saw(59, "MODIFIED", killing("a"), "Event") if asked else story).history())


def test_a_container_that_liveness_restarts_again_was_not_restarted_once() -> None:
    """A restart after which the probe fails again mended nothing; one of another cause is not the probe's."""
    finding = restarted_again(asked=True)
    assert finding.answer is Answer.FAIL, finding.line()
    assert "was restarted 2 times, not once" in finding.reason
    assert restarted_again(asked=False).answer is Answer.PASS


def cut_short(history: History, until_s: float) -> History:
    """The history, the pods watched up to a moment only."""
    watch = tuple(event for event in history.watch if event.kind != "Pod" or event.at_ns <= at(until_s))
    return replace(history, watch=watch, covered_ns={**history.covered_ns, "Pod": (T0, at(until_s))})


def test_a_restart_that_is_watched_to_its_end_passes() -> None:
    """A hung container that its liveness probe restarts, and that becomes Ready again, passes."""
    assert RestartedByLiveness()(hang_story().history()).answer is Answer.PASS


def test_a_restart_whose_end_was_not_watched_is_unknown() -> None:
    """A watch that ends 1 s after the restart does not show whether the container became Ready in time."""
    finding = RestartedByLiveness()(cut_short(hang_story().history(), 41))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_service_that_publishes_unready_addresses_shows_no_late_controller() -> None:
    """With publishNotReadyAddresses a slice says that an unready pod is ready, so its endpoint proves nothing."""
    service = {
        "metadata": {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE},
        "spec": {"selector": {"app": WORKLOAD}, "publishNotReadyAddresses": True},
    }
    story = hung().saw(0, "LISTED", service, "Service").has(covered_ns={**covered(), "Service": (T0, at(120))})
    story.saw(33, "MODIFIED", pod("a", running=True)).saw(60, "MODIFIED", pod("a", ready=True))
    finding = UnreadyLeavesEndpoints()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "publishNotReadyAddresses" in finding.reason


def slice_of(*uids: str, name: str = "slice-1", family: str = "IPv4", **conditions: bool) -> dict[str, Any]:
    """A slice of the Service with the endpoints of these pods, all in one condition."""
    raw = endpoints(*uids)
    raw["metadata"] |= {"uid": name, "name": name}
    for one in raw["endpoints"]:
        one["conditions"] |= conditions
    return {**raw, "addressType": family}


def turned(*, seen_s: float = 33) -> Story:
    """`a` hangs at 30 s, turns not Ready at 33 s, is Ready again at 60 s; of its endpoints nothing is told yet."""
    story = Story(120).replicas("a", "b").fault("a", name="process-hang", healed_s=50).traffic()
    story.has(covered_ns=covered())
    return story.saw(seen_s, "MODIFIED", pod("a", running=True)).saw(60, "MODIFIED", pod("a", ready=True))


def test_a_slice_alone_shows_that_unready_addresses_are_published() -> None:
    """Where no Service was recorded, an endpoint that is `ready` and not `serving` shows it."""
    story = turned().saw(0, "LISTED", slice_of("a", "b", serving=True), "EndpointSlice")
    gone = slice_of("a", "b", serving=True)
    gone["endpoints"][0]["conditions"]["serving"] = False
    finding = UnreadyLeavesEndpoints()(story.saw(33.2, "MODIFIED", gone, "EndpointSlice").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "publishNotReadyAddresses" in finding.reason


def test_an_endpoint_that_stays_is_a_late_controller() -> None:
    """Without any of that, an endpoint that stays ready though its pod is not is a FAIL."""
    story = turned().saw(0, "LISTED", slice_of("a", "b", serving=True), "EndpointSlice")
    assert UnreadyLeavesEndpoints()(story.history()).answer is Answer.FAIL


def switched(selector: Mapping[str, str], *, service: str = WORKLOAD) -> Finding:
    """`a` leaves the endpoints at 33 s and never returns; a Service selects others from 50 s on."""
    story = turned().saw(0, "LISTED", slice_of("a", "b"), "EndpointSlice")
    story.saw(33.2, "MODIFIED", slice_of("b"), "EndpointSlice")
    for at_s, type_, spec in ((0, "LISTED", {"app": WORKLOAD}), (50, "MODIFIED", selector)):
        metadata = {"uid": f"svc-{service}", "name": service, "namespace": NAMESPACE}
        story.saw(at_s, type_, {"metadata": metadata, "spec": {"selector": spec}}, "Service")
    return UnreadyLeavesEndpoints()(story.history())


def test_a_service_that_is_switched_to_others_gets_no_pod_back() -> None:
    """A blue-green release points the Service to other pods: who is Ready again is none of its endpoints."""
    finding = switched({"app": WORKLOAD, "color": "green"})
    assert finding.answer is Answer.PASS, finding.line()
    assert switched({"app": WORKLOAD}).answer is Answer.FAIL
    assert switched({"app": "other"}, service="neighbour").answer is Answer.FAIL


def dual(*leaving: tuple[float, str]) -> Finding:
    """A Service of two families, each with a slice; each of these loses `a` at its moment, and has it back at 61 s."""
    story = turned()
    for name, family in (("four", "IPv4"), ("six", "IPv6")):
        story.saw(0, "LISTED", slice_of("a", "b", name=name, family=family), "EndpointSlice")
    for at_s, name in leaving:
        family = "IPv4" if name == "four" else "IPv6"
        story.saw(at_s, "MODIFIED", slice_of("b", name=name, family=family), "EndpointSlice")
        story.saw(61, "MODIFIED", slice_of("a", "b", name=name, family=family), "EndpointSlice")
    return UnreadyLeavesEndpoints()(story.history())


def test_a_pod_has_left_when_every_slice_let_it_go() -> None:
    """Clients of either family go by the slices of their own, so one that is left out of one only still gets them."""
    assert dual((33.2, "four"), (33.4, "six")).answer is Answer.PASS
    assert dual((33.2, "four")).answer is Answer.FAIL


def test_a_pod_that_moves_between_slices_stays_an_endpoint() -> None:
    """While slices are packed anew a pod may be in two of them: it is ready until the last lets it go."""
    story = turned().saw(0, "LISTED", slice_of("a", "b"), "EndpointSlice")
    story.saw(20, "ADDED", slice_of("a", name="slice-2"), "EndpointSlice")
    story.saw(20.1, "MODIFIED", slice_of("b"), "EndpointSlice")
    story.saw(33.2, "DELETED", slice_of("a", name="slice-2"), "EndpointSlice")
    story.saw(60.2, "MODIFIED", slice_of("a", "b"), "EndpointSlice")
    finding = UnreadyLeavesEndpoints()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_pod_back_in_one_family_alone_is_not_back() -> None:
    """A pod that is Ready again gets new connections of both families, or of one of them it gets none."""
    story = turned()
    for name, family in (("four", "IPv4"), ("six", "IPv6")):
        story.saw(0, "LISTED", slice_of("a", "b", name=name, family=family), "EndpointSlice")
        story.saw(33.2, "MODIFIED", slice_of("b", name=name, family=family), "EndpointSlice")
    story.saw(60.2, "MODIFIED", slice_of("a", "b", name="four"), "EndpointSlice")
    finding = UnreadyLeavesEndpoints()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()


# --- restarts that are due, and others ------------------------------------------------------------------------------


def switched_off(*restarts: tuple[float, int, int]) -> Story:
    """The node of both pods is off from 30 s to 40 s; then `a` shows so many restarts of `m` and of `proxy`."""
    story = Story().replicas("a", "b", spec=BESIDE_PROXY).fault(name="node-down").traffic()
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, victims=(Ref("Node", "", "n1", "node-n1"),)),))
    for at_s, model, proxy in ((0.0, 0, 0), *restarts):
        raw = pod("a", ready=True, restarts=model, spec=BESIDE_PROXY)
        story.saw(at_s, "MODIFIED", with_proxy(raw, restarts=proxy))
    return story


def test_a_node_that_comes_back_starts_its_containers_anew() -> None:
    """Whatever ran on a node that was switched off is started once more, each container of a pod by itself."""
    story = switched_off((55, 1, 1))
    assert NoNeedlessRestart()(story.history()).answer is Answer.PASS
    assert NoRestartLoop()(story.history()).answer is Answer.PASS


def test_a_node_that_comes_back_excuses_no_second_restart() -> None:
    """One more restart of the same container is not for the node; nor is any of a pod of another node."""
    twice = switched_off((55, 1, 1), (70, 2, 1)).history()
    assert NoNeedlessRestart()(twice).answer is Answer.FAIL
    assert NoRestartLoop()(twice).answer is Answer.FAIL
    other = switched_off().saw(55, "MODIFIED", pod("b", ready=True, node="n2", restarts=1))
    assert NoNeedlessRestart()(other.history()).answer is Answer.FAIL


def test_a_restart_long_after_a_hang_was_healed_is_open() -> None:
    """The hang is over after 3 s, and a restart 67 s later need not be of its liveness probe's asking."""
    finding = NoNeedlessRestart()(hung(healed_s=33).saw(100, "MODIFIED", pod("a", ready=True, restarts=1)).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "it need not have been for it" in finding.reason
    soon = hung(healed_s=33).saw(60, "MODIFIED", pod("a", ready=True, restarts=1))
    assert NoNeedlessRestart()(soon.history()).answer is Answer.PASS


@pytest.mark.parametrize(("type_", "answer"), [("ADDED", Answer.FAIL), ("LISTED", Answer.PASS)])
def test_restarts_of_a_pod_that_was_made_in_the_trial_are_of_the_trial(type_: str, answer: Answer) -> None:
    """While the API server was away a new pod crashed twice: the first that is heard of its container is a count of 2.

    One that was there before may have been restarted then.
    """
    bare = pod("d")
    del bare["status"]["containerStatuses"]
    story = Story().replicas("a", "b").saw(0 if type_ == "LISTED" else 31, type_, bare)
    history = story.saw(60, "MODIFIED", pod("d", ready=True, restarts=2)).history()
    assert NoNeedlessRestart()(history).answer is answer
    assert NoRestartLoop()(history).answer is answer
