"""Hand-written histories of answers that were to repeat a number of their own."""

from collections.abc import Iterable
from typing import Any

from histories import Story, kill_story

FAULT = 300
"""The number of the first request that is intended as the fault begins, at 30 s; every tenth of a second has one."""


def echo_story(*, wrong_before: int = 0, wrong_since: int = 0, asked: int = 1000) -> Story:
    """A kill under a thousand answers that were to repeat a number; so many did not before the fault and since."""
    story = kill_story()
    for row in story.rows[:asked]:
        row["echo"] = "right"
    return echoed(story, [*range(wrong_before), *range(FAULT, FAULT + wrong_since)], "wrong")


def echoed(story: Story, ids: Iterable[int], value: str, **changes: Any) -> Story:
    """Some answers hold something else."""
    for number in ids:
        story.rows[number] |= {"echo": value, **changes}
    return story
