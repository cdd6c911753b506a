"""What `kubectl drain` does with the pods of a node before it evicts any, and how long a drain may take.

Follows kubectl's pkg/drain. The filters apply in kubectl's order and the first that refuses
decides: overdue, DaemonSet, mirror, emptyDir, no controller. One refused pod blocks the whole node before any eviction.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from chaos.objects.base import Raw, View
from chaos.objects.pod import PodView
from chaos.semantics.budgets import controller_ref
from chaos.semantics.probes import Unpromised
from chaos.semantics.recovery_bounds import Bound, Part, recovery_bound
from chaos.semantics.timings import Timings

__all__ = ["Batch", "DrainOptions", "DrainSet", "drain_bound", "drain_set"]

RETRY_S = 5.0
"""How long kubectl waits after a refusal (`EvictErrorRetryDelay`)."""

POLL_S = 1.0
"""How often kubectl looks whether an evicted pod is gone."""

DrainFilter = Literal["overdue", "daemon-set", "mirror", "empty-dir", "no-controller"]


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """kubectl's flags of the same names, with kubectl's defaults.

    `skip_wait_for_delete_timeout_s`: leave pods alone that have been due to go for longer than this; 0 leaves none.
    """

    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    force: bool = False
    skip_wait_for_delete_timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class Sorted:
    """One pod that a filter kept from being evicted, and the flag that would let it pass, empty if none would."""

    pod: PodView
    by: DrainFilter
    words: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class DrainSet:
    """What a drain does with the pods of a node: evict, leave alone, or refuse to begin because of."""

    evict: tuple[PodView, ...]
    left: tuple[Sorted, ...]
    refused: tuple[Sorted, ...]

    @property
    def blocked(self) -> bool:
        """Whether the drain ends before it has evicted any pod."""
        return bool(self.refused)


def drain_set(
    pods: Iterable[PodView],
    options: DrainOptions,
    *,
    at: datetime,
    daemon_sets: Collection[tuple[str, str]] | None = None,
) -> DrainSet:
    """Sort the pods of one node. `daemon_sets` are those that exist, as namespace and name; None takes all to exist.

    A pod that is being deleted is evicted like any other, unless it is overdue: a drain waits for it.
    """
    evict: list[PodView] = []
    left: list[Sorted] = []
    refused: list[Sorted] = []
    for pod in pods:
        found, refuses = _filtered(pod, options, at, daemon_sets)
        if found is None:
            evict.append(pod)
        else:
            (refused if refuses else left).append(found)
    return DrainSet(tuple(evict), tuple(left), tuple(refused))


def _filtered(
    pod: PodView, options: DrainOptions, at: datetime, daemon_sets: Collection[tuple[str, str]] | None
) -> tuple[Sorted | None, bool]:
    """The filter that keeps the pod from being evicted, None if none does; and whether it refuses the whole drain."""
    if _overdue(pod, options, at):
        return Sorted(pod, "overdue", "it should have been gone by now"), False
    if _of_daemon_set(pod) and not pod.finished:
        orphan = daemon_sets is not None and (pod.namespace, pod.controller_name) not in daemon_sets
        if orphan and not options.force:
            return Sorted(pod, "daemon-set", f"its DaemonSet {pod.controller_name} is gone", "--force"), True
        if not orphan:
            words = f"DaemonSet {pod.controller_name} would put it back"
            return Sorted(pod, "daemon-set", words, "--ignore-daemonsets"), not options.ignore_daemonsets
    if pod.mirror:
        return Sorted(pod, "mirror", "it is a static pod of the kubelet"), False
    found = None if pod.finished else _precious(pod, options)
    return found, found is not None


def _precious(pod: PodView, options: DrainOptions) -> Sorted | None:
    """The filter that refuses a drain for what would be lost with the pod, None if none does."""
    if pod.local_storage and not options.delete_emptydir_data:
        return Sorted(pod, "empty-dir", "its emptyDir would be lost", "--delete-emptydir-data")
    if not pod.controller_uid and not options.force:
        return Sorted(pod, "no-controller", "no controller would replace it", "--force")
    return None


def _overdue(pod: PodView, options: DrainOptions, at: datetime) -> bool:
    limit_s = options.skip_wait_for_delete_timeout_s
    if limit_s <= 0 or not pod.deleting:
        return False
    due = datetime.fromisoformat(str(pod.metadata["deletionTimestamp"]))
    return int((at - due).total_seconds()) > limit_s


def _of_daemon_set(pod: View) -> bool:
    """Whether it is a DaemonSet's in kubectl's eyes, which ask for the API version too."""
    owner = controller_ref(pod)
    return owner.get("kind") == "DaemonSet" and owner.get("apiVersion") == "apps/v1"


@dataclass(frozen=True, slots=True)
class Batch:
    """Pods of one kind that must leave a node: `allowed` of them at a time, as their disruption budget permits.

    `allowed` None: no disruption budget binds them, so all leave at once and nothing waits for their replacements.
    """

    name: str
    pods: int
    allowed: int | None
    pod_spec: Raw

    @property
    def rounds(self) -> int:
        """In how many rounds they leave."""
        if self.allowed is None or self.allowed <= 0:
            return min(1, self.pods)
        return math.ceil(self.pods / self.allowed)


def drain_bound(batches: Iterable[Batch], timings: Timings) -> Bound:
    """From the first eviction of a drain to the end of the last pod, if replacements find a place at once.

    The sum over all batches, as if they left one after another: rounds x (termination + recovery + retry). Parts carry
    the names of `recovery_bound`. `unpromised` says what this cannot bound: a budget that permits none, and whatever
    delays a replacement's start.
    """
    parts: dict[str, Part] = {}
    unpromised: list[Unpromised] = []
    for batch in batches:
        if batch.pods <= 0:
            continue
        if batch.allowed is not None and batch.allowed <= 0:
            unpromised.append(Unpromised("created", f"{batch.name} permits no eviction"))
        round_ = _round(batch, timings)
        unpromised += round_.unpromised
        for part in round_.parts:
            before = parts.get(part.name, replace(part, seconds=0.0))
            parts[part.name] = replace(before, seconds=before.seconds + part.seconds * batch.rounds)
    return Bound(tuple(parts.values()), tuple(dict.fromkeys(unpromised)))


def _round(batch: Batch, timings: Timings) -> Bound:
    """One round of a batch: until the pods that left are gone and, where a budget waits for it, replaced."""
    grace_s = batch.pod_spec.get("terminationGracePeriodSeconds")
    termination = Part("termination", 30 if grace_s is None else grace_s, "terminationGracePeriodSeconds")
    poll = Part("poll", POLL_S, "kubectl looks every second whether a pod is gone")
    if batch.allowed is None:
        return Bound((termination, poll, Part("allowance", timings.allowance_s, "ours: a busy machine")))
    recovery = recovery_bound(batch.pod_spec, timings)
    retry = Part("retry", RETRY_S, "kubectl asks again 5 s after a refusal (EvictErrorRetryDelay)")
    return recovery.after(termination, poll, retry)
