"""One line a trial is kept, and says of each finding whether it is new, still there, fixed or flaky."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import report_histories as made

from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.clock import NS
from chaos.errors import HarnessBroken
from reports import Report, append, read_past, summarise
from reports.build.earlier_runs import with_past
from reports.page.report import page


def trial(number: int, answer: str, *, rule: str = "users are served", **head: object) -> Report:
    """The report of trial number `number`, with one finding of this answer."""
    history, _ = made.good_run()
    finding = Finding("slo-met", Answer[answer], rule, "objective 0.99", "0.98")
    report = summarise(history, Verdict.of((finding,)))
    shifted = report.headline.began_ns + number * 3600 * NS
    return replace(report, headline=replace(report.headline, run=f"run-{number}", began_ns=shifted, **head))


def course(path: Path, answers: str) -> Report:
    """The last of trials that answered so (P, F, U), each written down before the next."""
    words = {"P": "PASS", "F": "FAIL", "U": "UNKNOWN"}
    report = trial(0, "PASS")
    for number, letter in enumerate(answers):
        report = with_past(trial(number, words[letter]), read_past(path))
        append(path, report)
    return report


@pytest.mark.parametrize(
    ("answers", "news"),
    [
        ("P", ""),
        ("F", ""),
        ("PP", ""),
        ("PF", "new"),
        ("PU", "new"),
        ("PFF", "still"),
        ("FU", "still"),
        ("PFP", "fixed"),
        ("FP", "fixed"),
        ("PFPF", "flaky"),
        ("FPFP", "flaky"),
        ("PFPFF", "flaky"),
        ("PFPF" + "P" * 13, ""),
    ],
)
def test_news_follows_from_the_course_of_answers(tmp_path: Path, answers: str, news: str) -> None:
    """A finding is new, still failing, fixed or flaky by its last answers; the first trial makes no news."""
    (row,) = course(tmp_path / "history.jsonl", answers).findings
    assert row.news == news


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """Run, scenario, answers and key figures come back as they were; infinity and what is not known too."""
    path = tmp_path / "history.jsonl"
    report = summarise(*made.bad_run())
    append(path, report)
    (past,) = read_past(path)
    assert (past.run, past.nodeid, past.answer) == (report.headline.run, report.headline.nodeid, "FAIL")
    assert past.findings == {(row.check, row.rule): row.answer for row in report.findings}
    assert past.figures["p99_s"] == math.inf
    assert past.figures["answered_share"] == report.key.answered_share
    silent = summarise(*made.silent_run())
    append(path, replace(silent, headline=replace(silent.headline, run="silent")))
    assert "p99_s" not in read_past(path)[-1].figures


def test_half_a_line_harms_nobody(tmp_path: Path) -> None:
    """A line that a killed process left half is skipped, and the next one stands on a line of its own."""
    path = tmp_path / "history.jsonl"
    append(path, trial(0, "PASS"))
    with path.open("a") as file:
        file.write('{"schema": 1, "run": "half')
    append(path, trial(1, "FAIL"))
    assert [one.run for one in read_past(path)] == ["run-0", "run-1"]


def test_judging_again_replaces_the_answer(tmp_path: Path) -> None:
    """Of two lines about one run the later counts, and a run is not its own past."""
    path = tmp_path / "history.jsonl"
    append(path, trial(0, "FAIL"))
    append(path, trial(0, "PASS"))
    assert [one.answer for one in read_past(path)] == ["PASS"]
    assert with_past(trial(0, "PASS"), read_past(path)).past == ()


@pytest.mark.parametrize("other", [{"nodeid": "other"}, {"place": "staging"}, {"dry_run": True}])
def test_only_trials_of_the_same_kind_count(tmp_path: Path, other: dict[str, object]) -> None:
    """Another scenario, another cluster and a dry run say nothing about this finding."""
    path = tmp_path / "history.jsonl"
    append(path, trial(0, "PASS", **other))
    (row,) = with_past(trial(1, "FAIL"), read_past(path)).findings
    assert (row.news, row.past) == ("", ())


def test_no_file_is_no_past(tmp_path: Path) -> None:
    """The first trial of all finds no file, and that is not an error."""
    assert read_past(tmp_path / "history.jsonl") == ()


def test_the_page_shows_what_is_new(tmp_path: Path) -> None:
    """The strip of earlier answers and the word stand beside the finding."""
    text = page(course(tmp_path / "history.jsonl", "PPF"))
    assert '<span class="news n-new">new</span>' in text
    assert text.count('class="p-PASS"') == 4  # twice: of the trial and of its finding
    assert "compared with 2 earlier trials: 1 new" in text


def test_what_is_usual_is_the_range_of_three_passing_trials(tmp_path: Path) -> None:
    """Failed trials say nothing of what is usual, two passing ones too little, three give the range on the page."""
    path = tmp_path / "history.jsonl"
    for number, (answer, p99_s) in enumerate((("PASS", 0.4), ("FAIL", 9.0), ("PASS", 0.6))):
        report = trial(number, answer)
        append(path, replace(report, key=replace(report.key, p99_s=p99_s)))
    assert with_past(trial(9, "PASS"), read_past(path)).usual == ()
    append(path, replace(trial(3, "PASS"), key=replace(report.key, p99_s=0.5)))
    after = with_past(trial(9, "PASS"), read_past(path))
    (p99,) = [one for one in after.usual if one.figure == "p99_s"]
    assert (p99.low, p99.high, p99.trials) == (0.4, 0.6, 3)
    assert "usually 400 ms to 600 ms (3 passing trials)" in page(after)


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    """Other programs can read the file: one strict JSON object a line, with a schema."""
    path = tmp_path / "history.jsonl"
    course(path, "PF")
    lines = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    assert [line["schema"] for line in lines] == [1, 1]


def test_a_trials_line_is_for_nobody_else_and_goes_into_no_other_file(tmp_path: Path) -> None:
    """It has what was measured; and the folder above another's run may have a link of that name."""
    path = tmp_path / "history.jsonl"
    append(path, trial(0, "PASS"))
    assert path.stat().st_mode & 0o777 == 0o600
    (mine := tmp_path / "mine").write_text("mine")
    (link := tmp_path / "link.jsonl").symlink_to(mine)
    with pytest.raises(HarnessBroken, match="symbolic links"):
        append(link, trial(0, "PASS"))
    assert mine.read_text() == "mine"
