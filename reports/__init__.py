"""What a team reads: a judged history summed up once, and shown as a page, in the terminal, as Markdown or JSON."""

from reports.html import TooLarge, write_html
from reports.jsonable import to_json
from reports.markdown import markdown
from reports.model import Report
from reports.summing import summarise
from reports.terminal import summary

__all__ = ["Report", "TooLarge", "markdown", "summarise", "summary", "to_json", "write_html"]
