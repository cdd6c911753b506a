"""Words that strangers may have written, and what a terminal or a CI system would take for more than text."""

__all__ = ["HOSTILE", "steers"]

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
