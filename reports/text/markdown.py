"""The trials of a session as Markdown, for the page of a CI job: the same numbers as in the page."""

from collections.abc import Iterator, Sequence

from reports import formatting as words
from reports.model.report import Report

__all__ = ["markdown"]

SIGN = {"PASS": "✓", "UNKNOWN": "?", "FAIL": "✗"}
MEANS_SOMETHING = "\\`*_{}[]()<>#+!|~&"


def markdown(reports: Sequence[Report]) -> str:
    """A table with one row a trial, then the findings of every trial that did not pass."""
    return "\n".join(_lines(reports)) + "\n"


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    yield "| verdict | scenario | answered | p99 | slowest recovery | seed |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for report in reports:
        head, key = report.headline, report.key
        figures = words.share(key.answered_share), words.duration(key.p99_s), words.duration(key.slowest_recovery_s)
        yield f"| {SIGN[head.answer]} {head.answer} | {_text(head.scenario)} | {' | '.join(figures)} | {head.seed} |"
    for report in reports:
        if report.headline.answer != "PASS":
            yield from _findings(report)


def _findings(report: Report) -> Iterator[str]:
    yield ""
    yield f"**{_text(report.headline.scenario)}**: {_text(report.headline.sentence)}"
    yield ""
    yield "| answer | check | measured | limit | margin | why, and what would settle it |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in report.findings:
        why = "; to settle it: ".join(part for part in (row.reason, row.settle) if part)
        check = f"{row.check} ({row.news})" if row.news else row.check
        cells = check, row.measured, row.limit, row.margin, why
        yield f"| {SIGN[row.answer]} {row.answer} | {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """Text that Markdown takes as it is, in one line."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in MEANS_SOMETHING else letter for letter in flat)
