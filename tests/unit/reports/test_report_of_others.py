"""Run folders, sessions and histories that others hand over: drawing them shows and stops nothing of this host."""

import json
import math
import os
from pathlib import Path

import pytest
import report_histories as made
from run_folders import Folder

from chaos.cli.reports import redraw
from chaos.errors import UsageError
from reports import SessionFacts, append, read_past, summarise, write_facts
from reports.build.session import read_notes, require_files


def run_folder(path: Path) -> Path:
    """A run folder of a trial that did nothing."""
    path.mkdir(parents=True)
    Folder(path).actions((0, "trial-end", {}))
    return path


def session(folder: Path, *runs: str) -> str:
    """The page of a session that names these runs."""
    folder.mkdir(parents=True)
    write_facts(folder, SessionFacts("s-1", made.at(0), made.at(300), 7, "on the lab", "pytest scenarios", runs, ()))
    redraw(folder)
    return (folder / "report.html").read_text()


def test_notes_are_read_through_no_link(tmp_path: Path) -> None:
    """Whoever draws a session of others, as it came out of an archive, publishes no file of his own with it."""
    (mine := tmp_path / "netrc").write_text("password hunter2")
    (theirs := tmp_path / "theirs").mkdir()
    (theirs / "notes.md").symlink_to(mine)
    assert read_notes(theirs).text == ""
    (theirs / "notes.md").unlink()
    (theirs / "notes.md").write_text("Seen by all.")
    assert read_notes(theirs).text == "Seen by all."


def test_a_session_shows_only_the_runs_beside_it(tmp_path: Path) -> None:
    """A path or a link to a run of somebody else is named as one that cannot be read, and the others are drawn."""
    mine = run_folder(tmp_path / "mine" / "secret-run")
    run_folder(tmp_path / "theirs" / "one")
    (tmp_path / "theirs" / "link").symlink_to(mine)
    text = session(tmp_path / "theirs" / "session", "one", "../mine/secret-run", str(mine), "link", "..")
    assert text.count("is no folder beside") >= 4
    assert '"../one/report.html"' in text
    assert "secret-run/report.html" not in text


@pytest.mark.parametrize(
    "odd",
    [{"began_ns": math.inf}, {"seed": math.inf}, {"figures": []}, {"figures": {"p99_s": 10**400}}, {"findings": 3}],
)
def test_a_line_of_another_shape_stops_no_trial(odd: dict[str, object], tmp_path: Path) -> None:
    """A history that was handed over is read as each trial is judged: what is odd in it is skipped."""
    path = tmp_path / "history.jsonl"
    append(path, summarise(*made.good_run()))
    line = json.loads(path.read_text())
    with path.open("a") as file:
        file.write(json.dumps({**line, "run": "odd", **odd}) + "\n" + "[" * 100_000 + "\n")
    assert [one.run for one in read_past(path)] == [line["run"]]


@pytest.mark.parametrize("name", ["requests.jsonl", "trial.json", "roles/router/watch.jsonl"])
@pytest.mark.parametrize("kind", ["a link", "a pipe", "holes"])
def test_evidence_that_is_no_file_is_not_read(tmp_path: Path, name: str, kind: str) -> None:
    """An archive may hold links to what never ends, and files of holes: reading them would end this process."""
    run = run_folder(tmp_path / "theirs")
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "a link":
        (tmp_path / "mine").write_text("{}")
        path.symlink_to(tmp_path / "mine")
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 9 << 30)
    told = "9 GiB long" if kind == "holes" else "neither a run folder|is no file"
    with pytest.raises(UsageError, match=told):
        redraw(run)
    with pytest.raises(UsageError, match=r"9 GiB long|is no file"):
        require_files(run)
