"""What people write about a run, in notes.md in its folder: shown as text, and its check boxes as follow-ups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FILE", "NO_NOTES", "FollowUp", "TeamNotes", "read_notes"]

FILE = "notes.md"
LENGTH_MAX = 20_000
BOX = re.compile(r"^\s*[-*] \[( |x|X)\] (.+)$")
OWNER = re.compile(r"(?<![\w@])@([\w.-]+)")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One `- [ ] text @owner`; `owner` is empty if none is named."""

    done: bool
    text: str
    owner: str


@dataclass(frozen=True, slots=True)
class TeamNotes:
    """The notes: text without its check boxes, and those as follow-ups."""

    text: str
    follow_ups: tuple[FollowUp, ...]


NO_NOTES = TeamNotes("", ())


def read_notes(folder: Path) -> TeamNotes:
    """The notes of a run folder, empty if there are none; what exceeds `LENGTH_MAX` characters is said to be cut."""
    path = folder / FILE
    if not path.is_file():
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
