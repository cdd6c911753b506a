"""The watch log in the order in which the cluster changed, not in which we heard of it.

Every kind has a watch of its own, so news of a pod and of its disruption budget may arrive in another order than they
happened. The resourceVersion tells the order: within a kind by contract (KEP-5504), across the kinds that one etcd
holds because its revision counts them all. The latter is practice and no promise, so it is compared with the times of
receipt.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chaos.clock import NS
from chaos.history.coverage import earliest_ns, settled_ns
from chaos.history.model import History, WatchEvent
from chaos.objects.base import Raw, View

__all__ = ["Revision", "Revisions", "by_revision"]

DELIVERY_NS = 5 * NS
"""How late a watch may deliver on a busy machine without being cut off: more speaks against a common counter."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of an object, at its place in the order. `lossy`: states before it may have been lost in a gap."""

    number: int
    at_ns: int
    kind: str
    type: str
    object: Raw
    lossy: bool

    @property
    def gone(self) -> bool:
        """Whether the object is no more."""
        return self.type in ("DELETED", "VANISHED")


@dataclass(frozen=True, slots=True)
class Revisions:
    """States in order. Those up to `first` are what the first lists gave: the cluster as the watch began.

    `doubt` says why the order cannot be relied on, empty if it can.
    """

    states: tuple[Revision, ...]
    first: int
    doubt: str = ""


def by_revision(history: History, kinds: Iterable[str]) -> Revisions:
    """The states of these kinds, each once, in order of resourceVersion."""
    wanted = frozenset(kinds)
    states: list[Revision] = []
    listed_first: list[int] = []
    newest: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    for event in history.watch:
        if event.kind not in wanted:
            continue
        number = _number(event)
        if number is None:
            named = f"{event.kind} {View(event.object).name}"
            return Revisions((), 0, f"the resourceVersion of {named} is no number, so the order of events is unknown")
        if event.type == "LISTED" and event.at_ns <= history.covered_ns.get(event.kind, (0, 0))[0]:
            listed_first.append(number)
        if event.type == "VANISHED":
            number = newest.get(event.kind, number)  # it went after this, but when is not known
        newest[event.kind] = max(number, newest.get(event.kind, number))
        if event.type == "LISTED":
            mark = (View(event.object).uid, number)
            if mark in seen:
                continue  # a list after a gap repeats what has not changed
        seen.add((View(event.object).uid, number))
        lossy = event.type in ("LISTED", "VANISHED") and _in_gap(history, event)
        at_ns = settled_ns(history, event.kind, event.at_ns)
        states.append(Revision(number, at_ns, event.kind, event.type, event.object, lossy))
    states.sort(key=lambda state: state.number)
    first = max(listed_first, default=0)
    return Revisions(tuple(states), first, _disorder(history, states, first))


def _number(event: WatchEvent) -> int | None:
    given = str((event.object.get("metadata") or {}).get("resourceVersion", ""))
    return int(given) if given.isascii() and given.isdigit() else None


def _in_gap(history: History, event: WatchEvent) -> bool:
    return any(gap.kind == event.kind and gap.since_ns <= event.at_ns <= gap.until_ns for gap in history.gaps)


def _disorder(history: History, states: list[Revision], first: int) -> str:
    """Why the kinds do not seem to share one counter: their order and the times of receipt contradict each other."""
    latest: dict[str, Revision] = {}
    since_ns = max((history.covered_ns.get(state.kind, (0, 0))[0] for state in states), default=0)
    for state in states:
        if state.lossy or earliest_ns(history, state.kind, state.at_ns) < state.at_ns:
            continue  # late news of a resumed watch
        if state.number <= first:
            if state.type != "LISTED" and state.at_ns - since_ns > DELIVERY_NS:
                return (
                    f"{state.kind}s changed after a list of higher resourceVersions, so not all kinds share one counter"
                )
            continue
        for other in latest.values():
            if other.kind != state.kind and other.at_ns - state.at_ns > DELIVERY_NS:
                return (
                    f"resourceVersions of {other.kind}s and {state.kind}s contradict the order of receipt, "
                    "so the two kinds may not share one counter"
                )
        if state.kind not in latest or latest[state.kind].at_ns < state.at_ns:
            latest[state.kind] = state
    return ""
