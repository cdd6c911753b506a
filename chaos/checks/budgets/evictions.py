"""Every eviction of a trial: ours by the journal, those of others by what they leave in the watch log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.base import unknown
from chaos.checks.budgets.records import Change, Grant, Replay
from chaos.checks.verdict import Obligation
from chaos.clock import NS
from chaos.history import Action, History
from chaos.history.coverage import covered
from chaos.objects.pod import PodView

__all__ = ["EVICT", "TWO_BUDGETS", "Eviction", "Evictions", "evictions_of", "is_dry_run", "refused_by_budget"]

EVICT = "evict-pod"
BUDGET = "DisruptionBudget"
TWO_BUDGETS = "more than one PodDisruptionBudget"

NAME_KEPT = 40
"""So much of a workload's name is surely left in its pods' names, which are cut to 63 characters."""

REQUEST_NS = 60 * NS
"""The API server ends a request after a minute (`--request-timeout`): what is seen was asked for no earlier."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """One accepted eviction.

    Attributes:
        uid, name: the pod's.
        at_ns: when it was seen; the request was not made before `asked_ns`.
        binding: the budgets, by UID, that bound the pod.
        left: how many of the system's pods were ready after it.
        lossy: states before it may have been lost in a gap of the watch.
        ready: its pod was Ready and staying just before, so that a budget had to count it.
        by: our action, None for somebody else's.
        grant: the charge to a budget, None if none was charged.
        sign: without a charge, what showed the eviction.
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
        return "ours" if self.by else "somebody else's"

    @property
    def released(self) -> bool:
        """Whether its pod's controller had let go of it before, so that it was no replica any more."""
        pod = self.grant.pod if self.grant is not None else self.sign.before if self.sign is not None else None
        return pod is not None and not pod.controller_uid

    @property
    def left_words(self) -> str:
        """How many were left, in words: of its budget's pods, or of the system's where none was charged."""
        if self.grant is None:
            return f"{self.left} ready"
        return f"{self.grant.healthy} healthy of {self.grant.desired} needed"


@dataclass(frozen=True, slots=True)
class Evictions:
    """All of them.

    Attributes:
        accepted: those of Ready pods.
        unready: those accepted for pods that were not Ready, which no budget counts.
        refused: ours that a budget refused.
        ambiguous: ours that were refused because two budgets bind the pod.
        open: ours of which nobody can tell whether they happened.
    """

    accepted: tuple[Eviction, ...]
    unready: tuple[Eviction, ...]
    refused: tuple[Action, ...]
    ambiguous: tuple[Action, ...]
    open: tuple[Obligation, ...]

    @property
    def first_ns(self) -> int | None:
        moments = [one.by.begin_ns if one.by else one.at_ns for one in self.accepted]
        moments += [action.begin_ns for action in (*self.refused, *self.ambiguous)]
        return min(moments, default=None)


def is_dry_run(action: Action) -> bool:
    """Whether the server was asked to do nothing (`dryRun`)."""
    return bool((action.detail.get("query") or {}).get("dryRun"))


def refused_by_budget(action: Action) -> bool:
    """Whether a failed eviction was refused by a disruption budget: status 429, with that cause."""
    return action.detail.get("status") == 429 and BUDGET in (action.detail.get("causes") or ())


def evictions_of(history: History, replay: Replay) -> Evictions:
    """Gather the evictions of the system's pods, and of others that one of its budgets binds."""
    asked = [action for action in history.actions if action.name == EVICT and not is_dry_run(action)]
    ours = [action for action in asked if _concerns(history, replay, action)]
    done: dict[str, list[Action]] = {}
    for action in ours:
        if action.outcome != "fail":
            done.setdefault(action.target.uid, []).append(action)
    found = sorted(_accepted(replay, done), key=lambda one: one.at_ns)
    found = [one for one in found if _is_own(replay, one.uid, one.binding)]
    failed = [action for action in ours if action.outcome == "fail"]
    return Evictions(
        accepted=tuple(one for one in found if one.ready),
        unready=tuple(one for one in found if not one.ready),
        refused=tuple(one for one in failed if refused_by_budget(one)),
        ambiguous=tuple(one for one in failed if TWO_BUDGETS in str(one.detail.get("reason", ""))),
        open=tuple(_open(history, replay, ours)),
    )


def _is_own(replay: Replay, uid: str, binding: tuple[str, ...]) -> bool:
    return uid in replay.replicas or any(replay.budgets[one].ours for one in binding)


def _concerns(history: History, replay: Replay, action: Action) -> bool:
    """Whether the pod of an eviction is the system's, or one that a budget of the system binds.

    The system's pods are watched and have its name before their own part (`generateName`), so one of another name
    that no gapless watch shows is somebody else's.
    """
    uid, until_ns = action.target.uid, action.begin_ns if action.end_ns is None else action.end_ns
    pod = replay.pods.get(uid)
    if pod is None:
        named_so = action.target.name.startswith(history.facts.workload_name[:NAME_KEPT])
        return named_so or not covered(history, "Pod", action.begin_ns, until_ns)
    views = (record.view for record in replay.budgets.values() if record.ours)
    return uid in replay.replicas or any(view is not None and view.selects(pod) for view in views)


def _accepted(replay: Replay, done: Mapping[str, list[Action]]) -> Iterator[Eviction]:
    granted: set[str] = set()
    for grant in replay.grants:
        if grant.pod is not None:
            granted.add(grant.pod.uid)
            yield _eviction(grant.pod, grant, done.get(grant.pod.uid, []), ready=grant.pod.ready)
    sure = (uid for uid, ours in done.items() if any(action.outcome == "ok" for action in ours))
    for uid in dict.fromkeys((*replay.marked, *sure)):
        if uid in granted or uid in replay.charged:
            continue
        sign = replay.marked.get(uid) or replay.left.get(uid)
        if sign is not None:
            yield _eviction(sign.pod, sign, done.get(uid, []), ready=sign.was_ready)


def _eviction(pod: PodView, shown: Grant | Change, ours: list[Action], *, ready: bool) -> Eviction:
    at_ns = shown.revision.at_ns
    before = [action for action in ours if action.begin_ns <= at_ns]
    return Eviction(
        uid=pod.uid,
        name=pod.name,
        at_ns=at_ns,
        asked_ns=before[-1].begin_ns if before else at_ns - REQUEST_NS,
        binding=shown.binding,
        left=shown.left,
        lossy=shown.revision.lossy,
        ready=ready,
        by=before[-1] if before else None,
        grant=shown if isinstance(shown, Grant) else None,
        sign=shown if isinstance(shown, Change) else None,
    )


def _open(history: History, replay: Replay, ours: list[Action]) -> Iterator[Obligation]:
    """Those of ours which the watch log does not decide."""
    settle = "a trial in which every eviction is answered, or watched for a minute"
    signs = {grant.pod.uid for grant in replay.grants if grant.pod is not None} | set(replay.marked)
    for action in ours:
        uid, name = action.target.uid, action.target.name
        if action.outcome == "fail" or uid in signs or uid in replay.charged:
            continue
        left = replay.left.get(uid)
        if uid not in replay.pods:
            answered = "accepted" if action.outcome == "ok" else "not answered"
            reason = f"the watch log knows no pod with the UID of {name}, whose eviction was {answered}"
        elif action.outcome == "ok" and left is None:
            reason = f"the eviction of {name} was accepted, but the watch log does not show it"
        elif action.outcome == "info" and not _never(history, action, left):
            reason = f"whether {name} was evicted is not known: {action.detail.get('reason') or 'no answer came'}"
        else:
            continue
        yield unknown(name, reason, settle)


def _never(history: History, action: Action, left: Change | None) -> bool:
    """Whether the watch proves that an eviction without an answer did not happen.

    It did not if the pod went unmarked, for what the API evicts it marks; or if it stayed for as long as the request
    can have lived.
    """
    until_ns = action.begin_ns + REQUEST_NS if left is None else left.revision.at_ns
    seen = covered(history, "Pod", action.begin_ns, until_ns)
    return seen and covered(history, "PodDisruptionBudget", action.begin_ns, until_ns)
