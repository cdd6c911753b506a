"""Restarts that owners bring about: a resize in place, an image replaced in the pod, a node that is rebooted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED, Story, node, pod

from chaos.checks import NoNeedlessRestart, NoRestartLoop
from chaos.checks.verdict import Answer, Check

BY_RESTART = ({"resourceName": "memory", "restartPolicy": "RestartContainer"},)
SMALL = {"resources": {"limits": {"memory": "8Gi"}}, "resizePolicy": BY_RESTART, "image": "vllm:1"}
LARGE = {**SMALL, "resources": {"limits": {"memory": "16Gi"}}}
LARGER = {**SMALL, "resources": {"limits": {"memory": "32Gi"}}}
NEWER = {**SMALL, "image": "vllm:2"}
MORE_CPU = {**SMALL, "resources": {"limits": {"memory": "8Gi", "cpu": "4"}}}


def held(container: Mapping[str, Any], restarts: int, **state: Any) -> dict[str, Any]:
    """Replica `a` with its container as given, started anew so often."""
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], **container}]}
    return pod("a", spec=spec, restarts=restarts, **state)


def changed(*steps: tuple[float, Mapping[str, Any], float | None]) -> Story:
    """At each of these moments the container is changed, and restarted that much later, if at all."""
    story, restarts = Story(300).replicas("b").saw(0, "LISTED", held(SMALL, 0, ready=True)), 0
    for at_s, container, later_s in steps:
        story.saw(at_s, "MODIFIED", held(container, restarts, ready=True))
        if later_s is not None:
            restarts += 1
            story.saw(at_s + later_s, "MODIFIED", held(container, restarts, running=True))
            story.saw(at_s + later_s + 4, "MODIFIED", held(container, restarts, ready=True))
    return story.traffic()


@pytest.mark.parametrize(
    ("steps", "needless", "loop"),
    [
        pytest.param([(40, LARGE, 2)], Answer.UNKNOWN, Answer.PASS, id="resized once"),
        pytest.param([(40, NEWER, 2)], Answer.UNKNOWN, Answer.PASS, id="another image"),
        pytest.param([(40, LARGE, 2), (80, LARGER, 2)], Answer.UNKNOWN, Answer.UNKNOWN, id="resized twice"),
        pytest.param([(40, LARGE, None)], Answer.PASS, Answer.PASS, id="resized without a restart"),
        pytest.param([(40, MORE_CPU, 2)], Answer.FAIL, Answer.PASS, id="restarted beside a resize that asks for none"),
        pytest.param([(40, LARGE, 2), (80, LARGE, 2)], Answer.FAIL, Answer.UNKNOWN, id="restarted once more"),
        pytest.param(
            [(40, LARGE, 2), (80, LARGE, 2), (120, LARGE, 2)], Answer.FAIL, Answer.FAIL, id="restarted twice more"
        ),
        pytest.param([(40, LARGE, 150)], Answer.FAIL, Answer.PASS, id="restarted long afterwards"),
    ],
)
def test_a_change_in_place_restarts_its_container_once(
    steps: Sequence[tuple[float, Mapping[str, Any], float | None]], needless: Answer, loop: Answer
) -> None:
    """A VPA that resizes in place, or an in-place release, has the kubelet restart what it changed, each time once."""
    history = changed(*steps).history()
    checks: tuple[tuple[Check, Answer], ...] = ((NoNeedlessRestart(), needless), (NoRestartLoop(), loop))
    for check, answer in checks:
        finding = check(history)
        assert finding.answer is answer, finding.line()


def deferred(*restarts: tuple[float, Mapping[str, Any]], asked_s: float = 40) -> Story:
    """More memory is asked for, for which the node has no room; at these moments a restart, with what it has then."""

    def seen(at_s: float, count: int, has: Mapping[str, Any]) -> dict[str, Any]:
        raw = held(LARGE if at_s >= asked_s else SMALL, count, ready=True)
        raw["status"]["containerStatuses"][0]["resources"] = has["resources"]
        return raw

    story = Story(300).replicas("b").saw(0, "LISTED", seen(0, 0, SMALL)).saw(41, "MODIFIED", seen(41, 0, SMALL))
    for count, (at_s, has) in enumerate(restarts, start=1):
        story.saw(at_s, "MODIFIED", seen(at_s, count, has))
    return story.traffic()


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(deferred((190, LARGE)), Answer.UNKNOWN, id="two minutes later"),
        pytest.param(deferred((60, LARGE), asked_s=0), Answer.UNKNOWN, id="asked for before the record"),
        pytest.param(deferred((190, SMALL)), Answer.FAIL, id="it has what it had"),
        pytest.param(deferred((190, LARGE), (230, LARGE)), Answer.FAIL, id="and once more"),
        pytest.param(deferred(), Answer.PASS, id="not restarted"),
    ],
)
def test_a_resize_that_was_put_off_restarts_its_container_at_last(story: Story, answer: Answer) -> None:
    """A kubelet defers a resize until its node has room, and restarts the container with the new amount then."""
    finding = NoNeedlessRestart()(story.history())
    assert finding.answer is answer, finding.line()


def beside(container: Mapping[str, Any], restarts: int, *, policy: str = "Always") -> dict[str, Any]:
    """Replica `a`, well, with an init container as given, started anew so often; by its policy it is a sidecar."""
    one = {"name": "proxy", "imagePullPolicy": "Never", "restartPolicy": policy, **container}
    raw = pod("a", ready=True, spec={**PROBED, "initContainers": [one]})
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    raw["status"]["initContainerStatuses"] = [
        {"name": "proxy", "ready": True, "restartCount": restarts, "state": state}
    ]
    return raw


@pytest.mark.parametrize(
    ("container", "policy", "answer"),
    [
        pytest.param(NEWER, "Always", Answer.UNKNOWN, id="another image"),
        pytest.param(LARGE, "Always", Answer.UNKNOWN, id="resized"),
        pytest.param(MORE_CPU, "Always", Answer.FAIL, id="a resize that asks for none"),
        pytest.param(SMALL, "Always", Answer.FAIL, id="nothing was changed"),
        pytest.param(NEWER, "Never", Answer.FAIL, id="another image of one that has ended"),
    ],
)
def test_a_sidecar_that_is_changed_in_place_is_restarted_too(
    container: Mapping[str, Any], policy: str, answer: Answer
) -> None:
    """Who updates a proxy in the pods that run has the kubelet restart it, as any container that was changed."""
    story = Story(300).replicas("b").saw(0, "LISTED", beside(SMALL, 0, policy=policy))
    story.saw(40, "MODIFIED", beside(container, 0, policy=policy))
    story.saw(42, "MODIFIED", beside(container, 1, policy=policy)).traffic()
    finding = NoNeedlessRestart()(story.history())
    assert finding.answer is answer, finding.line()


def booted(name: str, boot: str) -> dict[str, Any]:
    """A node whose kernel was started with this ID."""
    raw = node(name)
    raw["status"]["nodeInfo"] = {"bootID": boot}
    return raw


def rebooted(*, on: str = "n1", at_s: float = 60, restarts: int = 1) -> Story:
    """A node is started anew so fast that it never was NotReady; `a` on n1 is restarted a little later, so often."""
    story = Story(300).saw(0, "LISTED", booted("n1", "one"), "Node").saw(0, "LISTED", booted("n2", "one"), "Node")
    story.saw(0, "LISTED", pod("a", ready=True)).saw(at_s, "MODIFIED", booted(on, "two"), "Node")
    for count in range(1, restarts + 1):
        story.saw(55 + 8 * count, "MODIFIED", pod("a", running=True, restarts=count))
    return story.saw(100, "MODIFIED", pod("a", ready=True, restarts=restarts)).traffic()


@pytest.mark.parametrize(
    ("story", "needless", "loop"),
    [
        pytest.param(rebooted(), Answer.UNKNOWN, Answer.PASS, id="its own node"),
        pytest.param(rebooted(restarts=2), Answer.FAIL, Answer.UNKNOWN, id="its own node, and once more"),
        pytest.param(rebooted(restarts=3), Answer.FAIL, Answer.FAIL, id="its own node, and twice more"),
        pytest.param(rebooted(on="n2"), Answer.FAIL, Answer.PASS, id="another node"),
        pytest.param(rebooted(at_s=200), Answer.FAIL, Answer.PASS, id="its own node, long afterwards"),
        pytest.param(rebooted(restarts=0), Answer.PASS, Answer.PASS, id="its own node, without a restart"),
    ],
)
def test_a_node_that_is_started_anew_restarts_its_pods_once(story: Story, needless: Answer, loop: Answer) -> None:
    """Whoever updates a node reboots it: each of its containers comes back with one restart more."""
    checks: tuple[tuple[Check, Answer], ...] = ((NoNeedlessRestart(), needless), (NoRestartLoop(), loop))
    for check, answer in checks:
        finding = check(story.history())
        assert finding.answer is answer, finding.line()
