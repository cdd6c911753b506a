"""What can go wrong with the harness, said in words a person can act on.

The system under test being unwell is never one of these: it is evidence, and a check judges it.
"""

import re

__all__ = [
    "ClusterRefused",
    "GamedayError",
    "HarnessBroken",
    "LabError",
    "NotAllowed",
    "NotNow",
    "NotProven",
    "TimedOut",
    "UsageError",
    "one_line",
    "plural",
    "printable",
    "rewrapped",
]

REPLACED = "\N{REPLACEMENT CHARACTER}"

CODES = re.compile(r"\x1b\[[0-9;]*m")
"""A terminal's own codes for colours."""


def one_line(text: str) -> str:
    """Text that strangers may have written, so that it neither steers a terminal, nor a CI system, nor begins a line.

    GitHub reads `::` at the beginning of a line of a job's log as a command, Azure Pipelines `##[` and `##vso[`.
    """
    plain = "".join(one if one.isprintable() else REPLACED for one in text).replace("##", f"#{REPLACED}")
    return plain.replace("::", f"{REPLACED}:", 1) if plain.lstrip(f" {REPLACED}").startswith("::") else plain


def printable(text: str) -> str:
    """The same of text that has lines of its own."""
    return "\n".join(map(one_line, text.split("\n")))


def rewrapped(text: str) -> str:
    """Such lines once they were wrapped to a width: where one was broken, a command may begin the next."""
    return "\n".join(
        line.replace("::", f"{REPLACED}:", 1) if CODES.sub("", line).lstrip().startswith("::") else line
        for line in text.split("\n")
    )


def plural(count: int, noun: str, many: str = "") -> str:
    """A count with its noun: `1 request`, `2 requests`."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"


class GamedayError(Exception):
    """Something the user or the machine must mend; printed as one or two lines, never as a traceback.

    `what` names the thing that went wrong and where; `fix` is what to do about it, often one command.
    """

    exit_code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return printable(f"{self.what}\n  to mend it: {self.fix}" if self.fix else self.what)


class UsageError(GamedayError):
    """An option, context, marker argument or field that is not allowed; the message names what is."""

    exit_code = 2


class NotNow(UsageError):
    """What a scenario asks for is allowed, but not as the system is at the moment: in a trial this is evidence."""


class LabError(GamedayError):
    """The lab cannot be started, found or removed on this host."""

    exit_code = 2


class ClusterRefused(GamedayError):
    """The cluster is unreachable, forbids what is needed, or is not one that we may touch."""

    exit_code = 2


class NotAllowed(GamedayError):
    """The owners of the cluster have not allowed a fault: the scenario is skipped, with the command that allows it."""

    exit_code = 2


class HarnessBroken(GamedayError):
    """A part of the harness itself died (the load generator, the recorder): the trial cannot go on."""


class TimedOut(GamedayError):
    """Something did not come true in time; `what` says what was awaited and what was seen last."""


class NotProven(AssertionError):
    """The scenario's claim was not proved: a plain string with the findings, worst first, and the report's path."""
