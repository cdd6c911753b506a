"""Disruption budgets and the pods that they bind at every revision, replayed from the watch log.

What is healthy is counted anew from the pods themselves, as the disruption controller defines it: Ready, not being
deleted, and not granted an eviction. What the controller says of them is only compared.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chaos.checks.budgets.records import EVICTED, Change, Grant, HealthCount, Record, Replay
from chaos.clock import seconds
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.membership import Membership
from chaos.history.facts.replica_counts import controller_kinds
from chaos.history.facts.revisions import Revision, by_revision
from chaos.objects.base import Raw, View
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind
from chaos.semantics import Scales
from chaos.semantics.budgets import desired_healthy, expected_pods

__all__ = ["replay"]

KINDS = ("Pod", "PodDisruptionBudget", "Deployment")
"""Beside the kinds that have pods of their own."""


@dataclass(slots=True)
class _Tally:
    """One budget, or the system itself, while it is replayed. `own`: how many watched pods its status may expect."""

    selects: Callable[[PodView], bool]
    view: PodDisruptionBudgetView | None = None
    base: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    desired: int = 0
    unknown: str = ""
    own: int = 0
    beyond: bool = False
    counts: list[HealthCount] = field(default_factory=list)
    states: list[tuple[int, PodDisruptionBudgetView | None]] = field(default_factory=list)
    selecting_since_ns: int = 0
    counted: list[int] = field(default_factory=list)
    ours: bool = False
    deleted: bool = False

    @property
    def healthy(self) -> int:
        return len(self.base - self.taken) if self.taken else len(self.base)

    def count(self, revision: Revision, lost: tuple[Change, ...] = (), *, at_ns: int | None = None) -> None:
        """Keep how many are healthy and have to be, if that is new."""
        when_ns = revision.at_ns if at_ns is None else at_ns
        now = HealthCount(revision, when_ns, self.healthy, self.desired, lost, self.unknown, self.beyond)
        last = self.counts[-1] if self.counts else None
        if (
            last is None
            or lost
            or (last.healthy, last.desired, last.unknown, last.beyond)
            != (now.healthy, now.desired, now.unknown, now.beyond)
        ):
            self.counts.append(now)

    def note_counted(self, number: int) -> None:
        """Note a revision at which the budget's own status counted no more pods healthy than there are."""
        if self.view is not None and self.view.up_to_date and self.view.healthy <= self.healthy:
            self.counted.append(number)

    def done(self) -> Record:
        return Record(
            view=self.view,
            counts=tuple(self.counts),
            states=tuple(self.states),
            selecting_since_ns=self.selecting_since_ns,
            counted=tuple(self.counted),
            ours=self.ours,
        )


@once
def replay(history: History) -> Replay:
    """Replay all pods and disruption budgets that the watch saw."""
    kinds = controller_kinds(history)
    revisions = by_revision(history, (*KINDS, *kinds))
    begins = [history.covered_ns[kind][0] for kind in ("Pod", "PodDisruptionBudget") if kind in history.covered_ns]
    player = _Player(Membership.of(history), max(begins, default=history.began_ns), revisions.first, kinds)
    for state in revisions.states:
        player.take(state)
    player.begin()
    return player.done(revisions.doubt)


class _Player:
    """Takes revision after revision."""

    def __init__(self, membership: Membership, begin_ns: int, first: int, kinds: Mapping[str, WorkloadKind]) -> None:
        self._membership = membership
        self._begin_ns = begin_ns
        self._first = first
        self._begun = False
        self._last: Revision | None = None
        self._pods: dict[str, PodView] = {}
        self._known: dict[str, PodView] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._budgets: dict[str, _Tally] = {}
        self._system = _Tally(lambda pod: membership.counts(pod.uid, pod))
        self._kinds = kinds
        self._controllers: dict[str, Raw] = {}
        self._scales = Scales()
        self._grants: list[Grant] = []
        self._marked: dict[str, Change] = {}
        self._left: dict[str, Change] = {}
        self._replicas: set[str] = set()
        self._charged: set[str] = set()

    def take(self, state: Revision) -> None:
        if state.number > self._first:
            self.begin()
        self._last = state
        if state.kind == "Pod":
            self._pod(state)
        elif state.kind == "PodDisruptionBudget":
            self._budget(state)
        else:
            self._controller(state)

    def _controller(self, state: Revision) -> None:
        uid = View(state.object).uid
        if state.gone:
            self._controllers.pop(uid, None)
        else:
            self._controllers[uid] = {"kind": state.kind, **state.object}
        self._scales = Scales(self._controllers.values(), self._kinds.values())

    def begin(self) -> None:
        """Count all when the lists are complete; nothing before that is judged."""
        if self._begun or self._last is None:
            return
        self._begun = True
        for tally in self._tallies():
            tally.note_counted(self._first)
            tally.own = self._expected(tally)
            tally.beyond = self._is_beyond(tally)
            tally.count(self._last, at_ns=self._begin_ns)

    def done(self, doubt: str) -> Replay:
        budgets = {uid: tally.done() for uid, tally in self._budgets.items()}
        return Replay(
            budgets=budgets,
            system=self._system.done(),
            grants=tuple(self._grants),
            marked=self._marked,
            left=self._left,
            pods=self._known,
            replicas=frozenset(self._replicas),
            charged=frozenset(self._charged),
            doubt=doubt,
        )

    def _tallies(self) -> Iterator[_Tally]:
        yield self._system
        yield from self._budgets.values()

    def _count(self, tally: _Tally, state: Revision, lost: tuple[Change, ...] = ()) -> None:
        if self._begun:
            tally.count(state, lost)

    # --- pods -----------------------------------------------------------------------------------------------------

    def _pod(self, state: Revision) -> None:
        view = PodView(state.object)
        uid = view.uid
        before, after = self._pods.get(uid), None if state.gone else view
        binding = self._binding(before or view)
        self._store(uid, after, view)
        evicted = after is not None and after.disruption == EVICTED
        if evicted:
            self._system.taken.add(uid)
        elif after is not None and not after.deleting and not self._granted(uid):
            self._system.taken.discard(uid)
        fell = [tally for tally in self._tallies() if self._fell(tally, uid, after)]
        change = Change(state, before, after, binding, self._system.healthy)
        if evicted and uid not in self._marked and self._begun and (before is None or before.disruption != EVICTED):
            self._marked[uid] = change
        if (after is None or after.deleting) and uid not in self._left and self._begun:
            self._left[uid] = change
        for tally in self._tallies():
            self._weigh(tally, change, fell=tally in fell)

    def _store(self, uid: str, after: PodView | None, view: PodView) -> None:
        self._known[uid] = view
        key = (view.namespace, view.name)
        if after is None:
            self._pods.pop(uid, None)
            if self._names.get(key) == uid:
                del self._names[key]
        else:
            self._pods[uid] = after
            self._names[key] = uid
        if self._system.selects(view):
            self._replicas.add(uid)

    def _fell(self, tally: _Tally, uid: str, after: PodView | None) -> bool:
        """Count the pod anew; say whether it ceased to be healthy by itself, rather than by a grant before."""
        was = uid in tally.base
        now = after is not None and after.ready and not tally.deleted and tally.selects(after)
        (tally.base.add if now else tally.base.discard)(uid)
        return was and not now and uid not in tally.taken

    def _weigh(self, tally: _Tally, change: Change, *, fell: bool) -> None:
        if tally.view is not None and not tally.deleted:
            tally.ours = tally.ours or (change.pod.uid in self._replicas and tally.selects(change.pod))
            tally.desired, tally.unknown = self._desired(tally.view, change.revision.at_ns)
            tally.beyond = self._is_beyond(tally)
        self._count(tally, change.revision, (change,) if fell else ())

    def _binding(self, pod: PodView) -> tuple[str, ...]:
        return tuple(uid for uid, tally in self._budgets.items() if not tally.deleted and tally.selects(pod))

    def _granted(self, uid: str) -> bool:
        return any(uid in tally.taken for tally in self._budgets.values())

    # --- budgets --------------------------------------------------------------------------------------------------

    def _budget(self, state: Revision) -> None:
        view = PodDisruptionBudgetView(state.object)
        tally = self._budgets.get(view.uid)
        if tally is None:
            tally = self._budgets[view.uid] = _Tally(view.selects)
        before, tally.view, tally.deleted = tally.view, view, state.gone
        tally.states.append((state.at_ns, None if state.gone else view))
        if before is None or before.spec.get("selector") != view.spec.get("selector"):
            tally.selects, tally.selecting_since_ns = view.selects, state.at_ns
            tally.base = {uid for uid, pod in self._pods.items() if pod.ready and view.selects(pod)}
            tally.ours = tally.ours or any(tally.selects(self._known[uid]) for uid in self._replicas)
        if state.gone:
            tally.base = set()
        tally.taken = {uid for name in view.disrupted if (uid := self._names.get((view.namespace, name)))}
        tally.desired, tally.unknown = (0, "") if state.gone else self._desired(view, state.at_ns)
        if before is None or before.expected != view.expected:
            tally.own = self._expected(tally)
        tally.beyond = self._is_beyond(tally)
        tally.note_counted(state.number)
        new = _newly_charged(before, view) if before is not None and self._begun else frozenset()
        if before is None or not self._begun:
            self._charged |= tally.taken
        for name in sorted(new):
            self._grant(state, tally, before or view, view, name)
        self._count(tally, state)
        self._count(self._system, state)

    def _grant(
        self,
        state: Revision,
        tally: _Tally,
        before: PodDisruptionBudgetView,
        after: PodDisruptionBudgetView,
        name: str,
    ) -> None:
        uid = self._names.get((after.namespace, name), "")
        pod = self._pods.get(uid)
        if pod is not None:
            self._system.taken.add(uid)
        binding = self._binding(pod) if pod else ()
        healthy, desired, left = tally.healthy, tally.desired, self._system.healthy
        found = Grant(state, name, pod, before, after, binding, healthy, desired, left, tally.unknown, tally.beyond)
        self._grants.append(found)

    def _expected(self, tally: _Tally) -> int:
        """How many pods its status may expect of those that are watched; as many as it does where nobody can count."""
        if tally.view is None:
            return 0
        own = expected_pods(tally.view, (pod.raw for pod in self._pods.values()), self._scales)
        return tally.view.expected if own is None else own

    def _is_beyond(self, tally: _Tally) -> bool:
        """Whether too few are healthy of the watched pods, and its status expects more than those, now and before."""
        view = tally.view
        if view is None or tally.deleted or not view.up_to_date or tally.healthy >= tally.desired:
            return False
        return view.expected > max(tally.own, self._expected(tally))

    def _desired(self, view: PodDisruptionBudgetView, at_ns: int) -> tuple[int, str]:
        at = datetime.fromtimestamp(seconds(at_ns), UTC)
        return desired_healthy(view, (pod.raw for pod in self._pods.values()), self._scales, at=at)


def _newly_charged(before: PodDisruptionBudgetView, after: PodDisruptionBudgetView) -> frozenset[str]:
    """The pods, by name, that were charged by a change; a name that comes again is charged at another moment."""
    charges = (view.status.get("disruptedPods") or {} for view in (before, after))
    was, now = (set(charged.items()) for charged in charges)
    return frozenset(name for name, _ in now - was)
