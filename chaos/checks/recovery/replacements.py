"""Which pod was made in place of which: by owner and by order in the watch log, as a ReplicaSet's controller counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas, owner_replicas
from chaos.history.step_function import Steps

__all__ = ["Replacements", "replacements"]


@dataclass(frozen=True, slots=True)
class Replacements:
    """The outcome of the pairing.

    Attributes:
        of: by the UID of a pod that was lost, the pod in its place. Where that one was lost before it was Ready, the
            next one in turn. A pod that is not in here has no replacement.
        extra: pods that were made in nobody's place, in order.
        given_up: the UIDs of pods that their owner gave up, because fewer were desired of it.
    """

    of: Mapping[str, PodLife]
    extra: tuple[PodLife, ...]
    given_up: frozenset[str]


@once
def replacements(history: History) -> Replacements:
    """Pair every pod that was lost with the pod that its owner made for it.

    Never with a pod that was there before the loss, nor with another owner's, and none twice. A pod that its owner gave
    up because fewer were desired has none.
    """
    lives = pod_lives(history)
    paired: dict[str, PodLife] = {}
    extra: list[PodLife] = []
    given_up: set[str] = set()
    for owner in dict.fromkeys(life.owner_uid for life in lives):
        own = _Owner(owner_replicas(history, owner) or desired_replicas(history))
        for life, made in _turns([life for life in lives if life.owner_uid == owner]):
            if not made:
                own.lose(life)
            elif vacancy := own.make(life):
                paired |= dict.fromkeys((lost.uid for lost in vacancy), life)
            elif not life.listed:
                extra.append(life)
        given_up |= own.given_up
    return Replacements(paired, tuple(sorted(extra, key=lambda life: life.first_index)), frozenset(given_up))


def _turns(lives: list[PodLife]) -> Iterator[tuple[PodLife, bool]]:
    """Each pod's being made (True) and lost (False), in the order of the watch log.

    What was finished or being deleted when it was first seen has its replacement already.
    """
    counted = [life for life in lives if life.lost_index != life.first_index]
    turns = [(life.first_index, True, life) for life in counted]
    turns += [(life.lost_index, False, life) for life in counted if life.lost_index is not None]
    for _, made, life in sorted(turns, key=lambda turn: (turn[0], not turn[1])):
        yield life, made


@dataclass(slots=True)
class _Owner:
    """A controller of pods while its actions are read.

    Attributes:
        desired, active: how many pods it wants, and has.
        vacancies: the places to fill, oldest first: all pods that were lost from each.
        places: by the UID of a pod that was made, the place that it filled.
        given_up: the UIDs of pods that it gave up because fewer are desired.
    """

    desired: Steps
    active: int = 0
    vacancies: list[list[PodLife]] = field(default_factory=list)
    places: dict[str, list[PodLife]] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)

    def lose(self, life: PodLife) -> None:
        """A pod went: for good if fewer are desired, or else its place is to be filled."""
        self.active -= 1
        at_ns = life.left_ns or life.created_ns
        desired = self.desired.value_at(at_ns)
        if desired is not None and self.active >= desired and self._to_give_up(at_ns) > 0:
            self.given_up.add(life.uid)
            return
        earlier = [] if life.ready_spans else self.places.get(life.uid, [])
        self.vacancies.append([*earlier, life])

    def make(self, life: PodLife) -> list[PodLife] | None:
        """A pod was made: in whose place, if in anybody's."""
        desired = self.desired.value_at(life.created_ns)
        if desired is not None:
            # A place that was given up before word came that fewer are desired.
            while len(self.vacancies) > max(1, desired - self.active) and self._to_give_up(life.created_ns) > 0:
                self.given_up.add(self.vacancies.pop(0)[-1].uid)
        self.active += 1
        if not self.vacancies:
            return None
        # A StatefulSet makes each member under its own name, in whatever order they went.
        named = [place for place, lost in enumerate(self.vacancies) if lost[-1].name == life.name]
        self.places[life.uid] = self.vacancies.pop(named[0] if named else 0)
        return self.places[life.uid]

    def _to_give_up(self, at_ns: int) -> int:
        """By how many pods the number fell by then, less those that were given up."""
        fell = 0
        for (_, before), (change_ns, after) in pairwise(self.desired.points):
            if change_ns <= at_ns:
                fell = max(0, fell + before - after)
        return fell - len(self.given_up)
