"""The report shows each victim's recovery leg by leg, with the numbers of the finding that judged them."""

from __future__ import annotations

import pytest
from leg_stories import replaced_story, restarted_story

from chaos.checks import Recovered, RecoveredInTime
from chaos.checks.verdict import Verdict
from reports.build.report import summarise
from reports.page.report import page


def test_the_table_has_every_leg_with_its_bound() -> None:
    """Part, time and bound of each leg stand in the page and in the numbers behind it."""
    history = restarted_story().history()
    report = summarise(history, Verdict.of([RecoveredInTime()(history)]))
    (table,) = report.legs
    assert sum(leg.seconds for leg in table.legs) == pytest.approx(table.whole_s)
    text = page(report)
    for leg in table.legs:
        assert f"<td>{leg.leg}</td>" in text
    assert "liveness probe and grace" in text
    assert "nobody promises it" in text


def test_the_late_leg_is_named() -> None:
    """A reader sees which leg took too long."""
    history = replaced_story(endpoint_added=60).history()
    report = summarise(history, Verdict.of([RecoveredInTime()(history)]))
    assert report.legs[0].late == ("endpoint added",)
    assert "late: <b>endpoint added</b>" in page(report)


def test_without_the_check_there_is_no_table() -> None:
    """Legs that nobody judged are not shown as if somebody had."""
    history = replaced_story().history()
    report = summarise(history, Verdict.of([Recovered()(history)]))
    assert report.legs == ()
    assert "leg by leg" not in page(report)
