"""Evidence with fields missing or null: no check raises on it, and none passes that did not pass before."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import T0, Story
from numbering import numbered
from test_check_no_data import every_check, title
from test_metamorphic import variants

from chaos.checks.verdict import Answer, Check
from chaos.history import History, WatchEvent
from chaos.history.reading.watch_log import read_watch

SEEDS = range(8)
HURT_SHARE = 0.3
"""Of the events, how many lose a field."""


def places(raw: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in a raw object, with each of its keys or indices."""
    keys = raw.keys() if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
    for key in keys:
        yield raw, key
        yield from places(raw[key])


def hurt(event: WatchEvent, chance: random.Random) -> WatchEvent:
    """The event with one field taken away or null; the identity of the object stays, as no API server omits it."""
    raw = copy.deepcopy(dict(event.object))
    found = [(inside, key) for inside, key in places(raw) if inside is not raw.get("metadata") or key not in IDENTITY]
    inside, key = chance.choice([one for one in found if one[0] is not raw or one[1] != "metadata"])
    if chance.random() < 0.5:
        inside[key] = None
    else:
        del inside[key]
    return replace(event, object=raw)


IDENTITY = ("uid", "name", "namespace")


def fuzzed(story: Story, chance: random.Random) -> Story:
    """The story with fields missing in some of its events."""
    story.events = [hurt(event, chance) if chance.random() < HURT_SHARE else event for event in story.events]
    return story


def read_back(story: Story, path: Path) -> History:
    """The story as a History whose watch was written to a file and read from it."""
    events = sorted(story.events, key=lambda event: event.at_ns)
    lines = [{"at_ns": one.at_ns, "kind": one.kind, "type": one.type, "object": one.object} for one in events]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replace(story.history(), watch=numbered(read_watch(path).events, T0))


@pytest.mark.parametrize("check", every_check(), ids=title)
def test_a_missing_field_raises_nothing_and_proves_nothing(check: Check, tmp_path: Path) -> None:
    """Whatever field the API server leaves out, the check answers, and does not pass what it did not pass before."""
    path = tmp_path / "watch.jsonl"
    for name, told in variants(check).items():
        before = check(read_back(told(), path))
        for seed in SEEDS:
            chance = random.Random(f"{name} {seed}")  # noqa: S311  # repeatable
            after = check(read_back(fuzzed(told(), chance), path))
            better = after.answer is Answer.PASS and before.answer is not Answer.PASS
            assert not better, f"{name}, seed {seed}\nbefore: {before.line()}\nafter:  {after.line()}"
