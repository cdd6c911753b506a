"""What a review found, for GitHub: annotations of a pull request, and Markdown for the summary of a job."""

import re
from collections.abc import Iterator
from pathlib import Path

from chaos.cli.review.text import counted, mended, place, remarks, worst_first
from chaos.errors import one_line, plural, printable
from chaos.review import Finding, Review
from reports.text.terminal import markdown_text

__all__ = ["annotations", "markdown"]

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}

DATA = str.maketrans({"%": "%25", "\r": "%0D"})
PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
"""How a command is written. Source: https://github.com/actions/toolkit, packages/core/src/command.ts"""

ROWS_MAX = 200
"""A summary of more than 1 MiB is not shown at all."""

ADDRESS = re.compile(r"https://[\w./#%?=&~-]+")


def annotations(review: Review, root: Path) -> str:
    """A command of GitHub's for each finding, the worst first, as it shows ten of each severity; the rest is its log.

    Paths are those from `root`, the folder of the repository.
    """
    plain = [one_line(line) for line in (*remarks(review), counted(review))]
    return "\n".join([*(_command(one, root) for one in worst_first(review)), *plain]) + "\n"


def _command(finding: Finding, root: Path) -> str:
    properties = {"title": finding.rule}
    if finding.path != "-":
        properties = {"file": place(finding, root), "line": str(finding.line), **properties}
    written = ",".join(f"{name}={one_line(value.translate(PROPERTY))}" for name, value in properties.items())
    data = printable(mended(finding).translate(DATA)).replace("\n", "%0A")
    return f"::{COMMANDS[finding.severity]} {written}::{data}"


def markdown(review: Review) -> str:
    """A table with one row a finding, the worst first, then the patches."""
    return "\n".join(_lines(review)) + "\n"


def _lines(review: Review) -> Iterator[str]:
    found = worst_first(review)
    shown, hidden = found[:ROWS_MAX], len(found) - ROWS_MAX
    yield f"### gameday review: {counted(review)}"
    yield ""
    if shown:
        yield "| severity | rule | where | what |"
        yield "| --- | --- | --- | --- |"
    for one in shown:
        what = "<br>".join(map(markdown_text, (f"{one.object}: {one.sentence}", *one.sums)))
        yield f"| {one.severity} | {_rule(one)} | {markdown_text(f'{one.path}:{one.line}')} | {what} |"
    if hidden > 0:
        yield ""
        yield f"and {plural(hidden, 'finding')} more; `--format json` has them all"
    for one in shown:
        if one.patch:
            yield f"\nTo mend {markdown_text(f'{one.rule} of {one.object}')}:\n"
            yield _fenced(one.patch)
    for line in remarks(review):
        yield f"\n{markdown_text(line)}"


def _rule(finding: Finding) -> str:
    """The rule's name, which leads to the document that it is from."""
    name = markdown_text(finding.rule)
    return f"[{name}]({finding.source})" if ADDRESS.fullmatch(finding.source) else name


def _fenced(patch: str) -> str:
    """A block of code that nothing in it can end."""
    longest = max(map(len, re.findall("`+", patch)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{printable(patch.rstrip())}\n{fence}"
