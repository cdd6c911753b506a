"""The page of a session: the worst verdict first, links to its trials only, notes as text; and its drawing anew."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import report_histories as made
from report_pages import parse
from run_folders import Folder
from typer.testing import CliRunner

from chaos.checks import Completed, Recovered, SloMet
from chaos.checks.judge import Judgement, judge_run
from chaos.checks.verdict import Verdict
from chaos.cli.app import app
from chaos.cli.reports import compare_runs, load_report, redraw
from chaos.errors import UsageError
from chaos.history import load_history
from chaos.plugin.session_report import SessionReport
from chaos.slo import Slo
from reports import Report, SessionFacts, Unjudged, session_of, summarise
from reports.build.earlier_runs import append, laid_over, read_past
from reports.build.session import read_notes
from reports.page.report import page, session_page
from reports.text.compare import comparison

RUNS = (made.good_run, made.bad_run, made.unknown_run)


def reports() -> list[Report]:
    """Three reports of three runs."""
    found = []
    for number, run in enumerate(RUNS):
        report = summarise(*run())
        found.append(replace(report, headline=replace(report.headline, run=f"run {number}")))
    return found


def facts(*unjudged: Unjudged) -> SessionFacts:
    """What is known of a session."""
    runs = tuple(f"run {number}" for number in range(len(RUNS)))
    return SessionFacts("s-1", made.at(0), made.at(300), 7, "on the lab", "pytest scenarios", runs, unjudged)


def folder_in(tmp_path: Path) -> Path:
    """A session's folder."""
    path = tmp_path / "s-1"
    path.mkdir(exist_ok=True)
    return path


def test_the_worst_trial_stands_first(tmp_path: Path) -> None:
    """FAIL before UNKNOWN before PASS, and the session's verdict is the worst of them."""
    session = session_of(folder_in(tmp_path), facts(), reports())
    assert [report.headline.answer for report in session.reports] == ["FAIL", "UNKNOWN", "PASS"]
    assert session.answer == "FAIL"
    rows = [one for one in parse(session_page(session)) if one.tag == "td" and "answer" in one.classes]
    assert [row.text.split()[-1] for row in rows] == ["FAIL", "UNKNOWN", "PASS"]


def test_a_scenario_without_a_verdict_is_never_green(tmp_path: Path) -> None:
    """With every judged trial passed, one that ended without a verdict makes the session UNKNOWN, with its reason."""
    session = session_of(folder_in(tmp_path), facts(Unjudged("t.py::test_x", "HarnessBroken: no lab")), reports()[:1])
    assert session.answer == "UNKNOWN"
    text = session_page(session)
    assert "t.py::test_x" in text
    assert "HarnessBroken: no lab" in text


def test_links_lead_only_to_the_trials(tmp_path: Path) -> None:
    """Every link is the relative path of a trial's report; there is no script, and nothing else is named."""
    text = session_page(session_of(folder_in(tmp_path), facts(), reports()))
    links = [one.attributes["href"] for one in parse(text) if "href" in one.attributes]
    assert sorted(links) == [f"../run%20{number}/report.html" for number in range(3)]
    assert "<script" not in text
    assert not re.search(r"url\(|@import|https?://", text)


def test_notes_and_follow_ups_are_shown_as_text(tmp_path: Path) -> None:
    """notes.md of the session and of a run are shown; check boxes are follow-ups; markup stays text."""
    (folder_in(tmp_path) / "notes.md").write_text("All looked at.\n- [ ] raise the grace @ann\n- [x] tell <b>ops</b>\n")
    (tmp_path / "run 1").mkdir()
    (tmp_path / "run 1" / "notes.md").write_text("<script>alert(1)</script>")
    session = session_of(folder_in(tmp_path), facts(), reports())
    assert [(one.done, one.text, one.owner) for one in session.notes.follow_ups] == [
        (False, "raise the grace", "ann"),
        (True, "tell <b>ops</b>", ""),
    ]
    text = session_page(session)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "nobody yet" in text


def test_notes_that_are_too_long_are_cut_with_a_word(tmp_path: Path) -> None:
    """A page stays small whatever people paste into notes.md, and says what is left out."""
    (tmp_path / "notes.md").write_text("x" * 50_000)
    assert read_notes(tmp_path).text.endswith("… showing 20,000 of 50,000 characters")


class Terminal:
    """What the gallery asks of pytest's terminal reporter."""

    hasmarkup = False

    def __init__(self, *args: str, **stats: Any) -> None:
        self.stats = stats
        self.lines: list[str] = []
        given = args or ("scenarios", "-m", "quick")
        self.config = SimpleNamespace(invocation_params=SimpleNamespace(args=given))

    def section(self, title: str) -> None:
        """Begin a section."""
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        """Write a line."""
        self.lines.append(line)


def gallery(tmp_path: Path) -> SessionReport:
    """A gallery of a session whose run folders lie here."""
    return SessionReport(SimpleNamespace(runs=tmp_path, seed=7, where="on the lab", rejudge=None))  # type: ignore[arg-type]  # the options it reads


def run_folder(tmp_path: Path, name: str) -> Path:
    """A run folder of a trial that did nothing."""
    (tmp_path / name).mkdir()
    Folder(tmp_path / name).actions((0, "trial-end", {}))
    return tmp_path / name


def test_a_session_leaves_a_page_a_line_and_its_facts(tmp_path: Path) -> None:
    """Judged trials have report and line, an interrupted one is drawn as UNKNOWN, a broken one is named with why."""
    shown = gallery(tmp_path)
    judged, died = run_folder(tmp_path, "judged"), run_folder(tmp_path, "died")
    item = SimpleNamespace(nodeid="t.py::test_a", user_properties=[])
    draw = shown.drawer(item)  # type: ignore[arg-type]  # what it asks of an item
    shown.begun("t.py::test_a", judged)
    shown.begun("t.py::test_b", died)
    draw(judge_run(judged, (Completed(),)))
    assert ("verdict", "UNKNOWN") in item.user_properties
    broken = SimpleNamespace(nodeid="t.py::test_c", longreprtext="Traceback…\nHarnessBroken: no room")
    terminal = Terminal(error=[broken])
    shown.finish(terminal)  # type: ignore[arg-type]  # what it asks of the terminal
    (session,) = tmp_path.glob("*-session-7")
    saved = json.loads((session / "session.json").read_text())
    assert saved["runs"] == ["judged", "died"]
    assert (session / "summary.md").read_text().count("UNKNOWN") >= 2
    assert {one["nodeid"]: one["reason"] for one in saved["unjudged"]}["t.py::test_c"] == "HarnessBroken: no room"
    assert "the run ended before it was judged" in (died / "report.html").read_text()
    assert [one.run for one in read_past(tmp_path / "history.jsonl")] == ["judged", "died"]
    assert terminal.lines[-1] == f"session {session / 'report.html'}"


@pytest.mark.parametrize(
    "args",
    [
        ("--gameday-node-on", "ipmi --password hunter2 on {node}"),
        ("--gameday-node-off=ipmi -U me --password=hunter2 off {node}",),
        ("--gameday-service-url", "https://me:hunter2@chat.example"),
    ],
)
def test_a_session_keeps_no_password_of_its_command_line(args: tuple[str, ...], tmp_path: Path) -> None:
    """Of its facts, its page and its summary, nor of an error's words; what is no secret in the command stays."""
    shown, run = gallery(tmp_path), run_folder(tmp_path, "one")
    shown.begun("one", run)
    shown.drawer(SimpleNamespace(nodeid="one", user_properties=[]))(judge_run(run, (Completed(),)))  # type: ignore[arg-type]  # as above
    said = "Traceback…\nClusterRefused: https://me:hunter2@hub.example: no Bearer hunter2hunter2"
    broken = SimpleNamespace(nodeid="t.py::test_c", longreprtext=said)
    terminal = Terminal("scenarios", *args, "-k", "drain", error=[broken])
    shown.finish(terminal)  # type: ignore[arg-type]  # as above
    (session,) = tmp_path.glob("*-session-7")
    written = [path.read_text() for path in session.iterdir()]
    assert len(written) == 3
    assert not [text for text in (*written, *terminal.lines) if "hunter2" in text]
    command = json.loads((session / "session.json").read_text())["command"]
    assert command.startswith(f"pytest scenarios {args[0].partition('=')[0]}")
    assert command.endswith("-k drain")


def test_a_session_is_drawn_again_from_what_was_saved(tmp_path: Path) -> None:
    """`gameday report SESSION` makes the same page anew with the notes written since; a lost run is named."""
    shown = gallery(tmp_path)
    for name in ("one", "two"):
        run = run_folder(tmp_path, name)
        shown.begun(name, run)
        shown.drawer(SimpleNamespace(nodeid=name, user_properties=[]))(judge_run(run, (Completed(),)))  # type: ignore[arg-type]  # as above
    shown.finish(Terminal())  # type: ignore[arg-type]  # as above
    (session,) = tmp_path.glob("*-session-7")
    (session / "notes.md").write_text("Seen by all.")
    shutil.rmtree(tmp_path / "two")
    assert redraw(session) == (session / "report.html",)
    text = (session / "report.html").read_text()
    assert "Seen by all." in text
    assert "its run folder cannot be read any more" in text


def test_a_run_that_was_not_judged_can_be_drawn(tmp_path: Path) -> None:
    """The evidence of a run that died is shown, as UNKNOWN, with how to judge it."""
    report = load_report(run_folder(tmp_path, "died"))
    assert report.headline.answer == "UNKNOWN"
    assert "--gameday-rejudge" in report.findings[0].settle


def test_the_page_s_findings_are_those_of_verdict_json(tmp_path: Path) -> None:
    """Answer, rule, limit, measured, margin, reason and what would settle it are the verdict's own, word for word."""
    run = run_folder(tmp_path, "judged")
    judge_run(run, (Completed(), Recovered(), SloMet(Slo(availability=0.99, latency_p99_s=1))))
    redraw(run)
    (embedded,) = [one for one in parse((run / "report.html").read_text()) if one.attributes.get("id") == "report"]
    shown, saved = json.loads(embedded.text), json.loads((run / "verdict.json").read_text())
    parts = ("check", "answer", "rule", "limit", "measured", "margin", "reason", "settle")
    assert [[row[part] for part in parts] for row in shown["findings"]] == [
        [finding[part] for part in parts] for finding in saved["findings"]
    ]
    assert shown["headline"]["answer"] == saved["answer"]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A folder that is neither a run nor a session is refused in words."""
    with pytest.raises(UsageError, match="neither a run folder nor a session"):
        redraw(tmp_path)


def test_a_comparison_names_answers_figures_and_what_is_not_alike() -> None:
    """Findings of both sides are paired by check and rule, figures are those of the reports."""
    good, bad = summarise(*made.good_run()), summarise(*made.bad_run())
    compared = comparison(good, bad)
    assert compared.answers == ("PASS", "FAIL")
    by_check = {(check, rule): (a, b) for check, rule, a, b, _, _ in compared.findings}
    assert by_check["slo-met", "users are served within the SLO"] == ("PASS", "FAIL")
    assert by_check["budget-held", "ready replicas never fall below the disruption budget by evictions"] == ("", "FAIL")
    figures = {one.name: (one.before, one.after) for one in compared.figures}
    assert figures["answered"] == (good.key.answered_share, bad.key.answered_share)
    assert figures["p99 during pod-kill-1"] == (good.windows[1].p99_s, bad.windows[1].p99_s)


def test_an_earlier_run_lies_behind_with_the_faults_together() -> None:
    """The former lines are moved so that both first faults begin at the same moment, and nothing else changes."""
    good, bad = summarise(*made.good_run()), summarise(*made.bad_run())
    over = laid_over(good, bad)
    assert over.overlay is not None
    assert over.overlay.shift_ns == bad.faults[0].begin_ns - good.faults[0].begin_ns == 5 * 10**9
    assert [at for at, _ in over.overlay.ready.points] == [at + 5 * 10**9 for at, _ in good.ready.points]
    assert [value for _, _, value in over.overlay.p99] == [one for one in good.latency.p99_s if one is not None]
    assert replace(over, overlay=None) == bad
    drawn = [one for one in parse(page(over)) if "former" in one.classes]
    assert {one.within[-1] for one in drawn} == {"panel-replicas", "panel-latency"}
    assert not [one for one in parse(page(bad)) if "former" in one.classes]


def test_noise_is_known_only_from_three_passing_runs(tmp_path: Path) -> None:
    """Two earlier passing runs say nothing about noise; three give the range that a figure is held against."""
    path = tmp_path / "history.jsonl"
    report = summarise(*made.good_run())

    def passed(number: int, p99_s: float) -> None:
        head = replace(report.headline, run=f"old-{number}", began_ns=report.headline.began_ns - number)
        append(path, replace(report, headline=head, key=replace(report.key, p99_s=p99_s)))

    slow = replace(report, key=replace(report.key, p99_s=9.0))
    passed(1, 0.4)
    passed(2, 0.5)
    (p99,) = [one for one in comparison(report, slow, read_past(path)).figures if one.name == "p99 response time"]
    assert (p99.noise, p99.outside) == (None, None)
    passed(3, 0.6)
    (p99,) = [one for one in comparison(report, slow, read_past(path)).figures if one.name == "p99 response time"]
    assert (p99.noise, p99.outside) == ((0.4, 0.6), True)


def test_the_commands_draw_and_compare(tmp_path: Path) -> None:
    """`gameday report` names the page that it wrote, and `gameday compare` prints both verdicts."""
    a, b = run_folder(tmp_path, "a"), run_folder(tmp_path, "b")
    judge_run(a, (Completed(),))
    done = CliRunner().invoke(app, ["report", str(a)])
    assert (done.exit_code, done.output.strip().replace("\n", "")) == (0, str(a / "report.html"))
    done = CliRunner().invoke(app, ["compare", str(a), str(b)])
    assert done.exit_code == 0
    assert "completed" in done.output
    assert "UNKNOWN" in done.output
    assert compare_runs(a, b).before == "a"


def test_a_judgement_is_drawn_without_any_check(tmp_path: Path) -> None:
    """A verdict without findings is drawn, and is UNKNOWN."""
    run = run_folder(tmp_path, "bare")
    shown = gallery(tmp_path)
    item = SimpleNamespace(nodeid="x", user_properties=[])
    path = shown.drawer(item)(Judgement(run, load_history(run), Verdict(())))  # type: ignore[arg-type]  # as above
    assert "Nothing was checked" in path.read_text()
