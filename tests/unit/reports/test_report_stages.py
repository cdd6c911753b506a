"""The report shows each victim's recovery stage by stage, with the numbers of the finding that judged them."""

import pytest
from recovery_stories import replaced_story, restarted_story

from chaos.checks import Recovered, RecoveredInTime
from chaos.checks.verdict import Verdict
from reports.build.report import summarise
from reports.page.report import page


def test_the_table_has_every_stage_with_its_bound() -> None:
    """Part, time and bound of each stage stand in the page and in the numbers behind it."""
    history = restarted_story().history()
    report = summarise(history, Verdict.of([RecoveredInTime()(history)]))
    (table,) = report.recoveries
    assert sum(stage.seconds for stage in table.stages) == pytest.approx(table.whole_s)
    text = page(report)
    for stage in table.stages:
        assert f"<td>{stage.stage}</td>" in text
    assert "liveness probe and grace" in text
    assert "nobody promises it" in text


def test_the_late_stage_is_named() -> None:
    """A reader sees which stage took too long."""
    history = replaced_story(endpoint_added=60).history()
    report = summarise(history, Verdict.of([RecoveredInTime()(history)]))
    assert report.recoveries[0].late == ("endpoint added",)
    assert "late: <b>endpoint added</b>" in page(report)


def test_without_the_check_there_is_no_table() -> None:
    """Stages that nobody judged are not shown as if somebody had."""
    history = replaced_story().history()
    report = summarise(history, Verdict.of([Recovered()(history)]))
    assert report.recoveries == ()
    assert "stage by stage" not in page(report)
