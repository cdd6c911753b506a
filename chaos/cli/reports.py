"""Reports from saved evidence, with no cluster: of a run, of a session, and of two runs side by side."""

from dataclasses import replace
from pathlib import Path

from chaos.checks.judge import read_verdict, unjudged
from chaos.errors import GamedayError, UsageError
from chaos.history import load_history
from reports import Report, read_facts, read_past, session_of, summarise, write_html, write_session
from reports.build.earlier_runs import FILE as PAST
from reports.build.earlier_runs import laid_over
from reports.build.session import FILE as SESSION
from reports.build.session import SessionFacts, Unjudged, require_files
from reports.page.screenshot import take_picture
from reports.text.compare import Comparison, comparison

__all__ = ["compare_runs", "load_report", "redraw"]


def redraw(folder: Path, *, picture: bool = False) -> tuple[Path, ...]:
    """Write report.html of a run or a session anew, and with `picture` timeline.png of a run; return what was written.

    Raises `UsageError` for a folder that is neither.
    """
    path = folder / "report.html"
    if (folder / SESSION).is_file():
        if picture:
            raise UsageError(f"{folder} is a session, which has no timeline", "name one of its runs")
        facts, reports = _session(folder)
        write_session(session_of(folder, facts, reports), path)
        return (path,)
    write_html(load_report(folder), path)
    return (path, take_picture(path, folder / "timeline.png")) if picture else (path,)


def load_report(run: Path) -> Report:
    """The report of a saved run; one that was not judged is shown as such. Raises `UsageError`."""
    if not (run / "trial.json").is_file():
        raise UsageError(f"{run} is neither a run folder nor a session", "name a folder below runs/")
    require_files(run)
    history = load_history(run)
    verdict = read_verdict(run) if (run / "verdict.json").is_file() else unjudged(run)
    return summarise(history, verdict, run=run, past=read_past(run.resolve().parent / PAST))


def _session(folder: Path) -> tuple[SessionFacts, list[Report]]:
    try:
        facts = read_facts(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / SESSION} cannot be read: {error!r}", "name another folder") from None
    reports, lost = [], []
    for run in facts.runs:
        try:
            reports.append(load_report(_beside(folder, run)))
        except GamedayError as error:
            lost.append(Unjudged(run, f"its run folder cannot be read any more: {error}"))
    return replace(facts, unjudged=(*facts.unjudged, *lost)), reports


def _beside(folder: Path, run: str) -> Path:
    """A run folder of a session, which others may have written: one beside it. Raises `UsageError` for any other."""
    path = folder.resolve().parent / run
    if path.name != run or run == ".." or path.is_symlink():
        raise UsageError(f"{run!r} is no folder beside {folder}", "draw that run by itself")
    return path


def compare_runs(before: Path, after: Path, *, page: Path | None = None) -> Comparison:
    """Two saved runs side by side, with how much earlier runs of the same scenario varied.

    With `page` the later run's page is written there, with the earlier run's lines behind its own.
    """
    first, second = load_report(before), load_report(after)
    if page is not None:
        write_html(laid_over(first, second), page)
    return comparison(first, second, read_past(after.resolve().parent / PAST))
