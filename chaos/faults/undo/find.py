"""Find the undo entries that runs left in the cluster, and say of each run whether it is dead.

What anybody may have written is told apart here: by where it lies, whom it is about, and what it asks for.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from chaos.cluster import Cluster, ref_of
from chaos.objects.base import Raw, Ref, View
from chaos.safety import UndoEntry
from chaos.safety.consent import ADOPT, ENABLED
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.safety.owner import CLOCKS_S, HIDDEN, Owner, started_tick
from chaos.safety.undo_journal import (
    OURS,
    RUN,
    SELECTOR,
    SYSTEM,
    is_namespace,
    is_own_namespace,
    own_namespace,
)
from chaos.safety.undo_rules import by_hand, refusal

__all__ = ["Left", "find_left"]

STRANGE = f"neither did gameday make its namespace, nor is that annotated {ADOPT}={ENABLED}; see it, then --force"

UNNAMED = "is done only where its service is named: gameday undo --namespace NAME"

MADE = "gameday-"
"""How the names begin of the namespaces that gameday makes."""

WORDS_MAX = 500
"""So much is told of what a stranger may have written; a ConfigMap holds a megabyte."""

JOURNALS_MAX = 50
"""So many of one namespace are read at once: a service has as many as dead runs; the rest is the next look's."""

PAGE = 20
"""So many are held at once: each may have a megabyte."""


@dataclass(frozen=True, slots=True)
class Left:
    """What one run has not undone yet.

    Attributes:
        alive: Why it is left alone: the run is taken to be at work, or nobody let gameday into its namespace; empty:
            it is dead.
        refused: What is no entry of ours, or asks for what no fault does; it is reported, and never executed.
    """

    where: Ref
    run: str
    owner: str
    alive: str
    entries: tuple[UndoEntry, ...]
    refused: tuple[str, ...] = ()


def find_left(
    cluster: Cluster, namespace: str | None, *, of_others: Literal["all", "inside", "none"] = "inside"
) -> tuple[Left, ...]:
    """Find them for the system in a namespace, or for all. A run past its own deadline is taken for dead.

    Where all are looked through, those for systems that never let gameday in are left alone: anybody may have written
    them. Of a system that let it in, but that it did not deploy, all `of_others` is taken, or what is `inside` its
    namespace and no node, or nothing. What is left alone so is named once a namespace. Raises `ClusterRefused`.
    """
    here = Owner.this_process()

    def read(raw: Raw) -> Left:
        return _left(raw, here, lambda where: cluster.get("Lease", where, LEASE_NAME))

    if namespace is not None:
        return tuple(map(read, cluster.list("ConfigMap", own_namespace(namespace), selector=SELECTOR)))
    spaces = [View(raw) for raw in cluster.list("Namespace")]
    made = {name for one in spaces for name in _journals_of_ours(one)}
    let_in = {own_namespace(one.name) for one in spaces if one.annotations.get(ADOPT) == ENABLED}
    there = made | (let_in if of_others != "none" else set())
    left: list[Left] = []
    seen: Counter[str] = Counter()
    for raw in cluster.each("ConfigMap", selector=SELECTOR, page=PAGE):
        place = View(raw).namespace
        seen[place] += 1
        if place not in there and of_others != "all":
            # Neither is it read: anybody may have written it, and any number of them.
            left += [_unread(raw)] if seen[place] == 1 else []
        elif seen[place] <= JOURNALS_MAX:
            one = read(raw)
            one = one if one.alive or place in there else replace(one, alive=STRANGE)
            left.append(_without_nodes(one) if of_others == "inside" and place not in made else one)
    return tuple(left)


def _unread(raw: Raw) -> Left:
    return Left(ref_of(raw), str(View(raw).annotations.get(RUN, ""))[:WORDS_MAX], "somebody", STRANGE, ())


def _journals_of_ours(namespace: View) -> tuple[str, ...]:
    """Where the journals of a namespace may lie that gameday made; empty if it did not.

    One that gameday made for journals alone outlives the namespace that they are about. A label alone does not tell:
    who owns a namespace may write that on it, and cannot rename it.
    """
    if not (OURS.items() <= namespace.labels.items() and namespace.name.startswith(MADE)):
        return ()
    return (own_namespace(namespace.name), *([namespace.name] if is_own_namespace(namespace.name) else ()))


def _without_nodes(left: Left) -> Left:
    """The same, with what it says of nodes reported: they are not the service's, whose owners alone let gameday in."""
    outside = [one for one in left.entries if not one.target.namespace]
    told = tuple(f"{one.key}: {one.kind} of {one.target.kind.lower()} {one.target.name} {UNNAMED}" for one in outside)
    within = tuple(one for one in left.entries if one not in outside)
    return replace(left, entries=within, refused=(*left.refused, *told))


def _left(raw: Raw, here: Owner, lease_in: Callable[[str], Raw | None]) -> Left:
    view = View(raw)
    entries: list[UndoEntry] = []
    refused: list[str] = []
    owner, system = Owner.read(view.annotations), str(view.annotations.get(SYSTEM, ""))
    strange = "" if owner else "nobody says that it is theirs"
    # What is none would lead into any other in the paths of the API.
    if not is_namespace(system) or own_namespace(system) != view.namespace:
        strange = f"it is not where the journals of namespace {system!r:.80} lie"
    for key, text in sorted((raw.get("data") or {}).items()):
        try:
            entry = UndoEntry.read(key, text)
        except ValueError as error:
            refused.append(f"{key}: {error!s:.{WORDS_MAX}}")
            continue
        if why := strange or refusal(entry, system):
            refused.append(f"{key}: {why:.{WORDS_MAX}}")
        else:
            entries.append(replace(entry, manual=by_hand(entry)))
    late = bool(entries) and all(one.deadline_ns < time.time_ns() for one in entries)
    run = str(view.annotations.get(RUN, ""))[:WORDS_MAX]
    words = owner.words[:WORDS_MAX] if owner else "an owner that is not named"
    alive = _alive(owner, here, system, lease_in, late=late) if owner and is_namespace(system) else ""
    return Left(ref_of(raw), run, words, alive[:WORDS_MAX], tuple(entries), tuple(refused))


def _alive(owner: Owner, here: Owner, namespace: str, lease_in: Callable[[str], Raw | None], *, late: bool) -> str:
    """Why an owner is taken to be at work. On another host only the lease can say: while somebody else holds it, no.

    One that is `late` has not renewed its entries until their deadline, and works only if it renews its lease.
    """
    if (owner.host, owner.scope) == (here.host, here.scope):
        if started_tick(owner.pid) not in (owner.started, HIDDEN):
            return ""
        if not late:
            return f"process {owner.pid} of this host runs"
    lease = lease_in(namespace)
    if not (holder := holder_of(lease)):
        return "" if late else f"it ran on host {owner.host}, of which nothing is known before its deadline"
    if not owner.holds(holder):
        return ""
    spec = View(lease or {}).spec
    age_s, lasts_s = _age_s(str(spec.get("renewTime"))), float(spec.get("leaseDurationSeconds") or 0)
    return f"the lease was renewed {age_s:.0f} s ago by {holder}" if age_s < lasts_s + CLOCKS_S else ""


def _age_s(renewed: str) -> float:
    """How long ago a lease was renewed: very long where that is no time, which others may have written."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds()
    except (TypeError, ValueError):
        return float("inf")
