"""The reports of a pytest session: each trial's page as it is judged, and the session's own page at the end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.checks.judge import Judgement, unjudged
from chaos.clock import NS
from chaos.errors import GamedayError
from chaos.history import load_history
from chaos.history.writing.jsonl import private_folder, write_private
from chaos.history.writing.redaction import redacted_words, without_secrets
from reports import (
    Report,
    SessionFacts,
    TooLarge,
    Unjudged,
    append,
    markdown,
    read_past,
    session_of,
    summarise,
    summary,
    write_facts,
    write_html,
    write_session,
    write_stub,
)
from reports.build.earlier_runs import FILE as PAST

if TYPE_CHECKING:
    import pytest

    from chaos.plugin.options import Options

__all__ = ["SessionReport", "draw_run"]

REASON_LENGTH = 300


REPORT = "report.html"


def draw_run(judgement: Judgement) -> Report:
    """Write a judged trial's page into its run folder, and its line into the history.jsonl beside."""
    past = judgement.run.parent / PAST
    report = summarise(judgement.history, judgement.verdict, run=judgement.run, past=read_past(past))
    try:
        write_html(report, judgement.run / REPORT)
    except TooLarge as large:  # the verdict is there, whatever becomes of its picture
        write_stub(report, large.what, judgement.run / REPORT)
    append(past, report)
    return report


class SessionReport:
    """Draws what a session's trials came to."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._began_ns = time.time_ns()
        self._begun: dict[str, Path] = {}
        self._reports: list[Report] = []
        self._drawn: set[str] = set()

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports of this session so far, in the order in which their trials were judged."""
        return tuple(self._reports)

    def begun(self, nodeid: str, run: Path) -> None:
        """Note that a scenario's trial begins in this run folder."""
        self._begun[nodeid] = run

    def drawer(self, item: pytest.Item) -> Callable[[Judgement], Path]:
        """What a trial calls when it is judged: writes the page and the line in history.jsonl."""

        def draw(judgement: Judgement) -> Path:
            facts = judgement.history.facts
            item.user_properties += [
                ("verdict", judgement.verdict.answer.name),
                ("run", str(judgement.run)),
                ("seed", facts.seed),
                ("cluster", (facts.raw.get("cluster") or {}).get("context", "")),
                *((f"finding {one.check}", one.line()) for one in judgement.verdict.findings),
            ]
            self._begun.pop(item.nodeid, None)
            self._drawn.add(item.nodeid)
            return self._draw(judgement)

        return draw

    def _draw(self, judgement: Judgement) -> Path:
        report = draw_run(judgement)
        self._reports.append(report)
        return judgement.run / REPORT

    def finish(self, terminal: pytest.TerminalReporter) -> None:
        """Draw the trials that ended before they were judged, show one row a trial, and write the session's page."""
        for nodeid, run in self._begun.items():
            if (run / "trial.json").is_file():
                self._unjudged(nodeid, run, terminal)
        if self._reports:
            terminal.section("trials")
            width = shutil.get_terminal_size((100, 24)).columns
            terminal.write_line(summary(self._reports, width=width, colour=terminal.hasmarkup))
        if self._options.rejudge is None and (self._reports or self._begun):
            try:
                terminal.write_line(f"session {self._session(terminal)}")
            except GamedayError as error:
                terminal.write_line(f"no page of this session: {error}")

    def _unjudged(self, nodeid: str, run: Path, terminal: pytest.TerminalReporter) -> None:
        try:
            self._draw(Judgement(run, load_history(run), unjudged(run)))
            self._drawn.add(nodeid)
        except GamedayError as error:
            terminal.write_line(f"no report of {run}: {error}")

    def _session(self, terminal: pytest.TerminalReporter) -> Path:
        options, runs = self._options, self._options.runs
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._began_ns // NS))
        folder = runs / f"{stamp}-session-{options.seed}"
        with suppress(FileExistsError):
            private_folder(folder)
        facts = SessionFacts(
            name=folder.name,
            began_ns=self._began_ns,
            ended_ns=time.time_ns(),
            seed=options.seed,
            where=options.where,
            command="pytest " + " ".join(redacted_words(terminal.config.invocation_params.args)),
            runs=tuple(report.headline.run for report in self._reports),
            unjudged=tuple(self._without_verdict(terminal)),
        )
        write_facts(folder, facts)
        write_private(folder / "summary.md", markdown(self._reports))
        path = folder / "report.html"
        write_session(session_of(folder, facts, self._reports), path)
        return path

    def _without_verdict(self, terminal: pytest.TerminalReporter) -> list[Unjudged]:
        """Scenarios that ended without any verdict, with the last line of what pytest says of them."""
        ended = [*terminal.stats.get("error", ()), *terminal.stats.get("failed", ())]
        reasons = {
            one.nodeid: one.longreprtext.strip().splitlines()[-1:] for one in ended if one.nodeid not in self._drawn
        }
        for nodeid in self._begun:
            if nodeid not in self._drawn:
                reasons.setdefault(nodeid, ["interrupted before its trial was on record"])
        return [
            Unjudged(nodeid, str(without_secrets((lines or ["no reason was given"])[0]))[:REASON_LENGTH])
            for nodeid, lines in reasons.items()
        ]
