"""Hangs of foreign pods: a sidecar is restarted instead, endpoints show the unready, the watch is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import NAMESPACE, PROBED, T0, WORKLOAD, at, pod
from probe_stories import covered, hang_story, hung, killing

from chaos.checks import RestartedByLiveness, UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer
from chaos.history import History

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


@pytest.mark.xfail(strict=True, reason="B20: a Service that publishes unready addresses is not looked at")
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
