"""All trials of one pytest session, as its page shows them, and the notes that people add in notes.md."""

import json
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.errors import UsageError
from chaos.history.writing.jsonl import write_private
from reports.model.report import NO_NOTES, FollowUp, Report, TeamNotes

__all__ = [
    "FILE",
    "Session",
    "SessionFacts",
    "Unjudged",
    "read_facts",
    "read_notes",
    "require_files",
    "session_of",
    "write_facts",
]

NOTES_FILE = "notes.md"
LENGTH_MAX = 20_000
BOX = re.compile(r"^\s*[-*] \[( |x|X)\] (.+)$")
OWNER = re.compile(r"(?<![\w@])@([\w.-]+)")
FILE = "session.json"
FILE_MOST_BYTES = 8 << 30
"""All of a file is held in memory; those of an hour's trial have some hundred megabytes."""

ORDER = {"FAIL": 0, "UNKNOWN": 1, "PASS": 2}


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A scenario that ended without a verdict, and the first line of why."""

    nodeid: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What session.json says. `runs` are names of run folders beside the session's own, in the order of the trials."""

    name: str
    began_ns: int
    ended_ns: int
    seed: int
    where: str
    command: str
    runs: tuple[str, ...]
    unjudged: tuple[Unjudged, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """The session and its trials, the worst first; `counted` are trials by verdict."""

    facts: SessionFacts
    answer: str
    counted: Mapping[str, int]
    reports: tuple[Report, ...]
    notes: TeamNotes
    notes_of: Mapping[str, TeamNotes]


def session_of(folder: Path, facts: SessionFacts, reports: Sequence[Report]) -> Session:
    """Sum a session up: the worst verdict is the session's, and a scenario without one makes it UNKNOWN at least."""
    answers = [report.headline.answer for report in reports] + ["UNKNOWN"] * len(facts.unjudged)
    named = {report.headline.run: read_notes(folder.parent / report.headline.run) for report in reports}
    return Session(
        facts=facts,
        answer=min(answers, key=ORDER.__getitem__, default="UNKNOWN"),
        counted=Counter(report.headline.answer for report in reports),
        reports=tuple(sorted(reports, key=lambda report: (ORDER[report.headline.answer], report.headline.began_ns))),
        notes=read_notes(folder),
        notes_of={run: notes for run, notes in named.items() if notes.text or notes.follow_ups},
    )


def write_facts(folder: Path, facts: SessionFacts) -> None:
    """Write session.json. Raises `HarnessBroken`."""
    write_private(folder / FILE, json.dumps({"schema": 1, **asdict(facts)}, indent=1) + "\n")


def read_facts(folder: Path) -> SessionFacts:
    """Read session.json. Raises OSError, or ValueError or KeyError for what is not one."""
    saved = json.loads((folder / FILE).read_text("utf-8"))
    return SessionFacts(
        name=saved["name"],
        began_ns=int(saved["began_ns"]),
        ended_ns=int(saved["ended_ns"]),
        seed=int(saved["seed"]),
        where=saved["where"],
        command=saved["command"],
        runs=tuple(saved["runs"]),
        unjudged=tuple(Unjudged(one["nodeid"], one["reason"]) for one in saved["unjudged"]),
    )


def require_files(run: Path) -> None:
    """Raise `UsageError` where evidence of a run folder, which others may have written, is no file that a trial writes.

    A link may lead to a file of this host, or to what has no end, as a device or a pipe; and a file may be of holes.
    """
    for path in sorted(run.rglob("*.json*")):
        found = path.lstat()
        is_file = stat.S_ISREG(found.st_mode)
        if not is_file or found.st_size > FILE_MOST_BYTES:
            why = f"{found.st_size >> 30} GiB long" if is_file else "no file"
            raise UsageError(f"{path} is {why}, as no trial writes it", "see where the run folder came from")


def read_notes(folder: Path) -> TeamNotes:
    """The notes of a run folder, empty if there are none; cut at `LENGTH_MAX` characters, with a line that says so.

    A link is none: in a folder of others it would have a file of this host shown on the page.
    """
    path = folder / NOTES_FILE
    if path.is_symlink() or not path.is_file():
        return NO_NOTES
    whole = path.read_text("utf-8", errors="replace")
    text = whole[:LENGTH_MAX] + (
        f"\n… showing {LENGTH_MAX:,} of {len(whole):,} characters" if whole[LENGTH_MAX:] else ""
    )
    boxes = [(line, BOX.match(line)) for line in text.splitlines()]
    return TeamNotes(
        text="\n".join(line for line, box in boxes if box is None).strip(),
        follow_ups=tuple(_follow_up(box) for _, box in boxes if box is not None),
    )


def _follow_up(box: re.Match[str]) -> FollowUp:
    owner = OWNER.search(box[2])
    return FollowUp(box[1] != " ", OWNER.sub("", box[2], count=1).strip(), owner[1] if owner else "")
