"""Every dip: a span in which fewer pods were healthy than had to be, however short, and what caused each loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from chaos.checks.budgets.records import EVICTED, Change, HealthCount, Record, Replay
from chaos.checks.verdict import Evidence
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.replica_counts import controller_kinds, desired_replicas, node_outages, owner_replicas
from chaos.history.step_function import Steps
from chaos.objects.base import View
from chaos.objects.pod import PodView

__all__ = ["Dip", "Loss", "dips_of", "owner_wants_fewer"]

NEWS_NS = 5 * NS
"""News of a pod, of its node and of its owner come over different watches."""

ACTED_NS = 10 * NS
"""So shortly after its owner asks for fewer pods, a pod's deletion is the owner's doing (a controller needs 1 s)."""

UNSEEN = "unseen"
"""The cause of what happened in a gap of the watch."""

BY_OTHERS = frozenset(
    {"eviction", "taint", "preemption", "pod-gc", "node-pressure", "node-loss", "relabelled", "disruption"}
)
"""Causes that no controller of the workload brings about, nor its containers."""

OURS = "deleted by us"

BY_CONDITION: Mapping[str, tuple[str, str]] = {
    EVICTED: ("eviction", "evicted"),
    "DeletionByTaintManager": ("taint", "deleted for a NoExecute taint of its node"),
    "PreemptionByScheduler": ("preemption", "preempted by the scheduler"),
    "DeletionByPodGC": ("pod-gc", "deleted by the pod garbage collector"),
    "TerminationByKubelet": ("node-pressure", "ended by its kubelet (node pressure or shutdown)"),
}
"""Reasons of the condition DisruptionTarget (KEP-3329); there are others, e.g. of a tainted device (KEP-5055)."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One pod that ceased to be healthy: when, the kind of cause, and words."""

    at_ns: int
    pod: str
    cause: str
    words: str

    @property
    def by_others(self) -> bool:
        """Whether neither a controller of the workload nor the pod itself brought it about, but a fault, or others."""
        return self.cause in BY_OTHERS or OURS in self.words


@dataclass(frozen=True, slots=True)
class Dip:
    """One span with too few healthy pods.

    Attributes:
        of: whose need it is: a disruption budget, the scenario's claim, a rollout.
        end_ns: when it ended, None if it lasted as long as was watched; so are its `seconds`.
        lowest: how many were healthy where it was deepest, `desired` how many had to be.
        more_needed: it began because more were needed, not because fewer were there.
        unseen: a part of it came by a list after a gap, so that neither its causes nor its length are known.
    """

    of: str
    begin_ns: int
    end_ns: int | None
    seconds: float | None
    lowest: int
    desired: int
    losses: tuple[Loss, ...]
    more_needed: bool
    unseen: bool

    @property
    def words(self) -> str:
        lasted = "to the end" if self.seconds is None else f"for {self.seconds:.3f} s"
        why = list(dict.fromkeys(loss.words for loss in self.losses))
        if self.more_needed or not why:
            why.insert(0, f"{self.desired} were needed from then on")
        return f"{self.lowest} healthy of {self.desired} needed ({self.of}) {lasted}: {'; '.join(why)}"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        losses = (Evidence(loss.at_ns, loss.words) for loss in self.losses)
        return (Evidence(self.begin_ns, self.words), *losses)


def dips_of(
    history: History, replay: Replay, record: Record, since_ns: int, *, of: str, at_least: int | None = None
) -> tuple[Dip, ...]:
    """Every dip of one budget that lasted into the time from `since_ns` on, in order.

    Args:
        history: the trial.
        replay: all of its pods and budgets.
        record: the budget.
        since_ns: what ended before is left out.
        of: whose need it is, in words.
        at_least: how many have to be healthy, in place of the budget's own need.
    """

    def need(count: HealthCount) -> int:
        return count.desired if at_least is None else at_least

    def short(count: HealthCount) -> bool:
        return not count.unknown and not count.beyond and count.healthy < need(count)

    spans = [tuple(group) for _, group in groupby(record.counts, key=short)]
    found: list[Dip] = []
    for before, span, after in zip([(), *spans], spans, [*spans[1:], ()], strict=False):
        if not short(span[0]):
            continue
        losses = _losses(history, replay, record, span, after[0].revision.number if after else None)
        end_ns = max(after[0].at_ns, span[0].at_ns) if after else None
        worst = max(span, key=lambda one: need(one) - one.healthy)
        dip = Dip(
            of=of,
            begin_ns=span[0].at_ns,
            end_ns=end_ns,
            seconds=None if end_ns is None else seconds(end_ns - span[0].at_ns),
            lowest=worst.healthy,
            desired=need(worst),
            losses=losses,
            more_needed=bool(before) and need(span[0]) > need(before[-1]),
            unseen=any(one.revision.lossy for one in (*span, *after[:1]))
            or any(loss.cause == UNSEEN for loss in losses),
        )
        found.append(dip)
    return tuple(dip for dip in found if dip.end_ns is None or dip.end_ns >= since_ns)


def _losses(
    history: History, replay: Replay, record: Record, span: tuple[HealthCount, ...], ended: int | None
) -> tuple[Loss, ...]:
    """The pods that were lost up to a revision, each with its first cause: by themselves, or by an eviction."""
    losses = [_loss(history, replay, change) for count in span for change in count.lost]
    uid = "" if record.view is None else record.view.uid
    for grant in replay.grants:
        pod, number = grant.pod, grant.revision.number
        if pod is None or not pod.ready or number < span[0].revision.number:
            continue
        if ended is not None and number >= ended:
            continue
        if grant.after.uid == uid or (not uid and pod.uid in replay.replicas):
            losses.append(Loss(grant.revision.at_ns, pod.name, "eviction", f"{pod.name} evicted"))
    # Without a budget nothing was charged: the pod's own mark shows the eviction.
    charged = {grant.pod.uid for grant in replay.grants if grant.pod is not None}
    for pod_uid, change in replay.marked.items():
        inside = span[0].revision.number <= change.revision.number and (ended is None or change.revision.number < ended)
        if inside and not uid and pod_uid in replay.replicas and pod_uid not in charged and change.was_ready:
            losses.append(Loss(change.revision.at_ns, change.pod.name, "eviction", f"{change.pod.name} evicted"))
    first: dict[str, Loss] = {}
    for loss in sorted(losses, key=lambda one: one.at_ns):
        first.setdefault(loss.pod, loss)
    return tuple(first.values())


def _loss(history: History, replay: Replay, change: Change) -> Loss:
    cause, words = _cause(history, replay, change)
    return Loss(change.revision.at_ns, change.pod.name, cause, f"{change.pod.name} {words}")


def _cause(history: History, replay: Replay, change: Change) -> tuple[str, str]:
    pod = change.pod
    uid = pod.uid
    if change.revision.lossy:
        return UNSEEN, "lost in a gap of the watch"
    if pod.disruption:
        return BY_CONDITION.get(pod.disruption, ("disruption", f"taken by the control plane ({pod.disruption})"))
    if uid in replay.marked or any(grant.pod is not None and grant.pod.uid == uid for grant in replay.grants):
        return BY_CONDITION[EVICTED]
    if change.after is None or pod.deleting:
        return _deleted(history, change)
    return _fallen(history, change, pod)


def _deleted(history: History, change: Change) -> tuple[str, str]:
    uid, at_ns = change.pod.uid, change.revision.at_ns
    for action in history.actions:
        if action.target.uid == uid and action.outcome != "fail" and action.begin_ns <= at_ns:
            if action.name == "evict-pod" and action.outcome == "ok":
                return BY_CONDITION[EVICTED]
            if action.name.startswith("delete"):
                return "deletion", f"{OURS} ({action.fault or action.name}), which no disruption budget binds"
    if owner_wants_fewer(history, change.pod.controller_uid, at_ns):
        if _fell(desired_replicas(history), at_ns):
            return "scale-in", "deleted as fewer replicas were desired"
        return "rollout", "replaced by a rollout"
    return "deletion", "deleted by somebody else, not through the eviction API"


def owner_wants_fewer(history: History, owner_uid: str, at_ns: int) -> bool:
    """Whether a pod's own controller asked for fewer pods at about a moment."""
    return _fell(_owners(history).get(owner_uid, Steps((), 0)), at_ns)


@once
def _owners(history: History) -> Mapping[str, Steps]:
    """How many pods each of the pods' own controllers desired, by UID."""
    kinds = controller_kinds(history)
    uids = {View(event.object).uid for event in history.watch if event.kind in kinds}
    return {uid: owner_replicas(history, uid) for uid in uids}


def _fell(wanted: Steps, at_ns: int) -> bool:
    values = wanted.values_in(at_ns - ACTED_NS, at_ns + NEWS_NS)
    return any(after < before for before, after in pairwise(values))


def _fallen(history: History, change: Change, pod: PodView) -> tuple[str, str]:
    at_ns, before = change.revision.at_ns, change.before or PodView({})
    if pod.ready:
        selected = "no longer selected by the disruption budget"
        return "relabelled", selected if pod.controller_uid else "let go by its controller, as its labels were changed"
    if any(
        begin_ns <= at_ns + NEWS_NS and (end_ns is None or end_ns >= at_ns - NEWS_NS)
        for begin_ns, end_ns in node_outages(history).get(pod.node, ())
    ):
        return "node-loss", f"not Ready as its node {pod.node} was lost"
    if pod.restarts > before.restarts or pod.finished or (before.running and not pod.running):
        return "container", "not Ready as a container of it ended"
    return "probe", "not Ready by its readiness probe"
