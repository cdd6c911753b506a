"""What a drain had to do and how long it may have taken: its nodes, the pods on them, its budgets, and its bound."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.checks.base import GAPLESS, NEWS, timings_of
from chaos.checks.budgets.records import Record, Replay
from chaos.checks.recovery.delay_reasons import kept_wait
from chaos.checks.recovery.replacements import replacements
from chaos.clock import NS, seconds
from chaos.history import Fault, History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.step_function import Steps
from chaos.objects.kinds import NodeView
from chaos.semantics import Batch, Bound, drain_bound, recovery_bound

__all__ = ["Drain", "Stay", "drains_of", "kept_by_finalizers", "left_doubt", "replaced_in_time"]

DRAINS = ("node-drain", "pool-drain", "cluster-upgrade")

OPEN = 1 << 20
"""Permitted evictions where there is no budget."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One node while it was drained: `until_ns` is when it was opened again, or the drain ended; None if it did not."""

    node: str
    begin_ns: int
    until_ns: int | None
    lives: tuple[PodLife, ...]

    def left_at(self, at_ns: int) -> tuple[PodLife, ...]:
        """The pods that were there and not gone yet at a moment."""
        return tuple(life for life in self.lives if life.gone_ns is None or life.gone_ns > at_ns)


@dataclass(frozen=True, slots=True)
class Drain:
    """One drain. `anchor_ns` is from when its bound counts: its beginning, or when its budget had room again.

    It had none for longer than one round of eviction and replacement takes, or none from the beginning. `permits` is
    how many evictions at a time the budgets permitted, None without a budget; `bound` is for the pods that were left
    at the anchor, and `round_s` for one of them.
    """

    fault: Fault
    stays: tuple[Stay, ...]
    budgets: tuple[Record, ...]
    anchor_ns: int
    permits: int | None
    bound: Bound
    round_s: float

    @property
    def end_ns(self) -> int | None:
        """When it ended, None if that was not recorded; for the system's pods, where others took longer."""
        return self.fault.result_ns if self.own_end_ns is None else self.own_end_ns

    @property
    def own_end_ns(self) -> int | None:
        """When the last of the system's pods was gone, where the drain had pods of others to wait for after that."""
        lives = [life for stay in self.stays for life in stay.lives]
        own, detail = {life.name for life in lives}, self.fault.result_detail
        others = {*detail.get("gone", ()), *detail.get("left", ())} - own
        gone = [life.gone_ns for life in lives if life.gone_ns is not None and not life.gone_uncertain]
        if not others or not lives or len(gone) < len(lives) or self.fault.result_ns is None:
            return None
        return max(gone) if max(gone) < self.fault.result_ns else None

    @property
    def took_s(self) -> float | None:
        return None if self.end_ns is None else seconds(max(0, self.end_ns - self.anchor_ns))

    @property
    def nodes(self) -> str:
        return ", ".join(dict.fromkeys(stay.node for stay in self.stays)) or "no node"

    @property
    def blockers(self) -> tuple[str, ...]:
        """The budgets that refused it to the end, as recorded."""
        names = str(self.fault.result_detail.get("budget") or "")
        return tuple(name for name in names.split(" and ") if name)

    def blocked_s(self, record: Record) -> float:
        """For how long a budget had had no room when the drain ended, 0 if it had."""
        end_ns = self.end_ns or self.fault.begin_ns
        room = _room(record, end_ns)
        return next((seconds(end_ns - begin_ns) for begin_ns, end in room.spans_below(1) if end is None), 0.0)


def drains_of(history: History, played: Replay, lives: tuple[PodLife, ...], node: str | None) -> tuple[Drain, ...]:
    """Every drain of the trial, or those of one node."""
    found = (_drain(history, played, lives, fault) for fault in history.faults if fault.name in DRAINS)
    return tuple(one for one in found if node is None or any(stay.node == node for stay in one.stays))


def left_doubt(history: History, drain: Drain, left: Sequence[PodLife]) -> tuple[str, str]:
    """Why pods that were there as it ended need not have been left, and what would settle it; empty if they were."""
    if any(life.gone_uncertain for life in left):
        return "was gone lies in a gap of the watch", GAPLESS
    end_ns = drain.end_ns or 0
    if all(life.gone_ns and earliest_ns(history, "Pod", life.gone_ns) <= end_ns for life in left):
        return f"was gone is not known: {NEWS}", GAPLESS
    opened = {stay.node: at_ns for stay in drain.stays if (at_ns := _opened_ns(history, stay)) is not None}
    if all(life.node in opened and (life.scheduled_ns or 0) > opened[life.node] - NS for life in left):
        return f"had to go is not known: others opened {' and '.join(opened)} meanwhile", "nodes that nobody else opens"
    return "", ""


def replaced_in_time(history: History, drain: Drain) -> bool:
    """Whether every replacement that a drain may have waited for was Ready in its time, so that none held it up.

    That of the last pod to go held nothing up. Where another replica was not Ready meanwhile, that may have.
    """
    if drain.bound.excuses("created"):
        return False
    lives = {life.uid: life for stay in drain.stays for life in stay.lives}
    gone = sorted((life for life in lives.values() if life.lost_ns is not None), key=lambda life: life.lost_ns or 0)
    made = [replacements(history).of.get(life.uid) for life in (gone[:-1] if len(gone) == len(lives) else gone)]
    begin_ns, end_ns = drain.fault.begin_ns, drain.end_ns or history.ended_ns
    others = [life for life in pod_lives(history) if life.uid not in lives and life.created_ns <= begin_ns]
    for life in others:
        until_ns = min(end_ns, life.left_ns or end_ns)
        well = any(since <= begin_ns and (end is None or end >= until_ns) for since, end in life.ready_spans)
        if until_ns > begin_ns and not well:
            return False
    return all(one is not None and one.ready_ns is not None and _in_time(history, one) for one in made)


def kept_by_finalizers(history: History, drain: Drain) -> str:
    """Which pods finalizers kept after their containers had ended, if the drain was in time but for that; else empty.

    kubectl waits until the object is gone, and nobody promises how soon others remove theirs.
    """
    lives = {life.uid: life for stay in drain.stays for life in stay.lives}
    waits = [(one, life.name) for life in lives.values() if (one := kept_wait(history, life, None)) is not None]
    end_ns = drain.end_ns or history.ended_ns
    kept_ns, reached_ns = 0, drain.anchor_ns
    for wait, _ in sorted(waits, key=lambda pair: pair[0].begin_ns):
        until_ns = min(end_ns, wait.end_ns or end_ns)
        kept_ns += max(0, until_ns - max(wait.begin_ns, reached_ns))
        reached_ns = max(reached_ns, until_ns)
    in_time = (drain.took_s or 0.0) - seconds(kept_ns) <= drain.bound.total_s
    return f"finalizers kept {', '.join(name for _, name in waits)}" if kept_ns and in_time else ""


def _in_time(history: History, pod: PodLife) -> bool:
    bound = recovery_bound(pod.spec, timings_of(history))
    return seconds((pod.ready_ns or history.ended_ns) - pod.created_ns) <= bound.total_s


def _opened_ns(history: History, stay: Stay) -> int | None:
    """When a node was first seen open again before the drain itself opened it, None if it was not."""
    closed = False
    for event in history.watch:
        if event.kind != "Node" or not stay.begin_ns <= event.at_ns < (stay.until_ns or history.ended_ns):
            continue
        view = NodeView(event.object)
        if view.name == stay.node and closed and not view.unschedulable:
            return event.at_ns
        closed = closed or (view.name == stay.node and view.unschedulable)
    return None


def _drain(history: History, played: Replay, lives: tuple[PodLife, ...], fault: Fault) -> Drain:
    end_ns = history.ended_ns if fault.result_ns is None else fault.result_ns
    stays = tuple(_stays(history, lives, fault, end_ns))
    budgets = tuple(record for record in played.budgets.values() if record.ours)
    timings = timings_of(history)
    specs = {life.owner_uid: life.spec for stay in stays for life in stay.lives}
    rounds = (drain_bound([Batch("one pod", 1, 1, spec)], timings) for spec in specs.values())
    longest = max(rounds, key=lambda bound: bound.total_s, default=Bound(()))
    anchor_ns = max((_anchor_ns(record, fault, end_ns, longest.total_s) for record in budgets), default=fault.begin_ns)
    permits = _permits(fault, budgets, anchor_ns, end_ns)
    batches = tuple(_batches(stays, anchor_ns, permits))
    return Drain(fault, stays, budgets, anchor_ns, permits, drain_bound(batches, timings), longest.total_s)


def _stays(history: History, lives: tuple[PodLife, ...], fault: Fault, end_ns: int) -> Iterator[Stay]:
    """Each node from its cordon by this drain (or the drain's beginning) to when it was opened again."""
    for node in [victim.name for victim in fault.victims if victim.kind == "Node"]:
        ours = [action for action in history.actions if action.fault == fault.id and action.target.name == node]
        begun = (one.begin_ns for one in ours if one.name == "cordon" and one.outcome != "fail")
        opened = (one.begin_ns for one in ours if one.name == "uncordon" and one.outcome != "fail")
        begin_ns, until_ns = next(begun, fault.begin_ns), min(next(opened, end_ns), end_ns)
        there = tuple(
            life
            for life in lives
            if life.node == node and life.scheduled_ns is not None and life.scheduled_ns <= until_ns
            if life.gone_ns is None or life.gone_ns > begin_ns
        )
        yield Stay(node, begin_ns, None if fault.result_ns is None else until_ns, there)


def _batches(stays: tuple[Stay, ...], anchor_ns: int, permits: int | None) -> Iterator[Batch]:
    for stay in stays:
        left = stay.left_at(max(anchor_ns, stay.begin_ns))
        # Pods of one owner are made from one template.
        for owner, spec in {life.owner_uid: life.spec for life in left}.items():
            count = sum(life.owner_uid == owner for life in left)
            yield Batch(f"node {stay.node}", count, permits, spec)


def _room(record: Record, end_ns: int) -> Steps:
    """How many evictions a budget permitted, up to a moment; one that is not counted yet permits none."""
    points = (
        (at_ns, OPEN if view is None else view.allowed if view.up_to_date else 0)
        for at_ns, view in record.states
        if at_ns <= end_ns
    )
    return Steps.of(points, end_ns)


def _anchor_ns(record: Record, fault: Fault, end_ns: int, round_s: float) -> int:
    """From when on a budget did not hold the drain up for longer than evictions of its own make it."""
    anchor_ns = fault.begin_ns
    for begin_ns, until_ns in _room(record, end_ns).spans_below(1):
        long = until_ns is not None and until_ns - max(begin_ns, fault.begin_ns) > round_s * NS
        if until_ns is not None and until_ns > fault.begin_ns and (begin_ns <= fault.begin_ns or long):
            anchor_ns = max(anchor_ns, until_ns)
    return anchor_ns


def _permits(fault: Fault, budgets: tuple[Record, ...], anchor_ns: int, end_ns: int) -> int | None:
    """How many may leave at a time: by the tightest budget, and the drain's own limit."""
    found = [_permitted(record, anchor_ns, end_ns) for record in budgets]
    limits = [one for one in found if one is not None and one < OPEN]
    own = fault.parameters.get("max_in_flight")
    if isinstance(own, int):
        limits.append(own)
    return min(limits, default=None)


def _permitted(record: Record, anchor_ns: int, end_ns: int) -> int | None:
    """The most that a budget ever permitted in a span, but never more than the fewest that it can spare of all.

    With the pods of a surge it permits more for a while, on which no drain can count for longer.
    """
    most = _room(record, end_ns).max(anchor_ns, end_ns)
    views = [view for view in record.in_force(anchor_ns, end_ns) if view is not None and view.up_to_date]
    spare = [view.expected - view.desired for view in views if view.expected > view.desired]
    return most if most is None else min([most, *spare])
