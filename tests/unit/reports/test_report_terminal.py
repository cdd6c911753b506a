"""The summaries for a terminal and for a CI page."""

import re
from dataclasses import replace
from pathlib import Path

import report_histories as made

from reports import formatting as words
from reports import markdown, summarise, summary

RUNS = (made.good_run, made.bad_run, made.unknown_run, made.killed_run, made.silent_run)
REPORTS = [summarise(*run(), run=Path("runs/20260101T120003Z-pod-kill-8877")) for run in RUNS]


def test_the_summary_fits_100_columns() -> None:
    """No line is wider than it may be, though scenario names are long."""
    assert max(map(len, summary(REPORTS, width=100).splitlines())) <= 100


def test_the_summary_has_a_row_for_each_trial() -> None:
    """Verdict, longest stage, availability and p99 of every trial, as the report has them."""
    lines = summary(REPORTS, width=100).splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["PASS", "FAIL", "UNKNOWN", "UNKNOWN", "UNKNOWN"]
    for line, report in zip(lines[1:6], REPORTS, strict=True):
        assert words.share(report.key.answered_share) in line
        assert words.duration(report.key.p99_s) in line


def test_the_summary_says_why_and_where() -> None:
    """Below the table stand the reason of every trial that did not pass, and every page's path, unbroken."""
    text = summary(REPORTS, width=60)
    assert text.count("runs/20260101T120003Z-pod-kill-8877/report.html") == len(REPORTS)
    flat = " ".join(text.split())
    assert "388 of 3,440 requests were not answered" in flat
    assert "to settle it: let a stream of traffic flow through the trial" in flat


def test_the_summary_has_colour_only_if_asked() -> None:
    """A log gets no terminal codes."""
    assert "\x1b" not in summary(REPORTS)
    assert "\x1b" in summary(REPORTS, colour=True)


def test_markdown_cells_cannot_break_the_table() -> None:
    """Bars, brackets and new lines in names are escaped, so that each row keeps its cells."""
    history, verdict = made.bad_run()
    hostile = summarise(history, verdict)
    text = markdown([hostile])
    assert r"test\_killed\_pods" in text
    row = next(line for line in text.splitlines() if "✗ FAIL" in line)
    assert row.count(" | ") == 5


def test_no_word_of_a_run_steers_a_terminal_or_a_ci_system() -> None:
    """A reason may quote a server, and the log of a job reads commands."""
    hostile = "it said: \x1b[2J\n::error::no\n##vso[task.complete]"
    for report in REPORTS:
        told = replace(
            report, headline=replace(report.headline, scenario=hostile, sentence=hostile, how_it_ended=hostile)
        )
        for text in (summary([told]), markdown([told])):
            assert "\x1b" not in text
            assert not any(line.lstrip().startswith(("::", "##vso")) for line in text.splitlines())


def test_no_word_of_a_run_calls_people_or_issues() -> None:
    """Where the Markdown becomes a comment, a name of the cluster would notify whom it names."""
    hostile = "@everyone and @org/team, see #123 or mail a@b.c; 5 @ 7 # no"
    report = REPORTS[0]
    told = replace(report, headline=replace(report.headline, scenario=hostile, sentence=hostile, answer="FAIL"))
    text = markdown([told])
    assert not re.search(r"[@#]\\?\w", text)
    assert "everyone" in text
    assert "5 @ 7" in text
