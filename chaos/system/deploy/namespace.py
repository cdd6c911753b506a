"""A namespace of its own for each trial, and one beside it for its undo journal: made, taken down, and swept up."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from chaos.clock import utc_iso
from chaos.cluster import Cluster, Executor, mutations, ref_of
from chaos.errors import TimedOut, UsageError
from chaos.objects.base import Ref
from chaos.safety.owner import HIDDEN, Owner, started_tick
from chaos.safety.sign_of_life import LOST_AFTER_S, last_sign, sign_of_life
from chaos.safety.undo_journal import SELECTOR, is_own_namespace, own_namespace
from chaos.system.deploy.apply import refusal
from chaos.system.manifests.names import MANAGED_BY, MANAGER, PREFIX, RUN_LABEL, label_value, namespace_name
from chaos.wait import until

__all__ = [
    "State",
    "delete_namespace",
    "journal_namespace",
    "namespace_manifest",
    "namespace_of_trial",
    "state_of",
    "sweep",
    "trial_namespace",
]

State = Literal["alive", "dead", "unknown", "going", "not ours"]
"""What is known of the run that made a namespace, or why that does not matter."""

DELETION_ALLOWANCE_S = 30.0
"""Beside the pods' grace: the namespace controller begins after 5 s (namespaceDeletionGracePeriod), asks every kind in
turn, and tries again with a back-off."""


def namespace_of_trial(scenario: str, run: str) -> str:
    """Give the name of a trial's namespace: no other trial, of this process or any other, has the same."""
    return namespace_name(scenario, hashlib.sha256(f"{run} {Owner.this_process()}".encode()).hexdigest()[:6])


def namespace_manifest(name: str, *, run: str, owner: Owner, created_ns: int) -> dict[str, Any]:
    """Give the namespace that `owner` makes for a run at `created_ns` (UTC epoch nanoseconds)."""
    written = {"gameday.dev/run-id": run, "gameday.dev/created": utc_iso(created_ns), **owner.annotations()}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {MANAGED_BY: MANAGER, RUN_LABEL: label_value(run)},
            "annotations": written,
        },
    }


@contextmanager
def trial_namespace(
    cluster: Cluster, executor: Executor, name: str, *, run: str, keep: bool = False, pods_only: bool = False
) -> Iterator[Ref]:
    """Make the namespace, and delete it when the block ends, unless it is to be kept for people to look at.

    `pods_only` is as `delete_namespace` has it. Raises `ClusterRefused` if it cannot be made, `TimedOut` if it does not
    go.
    """
    ref = _make(executor, name, run)
    try:
        # One that is kept for people is no dead run's, whose namespace others would delete.
        with sign_of_life(executor, name, forget=keep):
            yield ref
    finally:
        if not keep:
            _remove(cluster, executor, ref, lambda: delete_namespace(cluster, executor, ref, pods_only=pods_only))


@contextmanager
def journal_namespace(cluster: Cluster, executor: Executor, namespace: str, *, run: str) -> Iterator[Ref]:
    """Make the suite's own namespace beside a trial's, and have it deleted when the block ends.

    While something in it is to be undone it stays, for whoever comes to undo it. Raises `ClusterRefused` if it cannot
    be made.
    """
    ref = _make(executor, own_namespace(namespace), run)
    try:
        with sign_of_life(executor, ref.name):
            yield ref
    finally:
        if not _holds_entries(cluster, ref.name):
            _remove(cluster, executor, ref, lambda: _ask_away(cluster, executor, ref))


def _make(executor: Executor, name: str, run: str) -> Ref:
    manifest = namespace_manifest(name, run=run, owner=Owner.this_process(), created_ns=time.time_ns())
    done = executor.do(mutations.create(manifest))
    if done.outcome != "ok" or isinstance(done.body, str):
        raise refusal("created", Ref("Namespace", "", name), done)
    return Ref("Namespace", "", name, done.body["metadata"]["uid"])


def _remove(cluster: Cluster, executor: Executor, ref: Ref, remove: Callable[[], object]) -> None:
    """Remove a namespace. Who interrupts that waits for it no longer, but it is asked away all the same."""
    try:
        remove()
    except KeyboardInterrupt:
        _ask_away(cluster, executor, ref)
        raise


def _holds_entries(cluster: Cluster, name: str) -> bool:
    """Whether a namespace is one of undo journals, and something in it is to be undone."""
    return is_own_namespace(name) and bool(cluster.list("ConfigMap", name, selector=SELECTOR))


def delete_namespace(
    cluster: Cluster, executor: Executor, ref: Ref, *, deadline_s: float | None = None, pods_only: bool = False
) -> None:
    """Delete a namespace of ours and wait until it is gone.

    With `pods_only` wait only for its pods: what else is in it costs nothing, and goes by itself some 6 s after. The
    deadline follows from the grace of the pods unless it is given. Raises `UsageError` for a namespace that
    is not ours, `ClusterRefused` if it may not be deleted, `TimedOut` that says what holds it.
    """
    if _ask_away(cluster, executor, ref):
        _await_gone(cluster, ref, deadline_s, pods_only=pods_only)


def sweep(cluster: Cluster, executor: Executor, say: Callable[[str], None] = lambda _: None) -> None:
    """Delete the namespaces that dead runs have left behind, and wait until they are gone.

    One of which it cannot be told whether its run lives is told with the command, and left. One without our label or of
    another name than we give is never touched, nor one that holds what is to be undone. Raises as `delete_namespace`.
    """
    here, now = Owner.this_process(), datetime.now(UTC)

    def state(one: Mapping[str, Any]) -> State:
        return state_of(one, here=here, started=started_tick, now=now, sign=lambda name: last_sign(cluster, name))

    states = [(ref_of(one), state(one)) for one in cluster.list("Namespace", selector=f"{MANAGED_BY}={MANAGER}")]
    if unknown := " ".join(sorted(ref.name for ref, its in states if its == "unknown")):
        say(
            f"runs of other hosts left these behind, or were told to keep them, or still use them: {unknown}; "
            f"once you know that nobody does: kubectl delete namespace {unknown}"
        )
    leftovers = [ref for ref, its in states if its == "dead"]
    going = [ref for ref in leftovers if not _holds_entries(cluster, ref.name) and _ask_away(cluster, executor, ref)]
    for ref in going:
        _await_gone(cluster, ref, None)


def _ask_away(cluster: Cluster, executor: Executor, ref: Ref) -> bool:
    """Ask for a namespace to be deleted; False if it is not there (any more)."""
    raw = cluster.get("Namespace", None, ref.name)
    if raw is None or (ref.uid and raw["metadata"]["uid"] != ref.uid):
        return False
    if not ours(raw):
        raise UsageError(
            f"namespace {ref.name} does not bear the label {MANAGED_BY}={MANAGER} and a name that begins with "
            f"{PREFIX}-: it is not ours to delete"
        )
    # Its controller begins only after 5 s, and waits half of the pods' grace between two looks: let the pods go first.
    for workload in cluster.list("Deployment", ref.name):
        executor.do(mutations.delete(ref_of(workload)))
    # The UID keeps us from a namespace that somebody else made under this name since we looked.
    done = executor.do(mutations.delete(Ref("Namespace", "", ref.name, raw["metadata"]["uid"])))
    if done.outcome == "fail" and done.status not in {404, 409}:
        raise refusal("deleted", ref, done)
    return True


def _await_gone(cluster: Cluster, ref: Ref, deadline_s: float | None, *, pods_only: bool = False) -> None:
    def gone() -> bool:
        if pods_only:
            return not cluster.list("Pod", ref.name)
        raw = cluster.get("Namespace", None, ref.name)
        return raw is None or bool(ref.uid and raw["metadata"]["uid"] != ref.uid)

    awaited = f"the pods of namespace {ref.name} to be gone" if pods_only else f"namespace {ref.name} to be gone"
    bound_s = deadline_s if deadline_s is not None else _deletion_bound_s(cluster, ref.name)
    try:
        until(gone, deadline_s=bound_s, poll_s=0.25, awaited=awaited)
    except TimedOut as late:
        raise TimedOut(
            f"{late.what}; held by: {_holding(cluster, ref.name)}",
            f"see `kubectl get namespace {ref.name} -o yaml`; it goes by itself once that is mended",
        ) from None


def _deletion_bound_s(cluster: Cluster, name: str) -> float:
    """Give how long a namespace may take to go.

    Its pods get their grace; its controller looks again after half of the grace that it saw, and a second
    (namespaced_resources_deleter.go).
    """
    graces = [pod["spec"].get("terminationGracePeriodSeconds", 30) for pod in cluster.list("Pod", name)]
    return 1.5 * max(graces, default=0) + DELETION_ALLOWANCE_S


def _holding(cluster: Cluster, name: str) -> str:
    raw = cluster.get("Namespace", None, name)
    if raw is None:
        return "nothing any more: it went just now"
    conditions = raw.get("status", {}).get("conditions") or ()
    messages = [" ".join(one.get("message", "").split()) for one in conditions if one.get("status") == "True"]
    return "; ".join(message for message in messages if message) or "its controller has not said what"


def ours(namespace: Mapping[str, Any]) -> bool:
    """Say whether a namespace bears the label that says that gameday made it, and a name as gameday gives.

    A label can be set by who may not delete, and comes along where one namespace is written after another's manifest.
    """
    metadata = namespace["metadata"]
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY) == MANAGER
    return bool(labelled and metadata["name"].startswith(f"{PREFIX}-"))


def state_of(
    namespace: Mapping[str, Any],
    *,
    here: Owner,
    started: Callable[[int], int | None],
    now: datetime,
    sign: Callable[[str], datetime | None],
) -> State:
    """Whether the run lives that made a raw namespace, however old that is.

    `here` is this process, `started` tells when a process of this host started (None: it does not run). On this host
    an owner that is gone, or whose number another process has, is dead. Of any other host's or boot's owner, and of one
    that is `HIDDEN` here, its last `sign` of life in a namespace tells; there is none in those of earlier versions, nor
    in those that are kept for people to look at.
    """
    metadata = namespace["metadata"]
    owner = Owner.read(metadata.get("annotations") or {})
    if owner is None or not ours(namespace):
        return "not ours"
    if metadata.get("deletionTimestamp"):
        return "going"
    tick = started(owner.pid) if (owner.host, owner.scope) == (here.host, here.scope) else HIDDEN
    if tick != HIDDEN:
        return "alive" if tick == owner.started else "dead"
    if (last := sign(metadata["name"])) is None:
        return "unknown"
    return "dead" if (now - last).total_seconds() > LOST_AFTER_S else "alive"
