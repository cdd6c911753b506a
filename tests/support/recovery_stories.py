"""Hand-written histories of recoveries in which every stage is seen: a pod that is replaced, one restarted in place."""

from collections.abc import Mapping
from typing import Any

from histories import PROBED, Story, at, pod
from probe_stories import COVERED, endpoints, hung, killing, restarted

from chaos.checks.verdict import Finding

REPLACED: Mapping[str, float] = {
    "action": 30.1,
    "unready": 30.2,
    "endpoint removed": 30.3,
    "replacement created": 30.4,
    "scheduled": 30.5,
    "started": 31.5,
    "Ready": 34,
    "endpoint added": 34.1,
    "first answer": 35,
}
"""When each step of the replaced pod is seen, in seconds from the trial's start."""

RESTARTED: Mapping[str, float] = {
    "action": 30,
    "first failed request": 31,
    "probe failure event": 32,
    "unready": 33,
    "endpoint removed": 33.2,
    "container restarted": 40,
    "started": 41,
    "Ready": 44,
    "endpoint added": 44.3,
    "first answer": 45,
}


def moments_of(base: Mapping[str, float], **late: float) -> dict[str, float]:
    """The moments of a story, of which some are other; what waits for a later one is as much later, too."""
    moments = dict(base)
    for name, at_s in late.items():
        key = next(known for known in base if known.replace(" ", "_") == name)
        shift = at_s - moments[key]
        waiting = list(base)[list(base).index(key) :] if key != "endpoint removed" else [key]
        moments |= {known: moments[known] + shift for known in waiting}
    return moments


def answered(story: Story, victim: str, until_s: float, replacement: str, from_s: float) -> Story:
    """The victim answers every second request until a moment, its replacement from another on; `b` all the rest."""
    for row in story.rows:
        begin_s = (row["intended_ns"] - at(0)) / 1e9
        row["replica"] = "model-b"
        if row["id"] % 2 and begin_s < until_s:
            row["replica"] = f"model-{victim}"
        if row["id"] % 2 and begin_s >= from_s - 0.2:
            row["replica"] = f"model-{replacement}"
    return story


def replaced_story(*, end_s: float = 200, spec: Mapping[str, Any] = PROBED, **late: float) -> Story:
    """`a` of two is deleted; `d` takes its place. Each later step may be given as a keyword, `endpoint_added=50`."""
    when = moments_of(REPLACED, **late)
    story = Story(end_s).replicas("a", "b", spec=spec).saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.has(covered_ns=dict.fromkeys(COVERED, (at(0), at(end_s)))).fault("a", healed_s=end_s - 5)
    story.acted("delete-pod", when["action"], fault="pod-kill-1")
    story.saw(when["unready"], "DELETED", pod("a", ready=True, spec=spec))
    first, then = sorted(("endpoint removed", "endpoint added"), key=when.__getitem__)
    between = endpoints("b") if first == "endpoint removed" else endpoints("a", "b", "d")
    story.saw(when[first], "MODIFIED", between, "EndpointSlice")
    story.saw(when[then], "MODIFIED", endpoints("b", "d"), "EndpointSlice")
    story.saw(when["replacement created"], "ADDED", pod("d", node="", spec=spec))
    story.saw(when["scheduled"], "MODIFIED", pod("d", spec=spec))
    story.saw(when["started"], "MODIFIED", pod("d", running=True, spec=spec))
    story.saw(when["Ready"], "MODIFIED", pod("d", ready=True, spec=spec))
    return answered(story.traffic(end_s=end_s - 5), "a", when["unready"], "d", when["first answer"])


def restarted_story(*, end_s: float = 260, spec: Mapping[str, Any] = PROBED, **late: float) -> Story:
    """`a` of two hangs at 30 s, fails its probes, is restarted in place and comes back. Keywords as above."""
    when = moments_of(RESTARTED, **late)
    story = hung(end_s=end_s, healed_s=end_s - 5, spec=spec)
    probe = killing("a", "Readiness probe failed: HTTP probe failed with statuscode: 503") | {"reason": "Unhealthy"}
    story.saw(when["probe failure event"], "ADDED", probe, "Event")
    story.saw(when["unready"], "MODIFIED", pod("a", running=True, spec=spec))
    story.saw(when["endpoint removed"], "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    waiting = restarted("a", spec=spec)
    waiting["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    story.saw(when["container restarted"], "MODIFIED", waiting)
    story.saw(when["started"], "MODIFIED", restarted("a", spec=spec))
    story.saw(when["Ready"], "MODIFIED", restarted("a", ready=True, spec=spec))
    story.saw(when["endpoint added"], "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    story.rows.clear()
    story.parts.pop("streams")
    story.traffic(end_s=end_s - 5)
    answered(story, "a", 30, "a", when["first answer"])
    failed = [row["id"] for row in story.rows if when["first failed request"] <= _at_s(row) < when["unready"]]
    return story.fate([number for number in failed if number % 2 == 0], "failed")


def _at_s(row: Mapping[str, Any]) -> float:
    return float(row["intended_ns"] - at(0)) / 1e9


def only_recovery(finding: Finding) -> dict[str, Any]:
    """The only recovery in a finding."""
    (recovery,) = finding.values["recoveries"]
    return dict(recovery)


def stages_of(finding: Finding) -> dict[str, dict[str, Any]]:
    """Its stages by name."""
    return {stage["stage"]: stage for stage in only_recovery(finding)["stages"]}
