"""The page of a whole session: one file, no script, links only to the reports of its own trials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from chaos.clock import NS
from reports.build.session import Session
from reports.page.report import SIGN
from reports.page.templating import environment, trusted
from reports.text import formatting as words

__all__ = ["session_page", "write_session"]


def write_session(session: Session, path: Path) -> None:
    """Write the page. Raises OSError."""
    path.write_text(session_page(session), "utf-8")


def session_page(session: Session) -> str:
    """The page as text."""
    facts = session.facts
    return (
        environment()
        .get_template("session.html.j2")
        .render(
            s=session,
            facts=facts,
            sign=SIGN,
            words=words,
            date=words.date(facts.began_ns),
            began=words.clock(facts.began_ns),
            ended=words.clock(facts.ended_ns),
            took=words.duration((facts.ended_ns - facts.began_ns) / NS),
            link=lambda run: f"../{quote(run)}/report.html",
            css=trusted("report.css"),
        )
    )
