"""The trials of a session in a few lines, for the end of a pytest run, and as Markdown for the page of a CI job."""

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaos.errors import one_line, rewrapped
from reports import formatting as words
from reports.model.report import Report

__all__ = ["markdown", "markdown_text", "summary"]

STYLE = {"PASS": "green", "UNKNOWN": "yellow", "FAIL": "bold red"}

NAME_MOST = 34

COLUMNS = (("verdict", 7), ("scenario", 12), ("longest stage", 8), ("answered", 8), ("p99", 12))
"""Columns, and the least width at which each can still be read."""


def summary(reports: Sequence[Report], *, width: int = 100, colour: bool = False) -> str:
    """One row a trial, and below it where its page is, and why it did not pass.

    `width` is in columns; `colour` adds the terminal's own codes.
    """
    console = Console(
        width=width, force_terminal=colour, no_color=not colour, color_system="standard" if colour else None
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=False)
    for name, least in COLUMNS:
        right = name in ("answered", "p99")
        table.add_column(name, justify="right" if right else "left", no_wrap=True, min_width=least)
    for report in reports:
        table.add_row(*_row(report))
    with console.capture() as caught:
        console.print(table)
        for report in reports:
            console.print(_place(report), soft_wrap=True)
            for line in _why(report):
                console.print(Padding(line, (0, 0, 0, 2)), overflow="fold")
    return rewrapped("\n".join(line.rstrip() for line in caught.get().splitlines()))


def _row(report: Report) -> tuple[Text, ...]:
    answer, key = report.headline.answer, report.key
    stage = f"until {key.longest_stage} {words.duration(key.longest_stage_s)}" if key.longest_stage else "none seen"
    texts = _short(report.headline.scenario), stage, words.share(key.answered_share), words.duration(key.p99_s)
    return (Text(answer, style=STYLE[answer]), *(Text(one_line(text)) for text in texts))


def _short(scenario: str) -> str:
    """The scenario's name, its middle left out if it is long: the parameters at its end tell trials apart."""
    if cell_len(scenario) <= NAME_MOST:
        return scenario
    parameters = scenario[scenario.find("[") :] if "[" in scenario else ""
    tail = parameters if 0 < cell_len(parameters) <= NAME_MOST - 12 else scenario[-12:]
    return set_cell_size(scenario, NAME_MOST - cell_len(tail) - 1) + "…" + tail


def _place(report: Report) -> Text:
    """Which trial, and the path of its page; never broken, so that it can be copied."""
    head = report.headline
    place = f"report {head.folder}/report.html" if head.folder else "no report was written"
    return Text.assemble((head.answer, STYLE[head.answer]), one_line(f" {_short(head.scenario)}  {place}"))


def _why(report: Report) -> list[Text]:
    """Why it did not pass, and what would settle it."""
    news = _news(report)
    if report.headline.answer == "PASS":
        return [Text(news)] if news else []
    settle = next((row.settle for row in report.findings if row.settle), "")
    sentence, ended = report.headline.sentence, report.headline.how_it_ended
    lines = [sentence, ended, f"to settle it: {settle}" if settle else "", news]
    lines += [f"to change: {advice.title}" for advice in report.advice]
    return [Text(one_line(line)) for line in lines if line]


def _news(report: Report) -> str:
    """What is new against earlier trials of the scenario, empty if nothing is."""
    found = [(name, [row.check for row in report.findings if row.news == news]) for news, name in words.NEWS.items()]
    return "; ".join(f"{name}: {', '.join(checks)}" for name, checks in found if checks)


APART = "\N{ZERO WIDTH SPACE}"
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
        cells = f"{words.SIGN[head.answer]} {head.answer}", markdown_text(head.scenario), *figures, str(head.seed)
        yield f"| {' | '.join(cells)} |"
    for report in reports:
        if report.headline.answer != "PASS":
            yield from _findings(report)


def _findings(report: Report) -> Iterator[str]:
    yield ""
    yield f"**{markdown_text(report.headline.scenario)}**: {markdown_text(report.headline.sentence)}"
    yield ""
    yield "| answer | check | measured | limit | margin | why, and what would settle it |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in report.findings:
        why = "; to settle it: ".join(part for part in (row.reason, row.settle) if part)
        check = f"{row.check} ({row.news})" if row.news else row.check
        cells = check, row.measured, row.limit, row.margin, why
        yield f"| {words.SIGN[row.answer]} {row.answer} | {' | '.join(map(markdown_text, cells))} |"


def markdown_text(text: str) -> str:
    """Text that Markdown takes as it is, in one line."""
    flat = one_line(" ".join(text.split()))
    escaped = "".join(f"\\{letter}" if letter in MEANS_SOMETHING else letter for letter in flat)
    # A backslash keeps no platform from calling people and issues: only what stands between sign and name does.
    return re.sub(r"([@#])(?=\w)", f"\\1{APART}", escaped)
