"""Services whose endpoints Kubernetes' own controller does not keep, or that stay ready while their pod ends."""

from __future__ import annotations

from typing import Any

import pytest
from histories import NAMESPACE, WORKLOAD, Story, at
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
