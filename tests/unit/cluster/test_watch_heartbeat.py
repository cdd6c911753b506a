"""Whether a watch owes something of what the server lists."""

from __future__ import annotations

import pytest

from chaos.cluster.watch.heartbeat import Listed, behind

LISTED = Listed(100, {"a": 40, "b": 90})


@pytest.mark.parametrize(
    ("known", "owes"),
    [
        ({"a": 40, "b": 90}, False),
        ({"a": 41, "b": 95}, False),  # changed since the list was made
        ({"a": 40, "b": 80}, True),  # a state that never came
        ({"a": 40}, True),  # an object that never came
        ({"a": 40, "b": 90, "c": 70}, True),  # a deletion that never came
        ({"a": 40, "b": 90, "c": 101}, False),  # made since the list was made
        ({}, True),
    ],
)
def test_a_watch_is_behind_if_it_owes_a_state_or_a_deletion(known: dict[str, int], *, owes: bool) -> None:
    """What happened after the list is nobody's debt; everything in it is."""
    assert behind(known, 99, LISTED) is owes


def test_of_an_empty_list_nothing_is_owed() -> None:
    """An idle kind is no dead watch."""
    assert not behind({}, 0, Listed(100, {}))


def test_what_was_listed_and_is_gone_again_is_not_owed() -> None:
    """Its deletion came with a later resourceVersion, so the watch is past the list."""
    assert not behind({"b": 90}, 101, LISTED)
    assert behind({"b": 90}, 99, LISTED)
