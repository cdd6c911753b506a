"""What a team reads: a judged history summed up once, and shown as a page, in the terminal, as Markdown or JSON."""

from reports.html import TooLarge, write_html
from reports.jsonable import to_json
from reports.markdown import markdown
from reports.model import Report
from reports.past import append, read_past
from reports.session import Session, SessionFacts, Untold, read_facts, session_of, write_facts
from reports.session_html import write_session
from reports.summing import summarise
from reports.terminal import summary

__all__ = [
    "Report",
    "Session",
    "SessionFacts",
    "TooLarge",
    "Untold",
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
]
