"""Stories of a replica that leaves the ready endpoints, and of where the requests go meanwhile."""

from __future__ import annotations

from histories import Story, at, pod
from probe_stories import endpoints, hung

__all__ = ["AWAY", "away_story"]

AWAY = (33.2, 60.3)
"""From when to when `a` is no endpoint, in seconds."""


def away_story(*, served: str = "b") -> Story:
    """`a` leaves the endpoints at 33.2 s and is back at 60.3 s; meanwhile all answers name `served`, if anybody."""
    story = (
        hung(healed_s=45)
        .saw(33, "MODIFIED", pod("a", running=True))
        .saw(33.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
        .saw(60, "MODIFIED", pod("a", ready=True))
        .saw(60.3, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    )
    for number, row in enumerate(story.rows):
        inside = at(AWAY[0]) <= row["intended_ns"] < at(AWAY[1])
        name = served if inside else "ab"[number % 2]
        row["replica"] = f"model-{name}" if name else None
    return story
