"""Stories of replicas that are told to end while they are answering."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from histories import PROBED, Story, at, pod, request

ENDED_AT = "2026-01-01T00:00:20Z"


def container(code: int, reason: str = "") -> dict[str, Any]:
    """The status of a container that ended with this exit code."""
    words = reason or ("Completed" if code == 0 else "Error")
    state = {"terminated": {"exitCode": code, "reason": words, "finishedAt": ENDED_AT}}
    return {"name": "m", "ready": False, "restartCount": 0, "state": state}


class Ending(Story):
    """A story of streams: the rows of the first stream are those that the story names, one by one."""

    def ends(
        self,
        uid: str,
        at_s: float,
        gone_s: float | None,
        *,
        code: int | None = 0,
        reason: str = "",
        grace_s: int = 10,
        spec: Mapping[str, Any] = PROBED,
    ) -> Self:
        """A deletion is accepted; the container ends and the object goes at `gone_s`, if ever.

        Without a `code` the object goes while its container still runs.
        """
        going, done = (pod(uid, ready=ready, deleting=True, spec=spec) for ready in (True, False))
        for one in (going, done):
            one["metadata"]["deletionGracePeriodSeconds"] = grace_s
        self.saw(at_s, "MODIFIED", going)
        if gone_s is None:
            return self
        if code is None:
            return self.saw(gone_s, "DELETED", going)
        done["status"]["containerStatuses"] = [container(code, reason)]
        last = {**done, "metadata": {**done["metadata"], "deletionGracePeriodSeconds": 0}}
        return (
            self.saw(gone_s - 0.1, "MODIFIED", done).saw(gone_s - 0.05, "MODIFIED", last).saw(gone_s, "DELETED", last)
        )

    def stream(self, uid: str | None, begin_s: float, end_s: float, outcome: str = "ok", **changes: Any) -> Self:
        """One request that a replica held from one moment to another."""
        row = request(len(self.rows), "steady-1", at(begin_s), latency_s=end_s - begin_s)
        self.rows.append(row | {"outcome": outcome, "replica": uid and f"model-{uid}", **changes})
        return self


def prompt(spec: Mapping[str, Any] = PROBED, **hook: Any) -> dict[str, Any]:
    """The spec with a preStop hook."""
    return {**spec, "containers": [{**spec["containers"][0], "lifecycle": {"preStop": hook}}]}


def streams(story: Ending, uids: Iterable[str] = ("b", "c")) -> Ending:
    """Other replicas answer all the while, each stream four seconds long."""
    for uid in uids:
        for number in range(20):
            story.stream(uid, 4 * number + 1, 4 * number + 5)
    return story


def standing(*, spec: Mapping[str, Any] = PROBED, end_s: float = 120) -> Ending:
    """Three replicas, the others answering; what becomes of `a` is still to be told."""
    story = Ending(end_s).replicas("a", "b", "c", spec=spec).fault("a", healed_s=45)
    return streams(story)


def drained_story() -> Ending:
    """`a` is deleted at 30 s while it answers one request, takes another, ends both, and is gone at 36 s."""
    story = standing().stream("a", 28, 32).stream("a", 30.5, 35)
    return story.ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
