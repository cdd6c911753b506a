"""What a team reads: a judged history summed up once, and shown as a page, in the terminal, as Markdown or JSON."""

from reports.build.earlier_runs import append, read_past
from reports.build.report import summarise
from reports.build.session import SessionFacts, Unjudged, read_facts, session_of, write_facts
from reports.model.report import Report, to_json
from reports.page.report import TooLarge, write_html, write_session, write_stub
from reports.text.terminal import markdown, summary

__all__ = [
    "Report",
    "SessionFacts",
    "TooLarge",
    "Unjudged",
    "append",
    "markdown",
    "read_facts",
    "read_past",
    "session_of",
    "summarise",
    "summary",
    "to_json",
    "write_facts",
    "write_html",
    "write_session",
    "write_stub",
]
