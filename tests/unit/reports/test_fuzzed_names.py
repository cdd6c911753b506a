"""Whatever strangers call things, and however many there are: terminal, page, Markdown and JUnit stay whole."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import report_histories as made
from hostile_words import HOSTILE, compared, steers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from report_pages import parse

from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.errors import one_line, printable, rewrapped
from chaos.history import Action
from chaos.history.writing.jsonl import write_private
from chaos.plugin.session_report import SessionReport, draw_run
from reports import Report, append, summarise, write_html, write_stub
from reports.page.report import SIZE_MOST_BYTES, page
from reports.text.terminal import markdown, summary

pytest_plugins = ["pytester"]

PIECES = (
    *("::", "::error::", "##", "##[", "##vso[", "\n", "\r", "\t", "\x00", "\x1b[2J", "\x9b", "\u2028", "\u202e", " "),
    *("|", "\\", "`", "<", ">", "&", '"', "'", "</script>", "<!--", "]]>", "<img src=x>", "@all", "#1", "[a](b)", "x"),
)
SURROGATES = ("Cs",)
names = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=SURROGATES), max_size=12), max_size=40
).map("".join)
REPORT = summarise(*made.unknown_run())


def told(text: str) -> Report:
    """A report whose every word is that."""
    findings = tuple(
        replace(row, check=text, rule=text, limit=text, measured=text, margin=text, reason=text, settle=text)
        for row in REPORT.findings
    )
    head = replace(REPORT.headline, scenario=text, sentence=text, how_it_ended=text)
    return replace(REPORT, headline=head, findings=findings)


def plain(text: str) -> str:
    """A terminal's output without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@given(names)
@example("x" * 97 + " ::error::no")
@example("x " * 48 + "::error::no")
@settings(max_examples=60, deadline=None)
def test_no_name_steers_a_terminal_or_a_ci_system(text: str) -> None:
    """Nor where a line is wrapped: what stood in its middle then begins one."""
    report = told(text)
    apart = markdown([report]).replace("\u200b", "")  # between a sign and a name, so that nobody is called
    for said in (one_line(text), printable(text), apart, *(compared(text, width) for width in (60, 100))):
        assert steers(said) == []
    for width in (40, 100):
        assert steers(summary([report], width=width)) == []
        assert steers(plain(summary([report], width=width, colour=True))) == []


@pytest.mark.parametrize("before", range(80, 100))
def test_a_command_begins_no_line_wherever_it_is_broken(before: int) -> None:
    """Neither after a blank nor in the middle of a word that is too long for a line."""
    for text in ("x" * before + " ::error::no", "x" * before + "::error::no"):
        assert steers(summary([told(text)])) == []
        assert steers(compared(text, 100)) == []
    assert rewrapped("a ::b\n  ::error::c\n\x1b[1m::d") == "a ::b\n  \ufffd:error::c\n\x1b[1m\ufffd:d"


def cells(text: str) -> list[int]:
    """How many bars of a table stand in each line."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.split("\n")]


@given(names)
@settings(max_examples=100, deadline=None)
def test_no_name_breaks_a_table_of_markdown(text: str) -> None:
    """As many lines, and in each as many cells, as with a plain name; nobody is called by it."""
    said = markdown([told(f"x{text}")])
    assert cells(said) == cells(markdown([told("x")]))
    assert not re.search(r"[@#]\w", said)


@given(names)
@settings(max_examples=25, deadline=None)
def test_no_name_makes_an_element_of_the_page(text: str) -> None:
    """The page has the same elements as with a plain name, and shows the name as it is."""
    elements, usual = parse(page(told(f"x{text}"))), parse(page(told("x")))
    assert [one.tag for one in elements] == [one.tag for one in usual]
    (data,) = [one for one in elements if one.attributes.get("id") == "report"]
    assert json.loads(data.text)["headline"]["scenario"] == f"x{text}"


def test_half_a_character_is_no_end_of_a_page(tmp_path: Path) -> None:
    """It is no text, and cannot be written: the verdict's page is there all the same, as are session and summary."""
    write_html(told("a \ud800 b"), tmp_path / "report.html")
    write_stub(told("a \ud800 b"), "it is too large", tmp_path / "stub.html")
    write_private(tmp_path / "summary.md", markdown([told("a \ud800 b")]))
    append(tmp_path / "history.jsonl", told("a \ud800 b"))
    assert ["a ? b" in (tmp_path / name).read_text() for name in ("report.html", "stub.html")] == [True, True]


def properties(text: str, folder: Path) -> Sequence[tuple[str, Any]]:
    """What a judged trial with these words leaves for JUnit."""
    shown = SessionReport(SimpleNamespace(runs=folder, seed=7, where="here", rejudge=None))  # type: ignore[arg-type]  # the options it reads
    item: Any = SimpleNamespace(nodeid="test_a.py::test_b", user_properties=[])
    history, _ = made.good_run()
    raw = {**history.facts.raw, "cluster": {**history.facts.raw["cluster"], "context": text}}
    finding = Finding("slo-met", Answer.UNKNOWN, text, text, text, reason=text, settle=text)
    (run := folder / "run").mkdir()
    named = replace(history, facts=replace(history.facts, scenario=text, raw=raw))
    shown.drawer(item)(Judgement(run, named, Verdict.of([finding])))
    given: Sequence[tuple[str, Any]] = item.user_properties
    return given


@pytest.mark.parametrize("text", [*HOSTILE, "".join(PIECES), "\x00\x01\x08\x0b\ufffe\uffff"])
def test_no_word_of_a_run_breaks_the_file_of_junit(text: str, pytester: pytest.Pytester, tmp_path: Path) -> None:
    """It is XML whatever they are, and each property of the trial is there."""
    given = properties(text, tmp_path)
    pytester.makepyfile(f"def test_it(request):\n    request.node.user_properties += {given!r}\n")
    assert pytester.runpytest("-p", "no:cacheprovider", "--junitxml=out.xml").ret == 0
    read = ET.parse(pytester.path / "out.xml").iter("property")  # noqa: S314  # written a moment ago
    assert [one.get("name") for one in read] == [name for name, _ in given]


def test_five_thousand_pods_fit_the_page(tmp_path: Path) -> None:
    """Forty of them are drawn, those that a fault took first, and how many there are; the page keeps its bound."""
    there = [made.PodPlan(f"model-6f7d9c-{k:05}", f"n{k % 1500}", -1, None) for k in range(5000)]
    lost = [made.replaced(plan, 25.1, 33.2, f"model-6f7d9c-new{k}", plan.node) for k, plan in enumerate(there[:50])]
    plans = (*there[50:], *(plan for pair in lost for plan in pair))
    events = sorted((event for plan in plans for event in plan.events()), key=lambda event: event.at_ns)
    history = made.history(
        60,
        plans,
        made.Asked(1).ask(2, 58, 20),
        20,
        traffic_s=(2, 58),
        watch=(made.workload(0.04, 5000), *events),
        faults=(made.fault(25, 35, *there[:50]),),
        actions=tuple(
            Action(f"a{k}", "delete-pod", made.pod_ref(plan), made.at(25.0), made.at(25.1), "ok", "pod-kill-1")
            for k, plan in enumerate(there[:50])
        ),
    )
    (run := tmp_path / "run").mkdir()
    finding = Finding("recovered", Answer.FAIL, "ready replicas return", "bound 14 s", "never", "none")
    report = draw_run(Judgement(run, history, Verdict.of([finding])))
    assert (report.lanes.total, len(report.lanes.shown)) == (5050, 40)
    assert all(lane.struck_by == "pod-kill-1" for lane in report.lanes.shown)
    text = (run / "report.html").read_text()
    assert len(text.encode()) <= SIZE_MOST_BYTES
    assert "There is no more of this page" not in text
