"""What a review found, in words; and for a terminal, as YAML with the reasons as comments, to be saved and edited."""

import os
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

from chaos.errors import one_line, plural, printable
from chaos.review import SEVERITIES, SILENCE, Finding, Review

__all__ = ["counted", "explained", "mended", "place", "remarks", "show", "worst_first"]

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}

SILENCE_WORDS = f"to silence a rule for an object, annotate the object with {SILENCE}RULE and the reason"


def worst_first(review: Review) -> list[Finding]:
    """The findings by severity; those of one severity stay in their order."""
    return sorted(review.findings, key=lambda one: SEVERITIES.index(one.severity))


def counted(review: Review) -> str:
    """How many findings there are of each severity, and how many were silenced."""
    found = Counter(one.severity for one in review.findings)
    words = [plural(found[name], name) for name in SEVERITIES]
    return ", ".join([*words, f"{len(review.silenced)} silenced"] if review.silenced else words)


def explained(finding: Finding) -> str:
    """What is wrong with what, then the arithmetic, a line a step."""
    return "\n".join([f"{finding.object}: {finding.sentence}", *finding.sums])


def mended(finding: Finding) -> str:
    """The same, then the patch if there is one."""
    return f"{explained(finding)}\nTo mend it:\n{finding.patch}".rstrip() if finding.patch else explained(finding)


def remarks(review: Review) -> list[str]:
    """What was passed over, and what was silenced for which reason."""
    return [*review.notes, *(f"silenced: {one.rule} of {one.object}: {reason}" for one, reason in review.silenced)]


def place(finding: Finding, root: Path) -> str:
    """The file's path from this folder, which must be absolute; "-" for standard input."""
    return os.path.relpath(root / finding.path, root)


def show(review: Review, console: Console) -> None:
    """Print each finding with its patch, the worst first, then what was passed over, and how many there are."""
    for finding in worst_first(review):
        console.print("---")
        where = f"{finding.path}:{finding.line}"
        _comment(console, f"{finding.severity}: {finding.rule}, {where}", STYLES[finding.severity])
        for line in explained(finding).split("\n"):
            _comment(console, line)
        if finding.source:
            _comment(console, f"see {finding.source}", "dim")
        if finding.patch:
            console.print(Text(printable(finding.patch.rstrip())), soft_wrap=True)
    silence = [SILENCE_WORDS] if review.findings else []
    for line in (*remarks(review), *silence, counted(review)):
        _comment(console, line)


def _comment(console: Console, text: str, style: str = "") -> None:
    """Print a line with words from manifests: never broken, as the rest of it would be no comment."""
    console.print(Text(one_line(f"# {text}"), style), soft_wrap=True)
