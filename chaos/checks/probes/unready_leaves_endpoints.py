"""Always: a pod that turns not Ready gets no new connections, and gets them again when it is Ready."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, Literal

from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.recovery.standstills import stood_still
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import Span, endpoint_spans, endpoint_spans_by_family
from chaos.history.facts.routing import families_left, selected, unruled
from chaos.semantics import endpoint_bound

__all__ = ["TurnDetail", "UnreadyLeavesEndpoints", "UnreadyLeavesEndpointsDetail"]

KINDS = ("Pod", "EndpointSlice")

NEWS_NS = 5 * NS
"""Word of an endpoint may come so long before that of its pod, by another watch; what left earlier left for others."""

SETTLE = "a trial in which a pod turns not Ready, pods and endpoints watched without a gap"


@dataclass(frozen=True, slots=True)
class _Turn:
    """A pod turned not Ready (`leave`) or Ready again (`return`). From `void_ns` on its endpoint need not follow."""

    life: PodLife
    way: Literal["leave", "return"]
    at_ns: int
    void_ns: int | None

    def earliest_ns(self, history: History) -> int:
        """When it may have turned at the earliest, where word of it came late."""
        return earliest_ns(history, "Pod", self.at_ns)


@dataclass(frozen=True, slots=True)
class TurnDetail:
    """A pod turned not Ready (`leave`) or Ready again (`return`); its endpoint followed after `seconds`, if it did."""

    pod: str
    way: Literal["leave", "return"]
    at_ns: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class UnreadyLeavesEndpointsDetail:
    """Every turn that demanded something of an endpoint, and the bound."""

    turns: tuple[TurnDetail, ...]
    bound_s: float


@dataclass(frozen=True, slots=True)
class UnreadyLeavesEndpoints:
    """Each pod that turned not Ready left the Service's ready endpoints within the bound, and came back after Ready.

    The bound is one write of the controller, and the allowance for watch delivery and a busy machine; `allowance_s`
    adds to it, since Kubernetes states no objective of its own. A turn that was taken back, or whose pod was deleted,
    within the bound demands nothing, nor does a return to a Service that selects others by then. UNKNOWN if no pod
    turned, and with a gap.
    """

    name: ClassVar[str] = "unready-leaves-endpoints"
    Detail: ClassVar[type] = UnreadyLeavesEndpointsDetail

    allowance_s: float = field(default=0.0, kw_only=True)

    def __call__(self, history: History) -> Finding:
        bound_s = endpoint_bound(timings_of(history)).total_s + self.allowance_s
        spans = endpoint_spans(history)
        judged = [
            one
            for life in pod_lives(history)
            for turn in _turns(life)
            if (one := _judge(history, turn, spans.get(life.uid, ()), bound_s))
        ]
        turns = tuple(detail for detail, _ in judged)
        owed = [obligation for _, obligation in judged]
        slowest_s = max((one.seconds for one in turns if one.seconds is not None), default=None)
        took = "" if slowest_s is None else f", the slowest after {slowest_s:.1f} s"
        followed = sum(one.answer is Answer.PASS for one in owed)
        broken = any(one.answer is Answer.FAIL for one in owed)
        return finding(
            self.name,
            "A pod that is not Ready leaves the Service's ready endpoints, and returns when it is Ready.",
            [*owed, *_doubts(history, turns)],
            Summary(
                f"{followed} of {plural(len(turns), 'turn')} followed{took}",
                f"bound {bound_s:g} s",
                "" if slowest_s is None or broken else f"{bound_s - slowest_s:.1f} s left",
                detail=UnreadyLeavesEndpointsDetail(turns, bound_s),
            ),
            nothing=unknown("the pods", "no pod turned", SETTLE),
        )


def _doubts(history: History, turns: tuple[TurnDetail, ...]) -> Iterator[Obligation]:
    if not any(one.way == "leave" for one in turns):
        yield unknown("the pods", "no pod turned not Ready and stayed so, so nothing had to leave", SETTLE)
    if hidden := [kind for kind in KINDS if gaps_in(history, kind, history.began_ns, history.ended_ns)]:
        reason = f"the watch had gaps ({', '.join(hidden)}), in which a turn may have been missed"
        yield unknown("the watch", reason, SETTLE)


def _turns(life: PodLife) -> Iterator[_Turn]:
    """Where a pod that goes on living turned not Ready, and Ready again."""
    for (_, end_ns), following in pairwise((*life.ready_spans, (None, None))):
        if end_ns is None or (life.lost_ns is not None and end_ns >= life.lost_ns):
            return
        back_ns, again_ns = following
        yield _Turn(life, "leave", end_ns, _first(back_ns, life.lost_ns))
        if back_ns is not None:
            yield _Turn(life, "return", back_ns, _first(again_ns, life.lost_ns))


def _first(*moments: int | None) -> int | None:
    return min((at_ns for at_ns in moments if at_ns is not None), default=None)


def _judge(
    history: History, turn: _Turn, spans: tuple[Span, ...], bound_s: float
) -> tuple[TurnDetail, Obligation] | None:
    """Judge one turn, None if it demands nothing: it was void before the bound, and nothing followed."""
    deadline_ns = turn.at_ns + round(bound_s * NS)
    who = turn.life.who
    known_ns = turn.earliest_ns(history) - NEWS_NS
    there = any(begin <= turn.at_ns and (end is None or end >= known_ns) for begin, end in spans)
    followed_ns = _followed_ns(turn, spans) if turn.way == "leave" else _back_ns(history, turn, spans, deadline_ns)
    until_ns = min(deadline_ns, followed_ns or deadline_ns)
    late = any(one.kind in KINDS and one.until_ns >= turn.at_ns for one in history.late)
    watched = all(covered(history, kind, turn.at_ns, turn.at_ns) for kind in KINDS)
    if not watched or (turn.way == "leave" and not there):
        doubt = f"{who} was not seen among the ready endpoints just before it turned"
    elif followed_ns is None and turn.void_ns is not None and turn.void_ns <= deadline_ns:
        return None
    elif not all(covered(history, kind, turn.at_ns, until_ns) for kind in KINDS):
        doubt = f"the watch did not see what became of the endpoint of {who}"
    elif followed_ns is not None and followed_ns <= deadline_ns < followed_ns + turn.at_ns - turn.earliest_ns(history):
        doubt = f"word that {who} turned may have come late"
    elif followed_ns is not None and followed_ns <= deadline_ns:
        took_s = seconds(followed_ns - turn.at_ns)
        return _judged(turn, bound_s, took_s, Obligation(who))
    elif turn.way == "return" and not selected(history, turn.life.uid, turn.at_ns, deadline_ns):
        return None  # its Service is for others now
    elif pause := _pause(history, turn, followed_ns, bound_s):
        doubt = f"the endpoint of {who} followed late, but {pause}"
    elif why := unruled(history):
        doubt = f"the endpoint of {who} did not follow, but nobody promises that it does: {why}"
    elif late:
        doubt = f"news of the endpoint of {who} may have come late"
    else:
        words = "left" if turn.way == "leave" else "returned to"
        reason = f"{who} had not {words} the ready endpoints {bound_s:g} s after it turned"
        return _judged(turn, bound_s, None, Obligation(who, Answer.FAIL, reason))
    return _judged(turn, bound_s, None, unknown(who, doubt, SETTLE))


def _pause(history: History, turn: _Turn, followed_ns: int | None, bound_s: float) -> str:
    """That the endpoint followed in time but for a time in which no controller did anything; else empty."""
    if followed_ns is None:
        return ""
    paused_s, words = stood_still(history, turn.at_ns, followed_ns)
    return words if seconds(followed_ns - turn.at_ns) - paused_s <= bound_s else ""


def _judged(turn: _Turn, bound_s: float, took_s: float | None, obligation: Obligation) -> tuple[TurnDetail, Obligation]:
    """The turn in numbers, and what it owed, with its moment."""
    turned = "not Ready" if turn.way == "leave" else "Ready again"
    then = "its endpoint did not follow" if took_s is None else f"its endpoint followed {took_s:.1f} s later"
    detail = TurnDetail(turn.life.name, turn.way, turn.at_ns, None if took_s is None else round(took_s, 3))
    moment = Evidence(turn.at_ns, f"{turn.life.name} turned {turned}; {then}")
    return detail, replace(obligation, measured=then, bound=f"{bound_s:g} s", evidence=(moment,))


def _back_ns(history: History, turn: _Turn, spans: tuple[Span, ...], deadline_ns: int) -> int | None:
    """When its endpoint was there again for the clients of every family that had it before, and that there still is."""
    families, left = endpoint_spans_by_family(history), families_left(history, deadline_ns)
    own = [one[turn.life.uid] for name, one in families.items() if turn.life.uid in one and name not in left]
    found = [_followed_ns(turn, one) for one in own or [spans]]
    return None if None in found else max(one for one in found if one is not None)


def _followed_ns(turn: _Turn, spans: tuple[Span, ...]) -> int | None:
    """When its endpoint was as it should be: at once if it already was (the two watches may tell in either order)."""
    inside = [span for span in spans if span[0] <= turn.at_ns and (span[1] is None or turn.at_ns < span[1])]
    if bool(inside) == (turn.way == "return"):
        return turn.at_ns
    moments = [end for _, end in inside] if turn.way == "leave" else [begin for begin, _ in spans if begin > turn.at_ns]
    followed_ns = _first(*moments)
    before_void = turn.void_ns is None or followed_ns is None or followed_ns <= turn.void_ns
    return followed_ns if before_void else None
