"""The page shows the report's own numbers, all faults, no zero for a gap, and can neither fetch nor be injected."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import report_histories as made
from report_cluster import drained_run
from report_histories import Asked, at
from report_pages import Element, parse

import reports.page.report
from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer, Evidence, Finding, Verdict
from chaos.history import History, Note
from chaos.plugin.session_report import draw_run
from reports import Report, TooLarge, summarise, to_json, write_html
from reports import formatting as words
from reports.page.report import SIZE_MOST_BYTES, TEXTS, page

Maker = Callable[[], tuple[History, Verdict]]
RUNS = [made.good_run, made.bad_run, made.unknown_run, made.killed_run, made.silent_run, drained_run]
EVERY_RUN = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
PANELS = ["pods", "replicas", "rate", "failures", "latency", "heat", "lag", "cpu", "coverage"]


def of(elements: list[Element], tag: str, css: str = "", within: str = "") -> list[Element]:
    """The elements of a tag, a class, and inside of an id."""
    return [
        element
        for element in elements
        if element.tag == tag and (not css or css in element.classes) and (not within or within in element.within)
    ]


def lookup(document: object, path: str) -> object:
    """The value at a dotted path of a JSON document."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]  # type: ignore[index]  # JSON
    return document


@EVERY_RUN
def test_every_figure_is_the_one_in_the_json(run: Maker) -> None:
    """Each figure carries its path; the JSON holds the same value there, and the text is that value in words."""
    report = summarise(*run())
    document, figures = json.loads(to_json(report)), of(parse(page(report)), "data")
    assert len(figures) > 12
    for figure in figures:
        value = lookup(document, figure.attributes["data-path"])
        assert json.loads(figure.attributes["value"]) == value
        shown = TEXTS[figure.attributes["data-kind"]](float("inf") if value == "inf" else value)
        assert figure.text == shown


@EVERY_RUN
def test_the_page_carries_the_whole_json(run: Maker) -> None:
    """The document embedded in the page is the report's JSON, to the last number."""
    report = summarise(*run())
    (embedded,) = [element for element in parse(page(report)) if element.attributes.get("id") == "report"]
    assert json.loads(embedded.text) == json.loads(to_json(report))


def test_the_tables_behind_the_charts_are_the_columns_of_the_json() -> None:
    """The table of the rate panel has one row for each bucket with traffic, with the counts of the report."""
    report = summarise(*made.bad_run())
    cells = [cell.text for cell in of(parse(page(report)), "td", within="panel-rate")]
    rows = [cells[k : k + 6] for k in range(0, len(cells), 6)]
    known = [k for k, n in enumerate(report.traffic.offered) if n is not None]
    assert [row[2] for row in rows] == [words.count(report.traffic.offered[k]) for k in known]
    assert [row[3] for row in rows] == [words.count(report.traffic.answered[k]) for k in known]
    assert rows[0][0] == words.clock(report.buckets.begin_ns + known[0] * report.buckets.width_ns)


@EVERY_RUN
def test_every_fault_has_its_band_in_every_panel(run: Maker) -> None:
    """Whatever the panel can draw, each fault of the history is in it, from its begin to its end."""
    report = summarise(*run())
    elements = parse(page(report))
    drawn = [section.attributes["data-panel"] for section in of(elements, "section", "panel")]
    assert [panel for panel in drawn if panel in PANELS] == PANELS
    for panel in drawn:
        bands = of(elements, "rect", "band", f"panel-{panel}")
        assert [band.attributes["data-fault"] for band in bands] == [fault.id for fault in report.faults]
        for band, fault in zip(bands, report.faults, strict=True):
            assert band.attributes["data-result"] == fault.result
            begin_ms = (fault.begin_ns - report.headline.began_ns) // 1_000_000
            assert int(band.attributes["x"]) == begin_ms
            assert int(band.attributes["width"]) == (fault.end_ns - report.headline.began_ns) // 1_000_000 - begin_ms


def test_a_gap_is_drawn_as_a_gap() -> None:
    """Where requests are missing no line is drawn, above all none at zero, and the span is hatched with its reason."""
    table = Asked().ask(0, 20, 10).ask(40, 60, 10)
    report = summarise(made.history(60, made.INITIAL, table, 10, traffic_s=(0, 60)), Verdict(()))
    elements = parse(page(report))
    for panel, css in (("rate", "answered"), ("rate", "offered"), ("latency", "p50")):
        (line,) = [path for path in of(elements, "path", css, f"panel-{panel}") if "line" in path.classes]
        reached = [int(x) for x in re.findall(r"[MH](\d+)", line.attributes["d"])]
        assert reached == sorted(reached)
        assert line.attributes["d"].count("M") == 2
        assert not [x for x in reached if 20_000 < x < 40_000]
    (hole,) = of(elements, "span", "hole", "panel-rate")
    assert (hole.attributes["data-b"], hole.attributes["data-e"]) == ("20000", "40000")
    assert "none is on record" in hole.attributes["title"]


def test_pods_are_not_drawn_where_the_watch_was_blind() -> None:
    """No state of a pod reaches into a gap of the watch."""
    report = summarise(*made.unknown_run())
    ready = of(parse(page(report)), "path", "s-ready", "panel-pods")[0].attributes["d"]
    for left, width in re.findall(r"M(\d+) [\d.]+h(\d+)", ready):
        assert int(left) + int(width) <= 24_000 or int(left) >= 31_000


def test_replicas_are_not_drawn_where_the_watch_was_blind() -> None:
    """The line of ready replicas stops at a gap of the watch and begins anew after it."""
    report = summarise(*made.unknown_run())
    (line,) = [path for path in of(parse(page(report)), "path", "ready", "panel-replicas") if "line" in path.classes]
    first, second = line.attributes["d"].removeprefix("M").split("M")
    assert re.findall(r"H(\d+)", first)[-1] == "24000"
    assert second.split()[0] == "31000"


@EVERY_RUN
def test_the_page_refers_to_nothing_outside(run: Maker) -> None:
    """No source, link, import or url() leads out of the file; every link is an anchor."""
    text = page(summarise(*run()))
    for element in parse(text):
        assert element.tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert "src" not in element.attributes
        assert element.attributes.get("href", "#").startswith("#")
        assert not [name for name in element.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://|\bfetch\(|XMLHttpRequest|WebSocket|\beval\(|new Function", text)


def test_the_policy_forbids_fetching_and_names_the_one_script() -> None:
    """The content security policy allows only the script whose hash it names, and that is the page's script."""
    text = page(summarise(*made.good_run()))
    (meta,) = [element for element in parse(text) if "http-equiv" in element.attributes]
    policy = dict(part.strip().split(" ", 1) for part in meta.attributes["content"].split(";"))
    (script,) = [element for element in parse(text) if element.tag == "script" and "type" not in element.attributes]
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'sha256-{digest}'"


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{ 7*7 }}"


def test_hostile_names_and_errors_stay_text() -> None:
    """Names, errors, reasons and notes that try to be markup are shown as they are, and make no element."""
    plan = replace(made.VICTIM, name=f"model-{HOSTILE}", node=HOSTILE, terminating_s=30.0, gone_s=31.0)
    struck = replace(made.fault(30, 40, plan), id=HOSTILE, words=HOSTILE, proof=HOSTILE)
    table = Asked().ask(0, 60, 10, outcome=HOSTILE, share=0.1, error=HOSTILE)
    finding = replace(
        Finding(HOSTILE, Answer.FAIL, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        evidence=(Evidence(at(3), HOSTILE),),
    )
    history = made.history(
        60,
        (plan, *made.INITIAL[2:]),
        table,
        10,
        traffic_s=(0, 60),
        faults=(struck,),
        notes=(Note(at(4), HOSTILE),),
        facts=made.facts(HOSTILE, claim=HOSTILE, raw={"run": HOSTILE, HOSTILE: HOSTILE}),
    )
    text = page(summarise(history, Verdict.of((finding,))))
    elements = parse(text)
    assert len(of(elements, "script")) == 3
    assert not of(elements, "img")
    assert of(elements, "h1")[0].text == HOSTILE
    assert "\u2028" not in "".join(element.text for element in of(elements, "script"))
    assert "49" not in of(elements, "h1")[0].text


def test_a_page_over_its_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is too large is an error, not a file."""
    monkeypatch.setattr(reports.page.report, "SIZE_MOST_BYTES", 10_000)
    with pytest.raises(TooLarge, match=r"over its limit of 10\.0 kB"):
        write_html(summarise(*made.good_run()), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_size_does_not_grow_with_requests() -> None:
    """Ten times the same requests make a page of nearly the same size: raw records never go in."""
    once = made.history(60, made.INITIAL, Asked().ask(0, 60, 120), 120, traffic_s=(0, 60))
    tenfold = replace(once, requests=pl.concat([once.requests] * 10))
    assert tenfold.requests.height == 72_000
    assert len(page(summarise(tenfold, Verdict(())))) < 1.05 * len(page(summarise(once, Verdict(()))))


def test_verdict_comes_first_in_word_sign_and_colour() -> None:
    """The first thing in the page is the verdict, as a word and a sign besides its colour; UNKNOWN is never green."""
    for run, word, sign in (
        (made.good_run, "PASS", "✓"),
        (made.bad_run, "FAIL", "✗"),
        (made.killed_run, "UNKNOWN", "?"),
    ):
        header = of(parse(page(summarise(*run()))), "header", "top")[0]
        assert f"v-{word}" in header.classes
        assert header.text.split()[:2] == [sign, word]


def test_findings_show_rule_limit_measured_margin_reason_and_settle() -> None:
    """Each part of each finding is in the table, worst finding first."""
    report: Report = summarise(*made.unknown_run())
    (table,) = of(parse(page(report)), "table", "findings")
    for row in report.findings:
        for part in (row.check, row.rule, row.limit, row.measured, row.margin, row.reason, row.settle):
            assert part in table.text
    places = [table.text.index(row.rule) for row in report.findings]
    assert places == sorted(places)


def test_a_large_cluster_does_not_fill_the_page() -> None:
    """Of 1,500 nodes with their labels fifty are shown, and how many there are; trial.json has them all."""
    nodes = [{"name": f"n{k}", "labels": {f"example.org/label-{j}": "x" * 40 for j in range(60)}} for k in range(1500)]
    history, verdict = made.good_run()
    facts = replace(history.facts, raw={**history.facts.raw, "cluster": {"context": "c", "nodes": nodes}})
    report = summarise(replace(history, facts=facts), verdict)
    shown = dict(report.provenance)
    assert shown["cluster.nodes"].startswith("1500, of which 50 are here")
    assert "cluster.nodes.49.name" in shown
    assert "cluster.nodes.50.name" not in shown
    assert len(page(report).encode()) < SIZE_MOST_BYTES


def test_a_verdict_is_given_however_large_its_page_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with the verdict and the reason is there instead, and its words are only text."""
    monkeypatch.setattr(reports.page.report, "SIZE_MOST_BYTES", 10_000)
    history, verdict = made.bad_run()
    (run := tmp_path / "run").mkdir()
    hostile = replace(history, facts=replace(history.facts, scenario=HOSTILE))
    report = draw_run(Judgement(run, hostile, verdict))
    text = (run / "report.html").read_text()
    assert report.headline.answer in text
    assert "over its limit of 10.0 kB" in text
    assert not of(parse(text), "img")
    assert not of(parse(text), "script")
    assert (tmp_path / "history.jsonl").read_text().count("\n") == 1
