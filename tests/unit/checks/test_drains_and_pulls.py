"""Drained where the image of a replacement may have to be pulled: that excuses a drain only if it held one up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from budget_stories import Guarded, budget
from histories import PROBED, pod

from chaos.checks import Drained
from chaos.checks.verdict import Answer

PULLED: dict[str, Any] = {"containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}]}


def drained(*, started_s: float | None = None, unwell_s: tuple[float, float] | None = None) -> Guarded:
    """Of two pods on n1 the second goes at 140 s only; the bound is 90 s from 30 s on.

    The first one's replacement starts at once, or at `started_s`; replica `b` elsewhere is not Ready for a while.
    """
    story = Guarded(240).stands("a", "b", "c", "d", pdb=budget()).drain(result_s=150, healed_s=151)
    story.traffic(end_s=200).evicted("a", 30.2, fault="node-drain-1")
    if started_s is None:
        story.back("e", 30.3)
    else:
        story.saw(30.3, "ADDED", pod("e", node="")).saw(30.4, "MODIFIED", pod("e", node="n2"))
        story.saw(started_s, "MODIFIED", pod("e", node="n2", running=True))
        story.saw(started_s + 4, "MODIFIED", pod("e", node="n2", ready=True)).counted(started_s + 4.1, budget())
    if unwell_s is not None:
        story.saw(unwell_s[0], "MODIFIED", pod("b", node="n2", running=True))
        story.saw(unwell_s[1], "MODIFIED", pod("b", node="n2", ready=True))
    return story.evicted("d", 140).back("f", 140.3)


def alone() -> Guarded:
    """The only pod on n1 goes at 140 s, for which no replacement has to be there."""
    few = budget(healthy=3, desired=2, expected=3)
    story = Guarded(240).stands("a", "b", "c", pdb=few).drain(result_s=150, healed_s=151)
    story.traffic(end_s=200).evicted("a", 140, healthy=3, desired=2, fault="node-drain-1")
    return story.back("e", 140.3, healthy=3, desired=2)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(drained(), Answer.FAIL, id="its replacement was there at once"),
        pytest.param(drained(started_s=95), Answer.UNKNOWN, id="its replacement was pulled"),
        pytest.param(drained(unwell_s=(50, 120)), Answer.UNKNOWN, id="another replica was not Ready"),
        pytest.param(drained(unwell_s=(5, 20)), Answer.FAIL, id="another was not before"),
        pytest.param(alone(), Answer.FAIL, id="no replacement was waited for"),
    ],
)
def test_a_pull_that_held_nothing_up_excuses_no_drain(story: Guarded, answer: Answer) -> None:
    """The pods' policy lets an image be pulled, which nobody limits."""
    for place, one in enumerate(story.events):
        if one.kind == "Pod":
            raw = {**one.object, "spec": {**one.object["spec"], **PULLED}}
            story.events[place] = replace(one, object=raw)
    finding = Drained()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("may have to be pulled" in finding.reason) is (answer is Answer.UNKNOWN)
