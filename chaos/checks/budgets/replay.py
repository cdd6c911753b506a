"""How disruption budgets and the pods that they bind stood at every revision, replayed from the watch log.

What is healthy is counted anew from the pods themselves, as the disruption controller defines it: Ready, not being
deleted, and not granted an eviction. What the controller says of them is only compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos.checks.budgets.model import EVICTED, Change, Grant, Record, Replay, Standing
from chaos.checks.budgets.required_healthy import Controllers, Need, needed
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.membership import Membership
from chaos.history.facts.replica_counts import controller_kinds
from chaos.history.facts.revisions import Revision, by_revision
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind

__all__ = ["replay"]

KINDS = ("Pod", "PodDisruptionBudget", "Deployment")
"""Beside the kinds that have pods of their own."""


@dataclass(slots=True)
class _Course:
    """One budget, or the system itself, while it is replayed."""

    selects: Callable[[PodView], bool]
    view: PodDisruptionBudgetView | None = None
    base: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    need: Need = Need(0)  # noqa: RUF009  # frozen
    standings: list[Standing] = field(default_factory=list)
    states: list[tuple[int, PodDisruptionBudgetView | None]] = field(default_factory=list)
    aimed_ns: int = 0
    counted: list[int] = field(default_factory=list)
    ours: bool = False
    deleted: bool = False

    @property
    def healthy(self) -> int:
        return len(self.base - self.taken) if self.taken else len(self.base)

    def stand(self, revision: Revision, lost: tuple[Change, ...] = (), *, at_ns: int | None = None) -> None:
        """Keep how it stands, if that is new."""
        last = self.standings[-1] if self.standings else None
        need = self.need
        if (
            last is None
            or lost
            or (last.healthy, last.desired, last.unknown)
            != (
                self.healthy,
                need.desired,
                need.unknown,
            )
        ):
            when_ns = revision.at_ns if at_ns is None else at_ns
            self.standings.append(Standing(revision, when_ns, self.healthy, need.desired, lost, need.unknown))

    def done(self) -> Record:
        return Record(
            view=self.view,
            standings=tuple(self.standings),
            states=tuple(self.states),
            aimed_ns=self.aimed_ns,
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
        self._budgets: dict[str, _Course] = {}
        self._system = _Course(lambda pod: membership.has(pod.uid, pod))
        self._controllers = Controllers(kinds)
        self._grants: list[Grant] = []
        self._marked: dict[str, Change] = {}
        self._left: dict[str, Change] = {}
        self._replicas: set[str] = set()
        self._charged: set[str] = set()

    def take(self, state: Revision) -> None:
        """Take one revision."""
        if state.number > self._first:
            self.begin()
        self._last = state
        if state.kind == "Pod":
            self._pod(state)
        elif state.kind == "PodDisruptionBudget":
            self._budget(state)
        else:
            self._controllers.take(state)

    def begin(self) -> None:
        """Keep how all stood when the lists were complete; nothing before that is judged."""
        if self._begun or self._last is None:
            return
        self._begun = True
        for course in self._courses():
            course.stand(self._last, at_ns=self._begin_ns)

    def done(self, doubt: str) -> Replay:
        """The whole."""
        budgets = {uid: course.done() for uid, course in self._budgets.items()}
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

    def _courses(self) -> Iterator[_Course]:
        yield self._system
        yield from self._budgets.values()

    def _stand(self, course: _Course, state: Revision, lost: tuple[Change, ...] = ()) -> None:
        if self._begun:
            course.stand(state, lost)

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
        fell = [course for course in self._courses() if self._fell(course, uid, after)]
        change = Change(state, before, after, binding, self._system.healthy)
        if evicted and uid not in self._marked and self._begun and (before is None or before.disruption != EVICTED):
            self._marked[uid] = change
        if (after is None or after.deleting) and uid not in self._left and self._begun:
            self._left[uid] = change
        for course in self._courses():
            self._weigh(course, change, fell=course in fell)

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

    def _fell(self, course: _Course, uid: str, after: PodView | None) -> bool:
        """Count the pod anew; say whether it ceased to be healthy by itself, rather than by a grant before."""
        was = uid in course.base
        now = after is not None and after.ready and not course.deleted and course.selects(after)
        (course.base.add if now else course.base.discard)(uid)
        return was and not now and uid not in course.taken

    def _weigh(self, course: _Course, change: Change, *, fell: bool) -> None:
        if course.view is not None and not course.deleted:
            course.ours = course.ours or (change.pod.uid in self._replicas and course.selects(change.pod))
            course.need = self._needed(course.view, change.revision.at_ns)
        self._stand(course, change.revision, (change,) if fell else ())

    def _binding(self, pod: PodView) -> tuple[str, ...]:
        return tuple(uid for uid, course in self._budgets.items() if not course.deleted and course.selects(pod))

    def _granted(self, uid: str) -> bool:
        return any(uid in course.taken for course in self._budgets.values())

    # --- budgets --------------------------------------------------------------------------------------------------

    def _budget(self, state: Revision) -> None:
        view = PodDisruptionBudgetView(state.object)
        course = self._budgets.get(view.uid)
        if course is None:
            course = self._budgets[view.uid] = _Course(view.selects)
        before, course.view, course.deleted = course.view, view, state.gone
        course.states.append((state.at_ns, None if state.gone else view))
        if before is None or before.spec.get("selector") != view.spec.get("selector"):
            course.selects, course.aimed_ns = view.selects, state.at_ns
            course.base = {uid for uid, pod in self._pods.items() if pod.ready and view.selects(pod)}
            course.ours = course.ours or any(course.selects(self._known[uid]) for uid in self._replicas)
        if state.gone:
            course.base = set()
        course.taken = {uid for name in view.disrupted if (uid := self._names.get((view.namespace, name)))}
        course.need = Need(0) if state.gone else self._needed(view, state.at_ns)
        if view.up_to_date and view.healthy <= course.healthy:
            course.counted.append(state.number)
        new = view.disrupted - before.disrupted if before is not None and self._begun else frozenset()
        if before is None or not self._begun:
            self._charged |= course.taken
        for name in sorted(new):
            self._grant(state, course, before or view, view, name)
        self._stand(course, state)
        self._stand(self._system, state)

    def _grant(
        self,
        state: Revision,
        course: _Course,
        before: PodDisruptionBudgetView,
        after: PodDisruptionBudgetView,
        name: str,
    ) -> None:
        uid = self._names.get((after.namespace, name), "")
        pod = self._pods.get(uid)
        if pod is not None:
            self._system.taken.add(uid)
        binding = self._binding(pod) if pod else ()
        healthy, need, left = course.healthy, course.need, self._system.healthy
        self._grants.append(Grant(state, name, pod, before, after, binding, healthy, need.desired, left, need.unknown))

    def _needed(self, view: PodDisruptionBudgetView, at_ns: int) -> Need:
        return needed(view, self._pods.values(), self._controllers, at_ns)
