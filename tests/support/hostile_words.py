"""Words that strangers may have written, and what a terminal or a CI system would take for more than text."""

import io

from rich.console import Console

from reports.text.compare import Comparison, Figure, show_comparison

__all__ = ["HOSTILE", "compared", "steers"]

ESCAPE = "\x1b]0;pwned\x07\x1b[2J"
HOSTILE = (
    ESCAPE,
    "fine\n::error::not so",
    "fine\r\n  ::stop-commands::x",
    "::set-env name=PATH::/tmp",
    "##vso[task.setvariable variable=x]y",
    "##[error]no",
    "a\u2028::error::b",
    "\u202egnp.exe",
    "\x9b31mred",
    "a\tb\x00c\x7f",
)


def steers(text: str) -> list[str]:
    """Lines that a terminal or a CI system would take for more than text."""
    return [
        line
        for line in text.split("\n")
        if not line.isprintable() or line.lstrip().startswith("::") or "##[" in line or "##vso[" in line
    ]


def compared(text: str, width: int) -> str:
    """What is shown of a comparison of two runs whose every word is that."""
    out = io.StringIO()
    both = Comparison(
        before=text,
        after=text,
        answers=("PASS", "FAIL"),
        findings=((text, text, "PASS", "FAIL", text, text),),
        figures=(Figure(text, "share", 0.5, 0.6, None),),
        differs=((text, text, text),),
        noise_runs=0,
    )
    show_comparison(both, Console(file=out, width=width))
    return out.getvalue()
