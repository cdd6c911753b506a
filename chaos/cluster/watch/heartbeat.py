"""Whether a watch is alive: what the server lists is held against what the watch has brought.

A connection may stand and be dead: a load balancer that forgot it, a stall on the way. Nobody says so, and bookmarks
come once a minute only. So every few seconds the objects are listed (their metadata alone), and whatever the list has
must have come over the watch a moment later. If it has not, the connection is given up, and over a new one the watch
goes on from where it was. At the end of a record the same proves that nothing was held back.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import tenacity

from chaos.clock import Clock
from chaos.cluster.transport import Transport
from chaos.cluster.watch.decoder import BadFrame, cut_page
from chaos.cluster.watch.reflector import PAGE, Reflector
from chaos.cluster.watch.store import Store
from chaos.errors import ClusterRefused

__all__ = ["Heartbeat", "Listed", "behind"]

CATCH_UP_S = 2.0
"""How long what is listed may take to come over a watch that is alive; usually it was there before."""

ANSWER_S = 3.0
CLOSING_S = 5.0
"""For a watch that was given up at the very end to bring what it owes over a new connection."""

OBJECTS_PER_S = 100
"""Of many objects the lists are made less often, so that at most so many a second are asked for."""

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json"


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects of a scope at one moment: the resourceVersion of the list, and each object's by UID."""

    rv: int
    versions: Mapping[str, int]


def behind(known: Mapping[str, int], heard_rv: int, listed: Listed) -> bool:
    """Whether a watch that knows these states still owes one of the list: a newer one, or the word of a deletion.

    It comes in the order of resourceVersions, so one that is past the list owes nothing of it, even if what was listed
    is gone again.
    """
    if heard_rv >= listed.rv:
        return False
    if any(known.get(uid, 0) < rv for uid, rv in listed.versions.items()):
        return True
    return any(rv <= listed.rv and uid not in listed.versions for uid, rv in known.items())


class Heartbeat:
    """Checks every watch, in a thread of its own and once more at the end."""

    def __init__(
        self, reflectors: Sequence[Reflector], *, transport: Transport, clock: Clock, store: Store, every_s: float
    ) -> None:
        self._reflectors, self._transport, self._clock, self._store = reflectors, transport, clock, store
        self._every_s = every_s
        self._stopping = threading.Event()

    def run(self) -> None:
        """Check them again and again until `stop`; for a thread."""
        while not self._stopping.wait(self._pause_s()):
            for reflector in self._reflectors:
                self.check(reflector)

    def check_all(self) -> None:
        """Check them now, all at once."""
        self._each(self.check)

    def stop(self) -> None:
        """Check no more."""
        self._stopping.set()

    def prove(self) -> None:
        """At the end of the record: let every watch bring what it owes, or leave it marked as not proved."""
        self._each(self._prove)

    def _each(self, action: Callable[[Reflector], None]) -> None:
        connected = [one for one in self._reflectors if one.connected]
        if connected:
            with ThreadPoolExecutor(len(connected), thread_name_prefix="heartbeat") as pool:
                list(pool.map(action, connected))

    def _pause_s(self) -> float:
        return max(self._every_s, sum(len(one.versions) for one in self._reflectors) / OBJECTS_PER_S)

    def check(self, reflector: Reflector) -> None:
        """Check one, and give its connection up if it is dead."""
        if self._stopping.is_set() or not reflector.connected:
            return
        asked_ns = self._clock.now_ns()
        try:
            listed = self._listed(reflector)
        except (ClusterRefused, BadFrame):
            return  # of a server that does not answer the watch itself will tell
        if self._store.wait_for(lambda: not behind(reflector.versions.copy(), reflector.heard_rv, listed), CATCH_UP_S):
            reflector.proved(asked_ns)
        else:
            reflector.give_up(f"nothing came for {CATCH_UP_S:g} s of what the server had to tell")

    def _prove(self, reflector: Reflector) -> None:
        asked_ns = self._clock.now_ns()
        try:
            listed = _patiently(lambda: self._listed(reflector))
        except (ClusterRefused, BadFrame) as error:
            reflector.unproved = f"whether the watch was alive at its end cannot be known: {error}"
            return

        def caught_up() -> bool:
            return not behind(reflector.versions.copy(), reflector.heard_rv, listed)

        if not self._store.wait_for(caught_up, CATCH_UP_S):
            reflector.give_up("nothing came of what the server had to tell at the end")
            if not self._store.wait_for(caught_up, CLOSING_S):
                reflector.unproved = "the watch was dead at its end"
                return
        reflector.proved(asked_ns)

    def _listed(self, reflector: Reflector) -> Listed:
        """List a scope, all pages. Raises `ClusterRefused` if it is refused, `BadFrame` for what is no list."""
        query = {"limit": str(PAGE)} | reflector.selector
        versions: dict[str, int] = {}
        while True:
            answer = self._transport.call("GET", reflector.path, query=query, accept=METADATA, timeout_s=ANSWER_S)
            if not answer.ok:
                raise ClusterRefused(f"list {reflector.scope.kind}: {answer.words()}")
            page = cut_page(answer.body)
            versions |= {item.uid: int(item.rv) for item in page.items}
            if not page.following:
                return Listed(int(page.rv), versions)
            query["continue"] = page.following


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(ClusterRefused),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
    stop=tenacity.stop_before_delay(ANSWER_S),
    reraise=True,
)
