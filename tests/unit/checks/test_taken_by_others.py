"""What others do with replicas in good order, beside a trial or in it, is no breach: each check, on each story.

A descheduler, a vertical autoscaler or the scale-down of a cluster autoscaler evicts one; the scheduler preempts one
for a neighbour's; a readiness probe fails for a moment. The replica is back in seconds, and so is its endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import WORKLOAD, Story, at
from test_check_no_data import every_check, story_of, title

from chaos.checks.verdict import Answer, Check

OTHERWISE = {
    "BudgetHeld": "an eviction has to be charged to the budget, which the stories of others do not do",
    "DecisionsRecomputed": "no sample of the stories is of the replica that came, or turned",
    "RoutedToReady": "the answers of its story go on naming the replica that left",
    "ZombieFound": "no answer of the stories names the replica that came",
}
"""The checks that may say something else of it, and why."""

Raw = dict[str, Any]


def last_states(story: Story, at_s: float) -> dict[tuple[str, str], Raw]:
    """The state of each object that is there at a moment, by kind and UID."""
    now: dict[tuple[str, str], Any] = {}
    for event in sorted(story.events, key=lambda event: event.at_ns):
        if event.at_ns <= at(at_s):
            now[event.kind, event.object["metadata"]["uid"]] = None if event.gone else event.object
    return {key: raw for key, raw in now.items() if raw is not None}


def steady_replica(story: Story, at_s: float) -> Raw | None:
    """A Ready replica that nothing befalls afterwards; None if there is none."""
    now, later = last_states(story, at_s), {e.object["metadata"]["uid"] for e in story.events if e.at_ns > at(at_s)}
    for (kind, uid), raw in sorted(now.items(), key=lambda item: item[0], reverse=True):
        ours = kind == "Pod" and (raw["metadata"].get("labels") or {}).get("app") == WORKLOAD
        conditions = raw.get("status", {}).get("conditions", ())
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        if ours and ready and uid not in later and "deletionTimestamp" not in raw["metadata"]:
            return raw
    return None


def with_condition(pod: Raw, type_: str, status: str, reason: str = "") -> Raw:
    """The pod with a condition as given."""
    others = [one for one in pod["status"]["conditions"] if one["type"] != type_]
    told = {"type": type_, "status": status, "reason": reason}
    return {**pod, "status": {**pod["status"], "conditions": [*others, told]}}


def endpoints_follow(story: Story, uid: str, out_s: float, back_s: float, successor: str) -> None:
    """The endpoint of a replica leaves the slices, and that of its successor comes."""

    def changed(raw: Mapping[str, Any], *more: str) -> Raw:
        left = [one for one in raw["endpoints"] if one["targetRef"]["uid"] != uid]
        return {
            **raw,
            "endpoints": [*left, *({"conditions": {"ready": True}, "targetRef": {"uid": one}} for one in more)],
        }

    slices = [raw for (kind, _), raw in last_states(story, out_s).items() if kind == "EndpointSlice"]
    story.events = [
        replace(one, object=changed(one.object, successor))
        if one.kind == "EndpointSlice" and one.at_ns > at(back_s)
        else one
        for one in story.events
    ]
    for raw in slices:
        story.saw(out_s, "MODIFIED", changed(raw), "EndpointSlice")
        story.saw(back_s, "MODIFIED", changed(raw, successor), "EndpointSlice")


def taken(reason: str) -> Callable[[Story, float], bool]:
    """The control plane takes a replica for that reason; another is Ready four seconds later."""

    def change(story: Story, at_s: float) -> bool:
        if (pod := steady_replica(story, at_s)) is None:
            return False
        marked = with_condition(pod, "DisruptionTarget", "True", reason)
        going = {**marked, "metadata": {**marked["metadata"], "deletionTimestamp": "2026-01-01T00:02:00Z"}}
        story.saw(at_s, "MODIFIED", marked).saw(at_s + 0.01, "MODIFIED", going).saw(at_s + 3, "DELETED", going)
        owner = pod["metadata"]["ownerReferences"][0]["uid"]
        spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
        story.replaced("other", at_s + 0.2, ready_s=at_s + 4, owner=owner, spec=spec)
        endpoints_follow(story, pod["metadata"]["uid"], at_s + 0.2, at_s + 4.1, "other")
        return True

    return change


def hiccup(story: Story, at_s: float) -> bool:
    """A readiness probe fails for three seconds."""
    if (pod := steady_replica(story, at_s)) is None:
        return False
    story.saw(at_s, "MODIFIED", with_condition(pod, "Ready", "False")).saw(at_s + 3, "MODIFIED", pod)
    uid = pod["metadata"]["uid"]
    endpoints_follow(story, uid, at_s + 0.2, at_s + 3.2, uid)
    return True


OTHERS: Mapping[str, Callable[[Story, float], bool]] = {
    "evicted": taken("EvictionByEvictionAPI"),
    "preempted": taken("PreemptionByScheduler"),
    "a probe that failed": hiccup,
}


@pytest.mark.parametrize("at_s", [60, 101])
@pytest.mark.parametrize("others", OTHERS, ids=str)
@pytest.mark.parametrize("check", [one for one in every_check() if title(one) not in OTHERWISE], ids=title)
def test_what_others_do_in_good_order_is_no_breach(check: Check, others: str, at_s: float) -> None:
    """A claim that held holds still, or is open."""
    story = story_of(check)
    if not OTHERS[others](story, at_s):
        pytest.skip("the story has no replica then that stays as it is")
    finding = check(story.history())
    assert finding.answer is not Answer.FAIL, finding.line()
