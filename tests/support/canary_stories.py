"""Stories whose answers name nobody, and a canary that asked each replica directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from histories import Story, at

from chaos.history import Canary, CanaryRequest

__all__ = ["Asked", "asked", "every_second", "held", "nameless", "with_canary"]

Asked = tuple[float, float, str]
"""When a request was sent, when it ended, and what became of it."""


def nameless(story: Story) -> Story:
    """No answer names its replica."""
    for row in story.rows:
        row["replica"] = None
    return story


def every_second(begin_s: float, end_s: float, *, took_s: float = 0.1, outcome: str = "ok") -> list[Asked]:
    """A request a second, all of the same fate."""
    return [(begin_s + number, begin_s + number + took_s, outcome) for number in range(round(end_s - begin_s))]


def asked(uid: str, requests: Sequence[Asked]) -> list[CanaryRequest]:
    """What one pod was asked."""
    return [
        CanaryRequest(f"model-{uid}", uid, at(sent_s), at(sent_s), at(end_s), outcome)
        for sent_s, end_s, outcome in requests
    ]


def with_canary(story: Story, pods: Mapping[str, Sequence[Asked]]) -> Story:
    """The story, told by answers without names and by a canary."""
    found = [one for uid, requests in pods.items() for one in asked(uid, requests)]
    found.sort(key=lambda one: one.end_ns)
    return nameless(story).has(canary=Canary("its way", requests=tuple(found)))


def held(story: Story, uid: str, *requests: Asked) -> Story:
    """The story, with long answers that a victim was given by the canary."""
    canary = story.parts.get("canary") or Canary("its way")
    statuses = {"ok": 200, "errors": 503}
    found = [
        replace(one, status=statuses.get(one.outcome), outcome="failed" if one.outcome == "errors" else one.outcome)
        for one in asked(uid, requests)
    ]
    return nameless(story).has(canary=replace(canary, held=(*canary.held, *found)))
