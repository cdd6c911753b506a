"""The pages of a trial and of a session: one self-contained HTML file each, unable to fetch anything."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from chaos.clock import NS
from chaos.errors import GamedayError
from chaos.history.writing.jsonl import write_private
from reports import formatting as words
from reports.build.session import Session
from reports.model.report import Report, plain
from reports.page.panels import panels
from reports.page.panels.panel import Panel, Table
from reports.page.panels.phases import strip_of
from reports.page.svg import MS, TimeAxis, axis_of, time_ticks

__all__ = [
    "SIZE_MOST_BYTES",
    "TooLarge",
    "environment",
    "page",
    "session_page",
    "trusted",
    "write_html",
    "write_session",
    "write_stub",
]

SIZE_MOST_BYTES = 4_000_000
"""A page that grows beyond this holds raw records somewhere: that is a defect, and never shipped silently."""
SENTENCE_MOST = 10_000
ROWS_MOST = 1000
"""Most rows of a table behind a chart."""
TEXTS: dict[str, Callable[[Any], str]] = {
    "duration": words.duration,
    "share": words.share,
    "count": words.count,
    "text": str,
}


class TooLarge(GamedayError, ValueError):
    """The page would exceed its size limit."""


def write_html(report: Report, path: Path) -> None:
    """Write the page. Raises `TooLarge` beyond `SIZE_MOST_BYTES`, `HarnessBroken` if the file cannot be written."""
    text = page(report).encode(errors="replace")
    if len(text) > SIZE_MOST_BYTES:
        raise TooLarge(f"the report would be {words.size(len(text))}, over its limit of {words.size(SIZE_MOST_BYTES)}")
    write_private(path, text.decode())


def write_stub(report: Report, why: str, path: Path) -> None:
    """Write a page that has the verdict, and why there is no more. Raises `HarnessBroken`."""
    head = report.headline
    text = Markup(
        '<!doctype html><meta charset="utf-8"><title>{0}</title><h1>{1} {0}</h1><p>{2}</p>'
        "<p>There is no more of this page: {3}. All findings are in verdict.json, beside it.</p>"
    )
    write_private(path, text.format(head.scenario, head.answer, head.sentence[:SENTENCE_MOST], why))


def page(report: Report) -> str:
    """The page as text."""
    axis = axis_of(report.headline.began_ns, report.headline.ended_ns)
    drawn, data = panels(report, axis), plain(report)
    ticks = time_ticks(axis)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            h=report.headline,
            texts=TEXTS,
            news=_news_words(report),
            date=words.date(report.headline.began_ns),
            began=words.clock(report.headline.began_ns),
            ended=words.clock(report.headline.ended_ns),
            fig=Figures(data),
            moment=lambda at_ns: _moment(at_ns, axis),
            size=words.size,
            table=_table,
            panels=drawn,
            strip=strip_of(report, axis),
            span_ms=axis.span_ms,
            grid="".join(f"M{at} 0V400" for at in ticks),
            ticks=[_tick(at, axis) for at in ticks],
            steps=list(
                dict.fromkeys(
                    step.name for loss in sorted(report.losses, key=lambda one: -len(one.steps)) for step in loss.steps
                )
            ),
            css=trusted("report.css"),
            script=trusted("report.js"),
            script_hash=script_hash(asset("report.js")),
            data=_embedded(data),
            readouts=_embedded(_readouts(drawn, axis)),
        )
    )


def _news_words(report: Report) -> str:
    """How many findings are new, still not holding, fixed or flaky, in words."""
    counted = Counter(row.news for row in report.findings if row.news)
    return ", ".join(f"{counted[news]} {name}" for news, name in words.NEWS.items() if counted[news])


class Figures:
    """Shows a number of the report by its path in the JSON, so that text and JSON cannot differ."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __call__(self, path: str, kind: str) -> Markup:
        """The number as text, carrying its path and its value."""
        value: Any = self._data
        for part in path.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
        shown = TEXTS[kind](float("inf") if value == "inf" else value)
        return Markup('<data data-path="{}" data-kind="{}" value="{}">{}</data>').format(
            path, kind, json.dumps(value), shown
        )


def _embedded(value: Any) -> Markup:
    """JSON that cannot end its script element, whatever strings it holds."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704  # escaped on this line


def _readouts(drawn: list[Panel], axis: TimeAxis) -> dict[str, Any]:
    texts = {panel.id: [[at for at, _ in panel.readout], [text for _, text in panel.readout]] for panel in drawn}
    return {"axis": {"zero_ms": axis.zero_ns / MS, "span_ms": axis.span_ms}, "panels": texts}


def _table(table: Table) -> Markup:
    """A table of text; its cells are escaped here, since a template is slow for thousands of them."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in table.rows[:ROWS_MOST])
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    hidden = f"Showing {ROWS_MOST:,} of {len(table.rows):,} rows." if len(table.rows) > ROWS_MOST else ""
    text = " ".join(part for part in (hidden, table.note) if part)
    note = f'<p class="of">{escape(text)}</p>' if text else ""
    return Markup(f'<table class="data"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}')  # noqa: S704  # escaped cell by cell


def _moment(at_ns: int, axis: TimeAxis) -> Markup:
    """A moment in both clocks, linked to its place on the time axis."""
    since_s = f"{(at_ns - axis.zero_ns) / NS:.3f}"
    utc, rel = words.clock(at_ns, digits=1), words.elapsed(at_ns, axis.zero_ns)
    return Markup(
        '<a class="when" href="#t={}"><b class="utc">{}</b><b class="loc"></b><b class="rel">{}</b></a>'
    ).format(since_s, utc, rel)


def _tick(at_ms: int, axis: TimeAxis) -> Markup:
    at_ns = axis.zero_ns + at_ms * MS
    return Markup('<span class="tick" style="left:{}%">{}</span>').format(
        round(100 * at_ms / axis.span_ms, 3), words.clock(at_ns)
    )


def write_session(session: Session, path: Path) -> None:
    """Write the page. Raises `HarnessBroken`."""
    write_private(path, session_page(session))


def session_page(session: Session) -> str:
    """The page as text."""
    facts = session.facts
    return (
        environment()
        .get_template("session.html.j2")
        .render(
            s=session,
            facts=facts,
            words=words,
            date=words.date(facts.began_ns),
            began=words.clock(facts.began_ns),
            ended=words.clock(facts.ended_ns),
            took=words.duration((facts.ended_ns - facts.began_ns) / NS),
            link=lambda run: f"../{quote(run)}/report.html",
            css=trusted("report.css"),
        )
    )


def environment() -> jinja2.Environment:
    """Templates that escape whatever they are given, and raise for what they are not given."""
    loader = jinja2.FunctionLoader(
        lambda name: resources.files("reports.page").joinpath("templates", name).read_text("utf-8")
    )
    templates = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.globals.update(sign=words.SIGN, named=words.NEWS)
    return templates


def asset(name: str) -> str:
    """One of our own files."""
    return resources.files("reports.page").joinpath("assets", name).read_text("utf-8")


def trusted(name: str) -> Markup:
    """One of our own files, to be put into a page as it is."""
    return Markup(asset(name))  # noqa: S704  # our own file


def script_hash(script: str) -> str:
    """How the content security policy names the one script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
