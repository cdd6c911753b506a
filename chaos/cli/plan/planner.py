"""The whole plan, from one reading of the cluster: for every node, every pool, and every pair of nodes.

Half a million pairs are not simulated one by one.
A pair fares worse than its nodes alone for two reasons only: they share a disruption budget, or their pods do not find
room together. So a pair is grouped, not simulated, where neither can change more than its answer's arithmetic says:

- One of its nodes alone does not finish, or nobody can tell: then the pair does not either.
- Every pod that moves has more nodes that would take it than there are pods that move. Each pod that comes before can
  spoil one of them at most, so a place is sure, whatever the scheduler prefers. The pair then finishes as its nodes do,
  and waits where a shared disruption budget lets fewer go at a time than the two have.

All others are simulated, up to a limit. Sets of nodes are kept as bits of one number, a node each.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from chaos.cli.plan.drain_outcome import Judge
from chaos.cli.plan.index import ClusterIndex, Pod
from chaos.cli.plan.listing import Listing
from chaos.cli.plan.results import Answer, DrainAnswer, Pairs, Plan, Pool
from chaos.semantics import KUBERNETES, DrainOptions, Timings

__all__ = ["POOL_LABEL", "judge_pairs", "make_plan"]

POOL_LABEL = "gameday.dev/pool"
SIMULATED_MAX = 2500
WORSE_MAX = 50

GROUPED = (
    "a pair in which one node alone does not finish has that node's answer; "
    "a pair whose every pod has more nodes that would take it than there are pods to move is counted, not simulated"
)

Masks = dict[int, int]


def make_plan(
    listing: Listing,
    *,
    options: DrainOptions,
    pool_label: str = POOL_LABEL,
    judged: Collection[str] | None = None,
    timings: Timings = KUBERNETES,
) -> Plan:
    """Answer for every node, every pool and every pair of nodes. Pure.

    `judged` are the namespaces whose pods are looked at, None for all. Raises `ValueError` for an object that no API
    server would have accepted.
    """
    cluster = ClusterIndex.of(listing)
    judge = Judge(cluster, options=options, timings=timings, judged=judged)
    alone = tuple(judge.drain((name,)) for name in sorted(cluster.nodes))
    pools: dict[str, list[str]] = defaultdict(list)
    for name, node in sorted(cluster.nodes.items()):
        if pool_label in node.labels:
            pools[node.labels[pool_label]].append(name)
    unread = [
        kind
        for kind, found in (("PersistentVolumeClaim", listing.claims), ("PersistentVolume", listing.volumes))
        if found is None
    ]
    return Plan(
        nodes=alone,
        pools=tuple(Pool(name, judge.drain(nodes)) for name, nodes in sorted(pools.items())),
        pairs=judge_pairs(judge, alone),
        pool_label=pool_label,
        pods=len(listing.pods),
        disruption_budgets=len(listing.budgets),
        unread=tuple(unread),
        binding_none=tuple(
            sorted(
                key
                for key, budget in cluster.budgets.items()
                if not budget.pods and (judged is None or budget.view.namespace in judged)
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class _Load:
    """What a node adds to a pair: pods to place, the least number of sure places that one has, pods by budget."""

    moves: int
    places: int | None
    charged: Mapping[str, int]


@dataclass(slots=True)
class _Tally:
    """The pairs as they are counted, and those that are to be simulated: first who share a budget."""

    counted: Counter[Answer] = field(default_factory=Counter)
    late: list[tuple[int, int]] = field(default_factory=list)
    late_total: int = 0
    close: list[tuple[int, int]] = field(default_factory=list)
    loose: list[tuple[int, int]] = field(default_factory=list)
    open_total: int = 0

    def count_late(self, index: int, others: int) -> None:
        """Pairs that wait, though neither node does alone."""
        self.counted[Answer.WAITS] += others.bit_count()
        self.late_total += others.bit_count()
        self.late += ((index, other) for other in islice(_bits(others), max(0, WORSE_MAX - len(self.late))))

    def leave_open(self, index: int, others: int, sharing: int) -> None:
        """Pairs that are to be simulated."""
        self.open_total += others.bit_count()
        for kept, mask in ((self.close, others & sharing), (self.loose, others & ~sharing)):
            kept.extend((index, other) for other in islice(_bits(mask), max(0, SIMULATED_MAX - len(kept))))

    @property
    def to_simulate(self) -> list[tuple[int, int]]:
        """Those that are simulated."""
        return (self.close + self.loose)[:SIMULATED_MAX]


def judge_pairs(judge: Judge, alone: Sequence[DrainAnswer]) -> Pairs:
    """The answers for all pairs of the nodes whose answers alone are given."""
    tally = _tallied(judge, alone)
    simulated = [judge.drain((*alone[first].nodes, *alone[second].nodes)) for first, second in tally.to_simulate]
    worse: list[DrainAnswer] = []
    for (first, second), answer in zip(tally.to_simulate, simulated, strict=True):
        tally.counted[answer.answer] += 1
        if answer.answer > max(alone[first].answer, alone[second].answer):
            worse.append(answer)
    left = tally.open_total - len(simulated)
    tally.counted[Answer.CANNOT_TELL] += left
    total = len(alone) * (len(alone) - 1) // 2
    worse_total = len(worse) + tally.late_total
    worse = sorted(worse, key=lambda answer: -answer.answer)[:WORSE_MAX]
    # of the pairs that were only counted, a few are simulated, so that a person sees why
    worse += [
        judge.drain((*alone[first].nodes, *alone[second].nodes))
        for first, second in tally.late[: WORSE_MAX - len(worse)]
    ]
    return Pairs(
        total=total,
        counted={answer: tally.counted[answer] for answer in Answer},
        worse=tuple(worse),
        worse_total=worse_total,
        simulated=len(simulated),
        not_played=left,
        grouped=GROUPED if total > tally.open_total else "",
    )


def _tallied(judge: Judge, alone: Sequence[DrainAnswer]) -> _Tally:
    """Count the pairs whose answer follows from their nodes', and leave the others open."""
    loads = [_load(judge, answer.nodes[0]) for answer in alone]
    few = len(alone) * (len(alone) - 1) // 2 <= SIMULATED_MAX
    sure, waiting = {} if few else _sure(loads), _waiting(judge, loads)
    of = {answer: sum(1 << n for n, one in enumerate(alone) if one.answer == answer) for answer in Answer}
    easy = of[Answer.FINISHES] | of[Answer.WAITS]
    tally = _Tally()
    for index, one in enumerate(alone):
        later = ((1 << len(alone)) - 1) >> (index + 1) << (index + 1)
        inherited = later if one.answer > Answer.WAITS else later & ~easy
        for answer, nodes in of.items():
            tally.counted[max(one.answer, answer)] += (inherited & nodes).bit_count()
        plain = sure.get(index, 0) & later & ~inherited
        both = plain & of[Answer.FINISHES] if one.answer == Answer.FINISHES else 0
        tally.counted[Answer.FINISHES] += (both & ~waiting[index]).bit_count()
        tally.counted[Answer.WAITS] += (plain & ~both).bit_count()
        tally.count_late(index, both & waiting[index])
        tally.leave_open(index, later & ~inherited & ~plain, waiting[index])
    return tally


def _load(judge: Judge, node: str) -> _Load:
    evict, refused = judge.evictable(node)
    moving = [] if refused else [pod for pod in evict if _moves(pod)]
    places = min((judge.room.always(pod.shape, pod.identity) for pod in moving), default=None)
    charged = Counter(pod.budgets[0] for pod in moving if len(pod.budgets) == 1 and pod.view.ready)
    return _Load(len(moving), places, charged)


def _moves(pod: Pod) -> bool:
    return pod.owner is not None and not pod.view.deleting and not pod.view.finished


def _sure(loads: Sequence[_Load]) -> Masks:
    """For each node, with which others every pod surely finds a place."""
    alike: dict[tuple[int, int | None], int] = defaultdict(int)
    for index, load in enumerate(loads):
        alike[load.moves, load.places] |= 1 << index
    found: dict[tuple[int, int | None], int] = defaultdict(int)
    for first in alike:
        for second, mask in alike.items():
            places = [one for one in (first[1], second[1]) if one is not None]
            # the two nodes themselves may be among the places
            if not places or min(places) - 2 >= first[0] + second[0]:
                found[first] |= mask
    return {index: found[load.moves, load.places] for index, load in enumerate(loads)}


def _waiting(judge: Judge, loads: Sequence[_Load]) -> Masks:
    """For each node, with which others it has more pods under one disruption budget than may go at a time."""
    by_count: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for index, load in enumerate(loads):
        for key, count in load.charged.items():
            by_count[key][count] |= 1 << index
    found: Masks = {}
    for index, load in enumerate(loads):
        mask = 0
        for key, count in load.charged.items():
            allowed = judge.cluster.budgets[key].state.allowed
            for other, nodes in by_count[key].items():
                if count + other > allowed:
                    mask |= nodes
        found[index] = mask
    return found


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
