"""Services whose endpoints Kubernetes' own controller does not keep, or that stay ready while their pod ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import NAMESPACE, WORKLOAD, Story, at, facts
from probe_stories import hang_story
from recovery_stories import replaced_story
from rollout_stories import kept_story

from chaos.checks import EndState, RecoveredInTime, UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer

SELECTING = {"selector": {"app": WORKLOAD}}
PUBLISHING = {**SELECTING, "publishNotReadyAddresses": True}
OWN, OTHERS = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"

KEPT_BY_OTHERS = [
    pytest.param({}, "", id="no selector"),
    pytest.param(SELECTING, OTHERS, id="slices of another controller"),
    pytest.param({"clusterIP": "None"}, OTHERS, id="neither"),
]
KEPT = [
    pytest.param(SELECTING, "", id="a selector"),
    pytest.param(SELECTING, OWN, id="slices of Kubernetes' own controller"),
]


def of(story: Story, spec: dict[str, Any], keeper: str = "") -> Story:
    """The story of a Service with that spec, whose slices say who keeps them."""
    for event in story.events:
        if event.kind == "EndpointSlice" and keeper:
            event.object["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = keeper
    raw = {"metadata": {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}, "spec": spec}
    return story.saw(0, "LISTED", raw, "Service")


def clinging() -> Story:
    """A pod that turns not Ready stays an endpoint to the last."""
    story = hang_story()
    story.events = [one for one in story.events if one.kind != "EndpointSlice" or one.at_ns < at(33)]
    return story


def left_out() -> Story:
    """The replacement is Ready at 34 s, and is no endpoint as the trial ends."""
    story = kept_story()
    story.events = [one for one in story.events if one.kind != "EndpointSlice" or one.at_ns < at(34)]
    return story


@pytest.mark.parametrize(("spec", "keeper"), KEPT_BY_OTHERS)
def test_nobody_promises_how_soon_others_keep_endpoints(spec: dict[str, Any], keeper: str) -> None:
    """A gateway's or a mesh's own endpoints come and go when it says so, which is neither kept nor broken."""
    for check, late, well in (
        (RecoveredInTime(), replaced_story(endpoint_added=90), replaced_story()),
        (UnreadyLeavesEndpoints(), clinging(), hang_story()),
        (EndState(), left_out(), kept_story()),
    ):
        finding = check(of(late, spec, keeper).history())
        assert finding.answer is Answer.UNKNOWN, finding.line()
        assert "endpoints" in finding.reason
        assert check(of(well, spec, keeper).history()).answer is Answer.PASS


@pytest.mark.parametrize(("spec", "keeper"), KEPT)
def test_the_controllers_own_endpoints_follow_within_moments(spec: dict[str, Any], keeper: str) -> None:
    """The same, late, of a Service that Kubernetes keeps."""
    for check, story in (
        (RecoveredInTime(), replaced_story(endpoint_added=90)),
        (UnreadyLeavesEndpoints(), clinging()),
        (EndState(), left_out()),
    ):
        finding = check(of(story, spec, keeper).history())
        assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        pytest.param(PUBLISHING, Answer.UNKNOWN, id="unready addresses are published"),
        pytest.param(SELECTING, Answer.FAIL, id="they are not"),
    ],
)
def test_an_endpoint_that_is_published_to_the_end_is_not_late(spec: dict[str, Any], answer: Answer) -> None:
    """With publishNotReadyAddresses the endpoint of a pod stays ready for all of its grace, until the pod is gone."""
    finding = RecoveredInTime()(of(replaced_story(endpoint_removed=60), spec).history())
    assert finding.answer is answer, finding.line()


def dual_stack(left_s: float | None = None, *families: str) -> Story:
    """A Service of two families; its slice for IPv6 is gone from a moment on, and it has these families then."""
    story = kept_story()
    slices = [one for one in story.events if one.kind == "EndpointSlice"]
    story.events = [one for one in story.events if one.kind != "EndpointSlice"]
    for one in slices:
        for family in ("IPv4", "IPv6"):
            metadata = {**one.object["metadata"], "uid": family, "name": family}
            story.events.append(replace(one, object={**one.object, "metadata": metadata, "addressType": family}))
    of(story, {**SELECTING, "ipFamilies": ["IPv4", "IPv6"]})
    if left_s is not None:
        raw = {"metadata": {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}}
        story.saw(left_s, "MODIFIED", {**raw, "spec": {**SELECTING, "ipFamilies": list(families)}}, "Service")
        gone = next(one for one in reversed(story.events) if one.object.get("addressType") == "IPv6")
        story.saw(left_s + 0.1, "DELETED", gone.object, "EndpointSlice")
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(dual_stack(), Answer.PASS, id="both families"),
        pytest.param(dual_stack(50, "IPv4"), Answer.PASS, id="one was given up"),
        pytest.param(dual_stack(50, "IPv4", "IPv6"), Answer.FAIL, id="one has lost its slice"),
        pytest.param(dual_stack(50), Answer.FAIL, id="nobody says that it was given up"),
    ],
)
def test_a_family_that_the_service_gave_up_needs_no_endpoint(story: Story, answer: Answer) -> None:
    """An owner takes a dual-stack Service back to IPv4: that no replica has an endpoint of IPv6 is as it should be."""
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()


def with_ports(story: Story, ports: Any, spec: dict[str, Any], *, from_s: float = 34) -> Story:
    """The slices have these ports from a moment on, and one before."""
    for event in story.events:
        if event.kind == "EndpointSlice":
            event.object["ports"] = ports if event.at_ns >= at(from_s) else [{"port": 8000}]
    return of(story, spec)


PORTED = {**SELECTING, "ports": [{"port": 80, "targetPort": "http"}]}


@pytest.mark.parametrize(
    ("ports", "spec", "answer"),
    [
        pytest.param([{"port": 8000}], PORTED, Answer.PASS, id="a port"),
        pytest.param([], PORTED, Answer.FAIL, id="no port of that name"),
        pytest.param(None, PORTED, Answer.FAIL, id="none at all"),
        pytest.param([], {**SELECTING, "clusterIP": "None"}, Answer.PASS, id="a headless Service without ports"),
        pytest.param([{}], PORTED, Answer.PASS, id="every port"),
    ],
)
def test_an_endpoint_without_the_services_port_is_none(ports: Any, spec: dict[str, Any], answer: Answer) -> None:
    """Pods whose release calls its port otherwise are listed as ready, and no connection is sent to them."""
    finding = EndState()(with_ports(kept_story(), ports, spec).history())
    assert finding.answer is answer, finding.line()


def test_ports_that_are_null_are_none() -> None:
    """Null is how the API server sends a slice without ports, and it is dropped as a log is read."""
    story = with_ports(kept_story(), [{"port": 8000}], PORTED)
    assert EndState()(story.history()).answer is Answer.PASS
    for event in story.events:
        if event.kind == "EndpointSlice" and event.at_ns >= at(34):
            del event.object["ports"]
    finding = EndState()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()


HTTP, METRICS = {"name": "http", "port": 8000}, {"name": "metrics", "port": 9400}
TWO_PORTS = {
    **SELECTING,
    "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "metrics", "port": 9400}],
}


@pytest.mark.parametrize(
    ("sent_to", "ports", "answer"),
    [
        pytest.param(80, [HTTP, METRICS], Answer.PASS, id="both"),
        pytest.param(80, [HTTP], Answer.PASS, id="the users' alone"),
        pytest.param(80, [METRICS], Answer.FAIL, id="another alone"),
        pytest.param(9400, [METRICS], Answer.PASS, id="another alone, which users are sent to"),
        pytest.param(None, [METRICS], Answer.PASS, id="another alone, in a record that does not say which"),
        pytest.param(8443, [METRICS], Answer.PASS, id="another alone, with users sent to none of them"),
        pytest.param(None, None, Answer.FAIL, id="none, in a record that does not say which"),
    ],
)
def test_users_need_the_port_that_they_are_sent_to(sent_to: int | None, ports: Any, answer: Answer) -> None:
    """A release that calls its port otherwise keeps that of its metrics, so its slice is not without any."""
    story = with_ports(kept_story(), ports, TWO_PORTS)
    for event in story.events:
        if event.kind == "EndpointSlice" and event.at_ns < at(34):
            event.object["ports"] = [HTTP, METRICS]
    system = {**facts().raw["system"], **({} if sent_to is None else {"port": sent_to})}
    finding = EndState()(story.has(facts=facts(raw={"system": system})).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("ports", "answer"),
    [pytest.param([METRICS, HTTP], Answer.PASS, id="both"), pytest.param([METRICS], Answer.FAIL, id="metrics alone")],
)
def test_an_endpoint_without_the_users_port_is_not_added(ports: Any, answer: Answer) -> None:
    """The replacement is Ready and in a slice of the Service, which has no port for users: they never reach it."""
    story = with_ports(replaced_story(), ports, TWO_PORTS)
    for event in story.events:
        if event.kind == "EndpointSlice" and event.at_ns < at(34):
            event.object["ports"] = [HTTP]
    system = {**facts().raw["system"], "port": 80}
    finding = RecoveredInTime()(story.has(facts=facts(raw={"system": system})).history())
    assert finding.answer is answer, finding.line()
