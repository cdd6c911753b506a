"""Pods that their owners change in place: a resize that restarts a container, an image that is replaced in the pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED, Story, pod

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
