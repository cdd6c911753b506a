"""ScaledUp where the owners release another template in the same trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling
from histories import deployment

from chaos.checks import ScaledUp
from chaos.checks.verdict import Answer

SLOW: Mapping[str, Any] = {
    **ASKING,
    "containers": [{**ASKING["containers"][0], "startupProbe": {"periodSeconds": 5, "failureThreshold": 12}}],
}
"""The start may take 60 s, hence a new pod is there and Ready within 84 s."""


def risen(made_s: float, *, slow_s: float | None) -> Scaling:
    """A third replica is desired at 42 s and made at this moment; the template has slow pods from another on."""
    story = Scaling(200).stands("a", "b").loaded(1, 0, 195).loaded(4, 30, 190)
    story.rescaled(42, 3, measured=100).made("c", made_s, made_s + 4)
    return story if slow_s is None else story.saw(slow_s, "MODIFIED", deployment(3, spec=SLOW), "Deployment")


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(risen(60, slow_s=None), Answer.PASS, id="in time"),
        pytest.param(risen(80, slow_s=None), Answer.FAIL, id="late"),
        pytest.param(risen(80, slow_s=150), Answer.FAIL, id="late, and slower pods are released later"),
    ],
)
def test_a_later_release_gives_the_pods_of_a_rise_no_time(story: Scaling, answer: Answer) -> None:
    """The pods of a rise have the time of the template that there was as it came: 29 s."""
    finding = ScaledUp()(story.history())
    assert finding.answer is answer, finding.line()
