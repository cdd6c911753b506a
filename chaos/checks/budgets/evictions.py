"""Every eviction of a trial: ours by the journal, those of others by what they leave in the watch log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.budgets.model import Change, Grant, Replay
from chaos.clock import NS
from chaos.history import Action, History
from chaos.history.coverage import covered

__all__ = ["EVICT", "REQUEST_NS", "Eviction", "Evictions", "evictions_of", "refused_by_budget", "rehearsed"]

EVICT = "evict-pod"
BUDGET = "DisruptionBudget"
TWO_BUDGETS = "more than one PodDisruptionBudget"

REQUEST_NS = 60 * NS
"""The API server ends a request after a minute (`--request-timeout`): what is seen was asked for no earlier."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """One accepted eviction. `ready`: its pod was Ready and staying just before, so that a budget had to count it.

    `grant` is the charge to a budget, None if none was charged; `sign` is then what showed the eviction. `binding` are
    the budgets, by UID, that bound the pod. `left` is how many of the system's pods were ready after it. `asked_ns`:
    the request was not made before. `by` is our action, None for somebody else's.
    """

    uid: str
    name: str
    at_ns: int
    asked_ns: int
    binding: tuple[str, ...]
    left: int
    lossy: bool
    ready: bool
    by: Action | None
    grant: Grant | None
    sign: Change | None

    @property
    def whose(self) -> str:
        """Who asked, in words."""
        return "ours" if self.by else "somebody else's"


@dataclass(frozen=True, slots=True)
class Evictions:
    """All of them. `unready` were accepted for pods that were not Ready, which no budget counts.

    `refused` are ours that a budget refused; `ambiguous` those refused because two budgets bind the pod. `open` says
    of which nobody can tell whether they happened. `pending` are budget charges for a pod that the watch does not know.
    """

    accepted: tuple[Eviction, ...]
    unready: tuple[Eviction, ...]
    refused: tuple[Action, ...]
    ambiguous: tuple[Action, ...]
    open: tuple[str, ...]

    @property
    def first_ns(self) -> int | None:
        """When the first was asked for or seen."""
        moments = [one.by.begin_ns if one.by else one.at_ns for one in self.accepted]
        moments += [action.begin_ns for action in (*self.refused, *self.ambiguous)]
        return min(moments, default=None)


def rehearsed(action: Action) -> bool:
    """Whether the server was asked to do nothing (`dryRun`)."""
    return bool((action.detail.get("query") or {}).get("dryRun"))


def refused_by_budget(action: Action) -> bool:
    """Whether a failed eviction was refused by a disruption budget: status 429, with that cause."""
    return action.detail.get("status") == 429 and BUDGET in (action.detail.get("causes") or ())


def evictions_of(history: History, replay: Replay) -> Evictions:
    """Gather the evictions."""
    ours = [action for action in history.actions if action.name == EVICT and not rehearsed(action)]
    done: dict[str, list[Action]] = {}
    for action in ours:
        if action.outcome != "fail":
            done.setdefault(action.target.uid, []).append(action)
    found = sorted(_accepted(replay, done), key=lambda one: one.at_ns)
    failed = [action for action in ours if action.outcome == "fail"]
    return Evictions(
        accepted=tuple(one for one in found if one.ready),
        unready=tuple(one for one in found if not one.ready),
        refused=tuple(one for one in failed if refused_by_budget(one)),
        ambiguous=tuple(one for one in failed if TWO_BUDGETS in str(one.detail.get("reason", ""))),
        open=tuple(_open(history, replay, ours)),
    )


def _accepted(replay: Replay, done: Mapping[str, list[Action]]) -> Iterator[Eviction]:
    """Each accepted eviction."""
    granted: set[str] = set()
    for grant in replay.grants:
        if grant.pod is not None:
            granted.add(grant.pod.uid)
            yield _of_grant(grant, done.get(grant.pod.uid, []))
    for uid in dict.fromkeys((*replay.marked, *(uid for uid, ours in done.items() if _sure(ours)))):
        if uid in granted or uid in replay.charged:
            continue
        sign = replay.marked.get(uid) or replay.left.get(uid)
        if sign is not None:
            yield _of_sign(uid, sign, done.get(uid, []))


def _of_grant(grant: Grant, ours: list[Action]) -> Eviction:
    assert grant.pod is not None
    by, asked_ns = _asked(ours, grant.revision.at_ns)
    return Eviction(
        uid=grant.pod.uid,
        name=grant.name,
        at_ns=grant.revision.at_ns,
        asked_ns=asked_ns,
        binding=grant.binding,
        left=grant.left,
        lossy=grant.revision.lossy,
        ready=grant.pod.ready,
        by=by,
        grant=grant,
        sign=None,
    )


def _of_sign(uid: str, sign: Change, ours: list[Action]) -> Eviction:
    by, asked_ns = _asked(ours, sign.revision.at_ns)
    return Eviction(
        uid=uid,
        name=sign.pod.name,
        at_ns=sign.revision.at_ns,
        asked_ns=asked_ns,
        binding=sign.binding,
        left=sign.left,
        lossy=sign.revision.lossy,
        ready=sign.was_ready,
        by=by,
        grant=None,
        sign=sign,
    )


def _asked(ours: list[Action], at_ns: int) -> tuple[Action | None, int]:
    """The action that asked for it, if it was ours, and the earliest moment at which it was asked for."""
    before = [action for action in ours if action.begin_ns <= at_ns]
    return (before[-1], before[-1].begin_ns) if before else (None, at_ns - REQUEST_NS)


def _open(history: History, replay: Replay, ours: list[Action]) -> Iterator[str]:
    """Which of ours the watch log does not settle."""
    signs = {grant.pod.uid for grant in replay.grants if grant.pod is not None} | set(replay.marked)
    for action in ours:
        ref = action.target
        if action.outcome == "fail" or ref.uid in signs or ref.uid in replay.charged:
            continue
        left = replay.left.get(ref.uid)
        if ref.uid not in replay.pods:
            yield f"the watch log knows no pod with the UID of {ref.name}, whose eviction was {_said(action)}"
        elif action.outcome == "ok" and left is None:
            yield f"the eviction of {ref.name} was accepted, but the watch log does not show it"
        elif action.outcome == "info" and not _never(history, action, left):
            yield f"whether {ref.name} was evicted is not known: {action.detail.get('reason') or 'no answer came'}"


def _never(history: History, action: Action, left: Change | None) -> bool:
    """Whether the watch settles that an eviction without an answer did not happen.

    It did not if the pod went unmarked, for what the API evicts it marks; or if it stayed for as long as the request
    can have lived.
    """
    until_ns = action.begin_ns + REQUEST_NS if left is None else left.revision.at_ns
    seen = covered(history, "Pod", action.begin_ns, until_ns)
    return seen and covered(history, "PodDisruptionBudget", action.begin_ns, until_ns)


def _sure(ours: list[Action]) -> bool:
    return any(action.outcome == "ok" for action in ours)


def _said(action: Action) -> str:
    return "accepted" if action.outcome == "ok" else "not answered"
