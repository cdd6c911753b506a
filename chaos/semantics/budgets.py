"""What the disruption controller counts for a disruption budget, from the objects that it reads.

Follows `trySync` of Kubernetes' disruption controller: a status is what it writes at its next count
of these objects. It counts when a budget or a pod of it changes, so a real status may be older. Where several budgets
select one pod, a change of that pod makes it count one of them only, whichever comes first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chaos.objects.base import Raw, View, kind_in
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind

__all__ = [
    "BudgetStatus",
    "ScaleUnknown",
    "Scales",
    "SyncFailed",
    "bound_by",
    "budget_status",
    "controller_ref",
    "desired_healthy",
    "disrupted",
    "expected_pods",
    "scale_possible",
    "share_of",
]

DISRUPTED_FOR = timedelta(minutes=2)
"""How long a pod whose eviction was granted counts as lost, while its deletion is not seen (`DeletionTimeout`)."""

SCALELESS = {("batch", "Job"): "jobs.batch", ("apps", "DaemonSet"): "daemonsets.apps", ("", "Node"): "nodes"}
"""Controllers of Kubernetes' own that say nowhere how many pods they want: a count that needs it fails."""

OWN = frozenset({"ReplicaSet", "StatefulSet", "Deployment"})
"""Controllers of Kubernetes' own whose absence from what is given means that they are gone."""


class ScaleUnknown(LookupError):
    """A pod's controller is of a kind whose scale was not given, so nobody can count as the controller does."""


class SyncFailed(Exception):
    """The controller cannot count, in its own words."""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What the controller writes: pods expected, healthy, needed healthy, and evictions that it permits.

    `failed` is why it cannot count, else empty; then it permits none and leaves the other numbers as they were.
    """

    expected: int
    healthy: int
    desired: int
    allowed: int
    failed: str = ""


class Scales:
    """How many pods each controller wants, from the raw objects: Deployments, ReplicaSets, StatefulSets and the like.

    Of a kind that is not Kubernetes' own the controller reads the `/scale`. Its number is read from the object
    where `kinds` say; of a kind that is not among them the object is taken for one with `spec.replicas`.
    """

    def __init__(self, controllers: Iterable[Raw] = (), kinds: Iterable[WorkloadKind] = ()) -> None:
        self._found: dict[tuple[str, str, str], View] = {}
        self._kinds: Mapping[str, WorkloadKind] = {kind.name: kind for kind in kinds}
        for raw in controllers:
            view = View(raw)
            kind = kind_in(raw.get("apiVersion", ""), raw.get("kind", ""))
            self._found[kind, view.namespace, view.name] = view

    def of_owner(self, owner: Raw, namespace: str) -> tuple[str, int] | None:
        """The controller that speaks for pods of this owner reference (UID), and how many pods it wants; None if gone.

        A ReplicaSet's Deployment speaks for it; if that is gone, the ReplicaSet does. No other owner of a controller is
        asked, whatever its kind. Raises `ScaleUnknown`, and `SyncFailed` for a kind of Kubernetes' own that has no
        scale.
        """
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        kind, name = kind_in(owner.get("apiVersion", ""), owner.get("kind", "")), str(owner.get("name", ""))
        if (group, kind) in SCALELESS:
            raise SyncFailed(f"{SCALELESS[group, kind]} does not implement the scale subresource")
        found = self._same(kind, namespace, owner)
        if found is None:
            # Of its name there is another one now: as good as gone.
            if kind in OWN or (kind, namespace, name) in self._found:
                return None
            raise ScaleUnknown(f"how many pods {kind} {name} wants is not known")
        above = controller_ref(found)
        if kind == "ReplicaSet" and kind_in(above.get("apiVersion", ""), above.get("kind", "")) == "Deployment":
            higher = self._same("Deployment", namespace, above)
            kind, found = ("Deployment", higher) if higher is not None else (kind, found)
        wanted = self._kinds.get(kind, WorkloadKind.named(kind)).wanted(found.raw)
        if wanted is None:
            raise ScaleUnknown(f"{kind} {name} does not say how many pods it wants")
        return found.uid, wanted

    def _same(self, kind: str, namespace: str, owner: Raw) -> View | None:
        found = self._found.get((kind, namespace, str(owner.get("name", ""))))
        return found if found is not None and found.uid == owner.get("uid") else None


def scale_possible(owner: Raw) -> bool:
    """Whether an owner may have a `/scale`: not those of Kubernetes' own kinds that have none."""
    return (str(owner.get("apiVersion", "")).rpartition("/")[0], str(owner.get("kind", ""))) not in SCALELESS


def controller_ref(view: View) -> Raw:
    """The reference to the owner that manages an object, empty if none does."""
    return next((one for one in view.metadata.get("ownerReferences") or () if one.get("controller")), {})


def bound_by(budgets: Iterable[Raw], pod: View) -> tuple[PodDisruptionBudgetView, ...]:
    """The disruption budgets that select a pod, in the order given; one whose selector is not valid selects none."""
    found = []
    for raw in budgets:
        view = PodDisruptionBudgetView(raw)
        try:
            if view.selects(pod):
                found.append(view)
        except ValueError:
            continue
    return tuple(found)


def disrupted(budget: PodDisruptionBudgetView, pod: View, *, at: datetime) -> bool:
    """Whether the pod's eviction was granted within the last two minutes, so that it counts as lost; by its name."""
    since = (budget.status.get("disruptedPods") or {}).get(pod.name)
    return since is not None and datetime.fromisoformat(since) + DISRUPTED_FOR > at


def budget_status(budget: Raw, pods: Iterable[Raw], scales: Scales, *, at: datetime) -> BudgetStatus:
    """Count as the disruption controller does at the moment `at`, which must have a time zone.

    `pods` may hold more pods than the budget selects. Raises `ScaleUnknown` where the count needs the scale of a
    controller that `scales` does not know.
    """
    view = PodDisruptionBudgetView(budget)
    try:
        selected = [pod for pod in map(PodView, pods) if view.selects(pod)]
        expected, desired = _wanted(view, selected, scales)
    except (SyncFailed, ValueError) as error:
        return BudgetStatus(view.expected, view.healthy, view.desired, 0, failed=str(error))
    healthy = sum(pod.ready and not disrupted(view, pod, at=at) for pod in selected)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    return BudgetStatus(expected, healthy, desired, allowed)


def desired_healthy(
    view: PodDisruptionBudgetView, pods: Iterable[Raw], scales: Scales, *, at: datetime
) -> tuple[int, str]:
    """How many pods a budget wants healthy: a number of its spec, its status where that is up to date, else a count.

    Where nobody can count, it is what its status said last, with the reason.
    """
    least = view.spec.get("minAvailable")
    if isinstance(least, int):
        return least, ""
    if view.up_to_date:
        return view.desired, ""
    try:
        return budget_status(view.raw, pods, scales, at=at).desired, ""
    except ScaleUnknown as error:
        return view.desired, str(error)


def expected_pods(view: PodDisruptionBudgetView, pods: Iterable[Raw], scales: Scales) -> int | None:
    """How many pods a budget may expect by these pods and their controllers; None where nobody can count.

    A number of pods that must be available is held against all that there are, which may be more than are wanted.
    """
    try:
        selected = [pod for pod in map(PodView, pods) if view.selects(pod)]
        wanted = _scale(selected, scales)
    except (ScaleUnknown, SyncFailed, ValueError):
        return None
    counted = "maxUnavailable" not in view.spec and isinstance(view.spec.get("minAvailable"), int)
    return max(wanted, len(selected)) if counted else wanted


def _wanted(view: PodDisruptionBudgetView, pods: Sequence[PodView], scales: Scales) -> tuple[int, int]:
    """How many pods are expected, and how many must be healthy."""
    most, least = view.spec.get("maxUnavailable"), view.spec.get("minAvailable")
    if most is None and least is None:
        return 0, 0
    if most is None and isinstance(least, int):
        return len(pods), least
    expected = _scale(pods, scales)
    if most is not None:
        return expected, max(0, expected - share_of(most, expected))
    assert least is not None
    return expected, share_of(least, expected)


def _scale(pods: Sequence[PodView], scales: Scales) -> int:
    """How many pods their controllers want; no scale stands for a pod that has none."""
    wants: dict[str, int] = {}
    seen: set[str] = set()
    for pod in pods:
        owner = controller_ref(pod)
        if owner and owner.get("uid") not in seen:
            seen.add(owner.get("uid", ""))
            found = scales.of_owner(owner, pod.namespace)
            if found is None:
                raise SyncFailed(f'found no controllers for pod "{pod.name}"')
            wants[found[0]] = found[1]
    return sum(wants.values())


def share_of(bound: Any, total: int) -> int:
    """A number, or a percentage of the total rounded up."""
    if isinstance(bound, int):
        return bound
    if not str(bound).endswith("%"):
        raise SyncFailed("invalid value for IntOrString: invalid type: string is not a percentage")
    return math.ceil(int(bound.removesuffix("%")) * total / 100)
