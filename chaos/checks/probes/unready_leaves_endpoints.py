"""Always: a pod that turns not Ready gets no new connections, and gets them again when it is Ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import covered, gaps_in
from chaos.history.facts.endpoints import Span, endpoint_spans
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.semantics import Timings, endpoint_bound

__all__ = ["UnreadyLeavesEndpoints"]

KINDS = ("Pod", "EndpointSlice")


@dataclass(frozen=True, slots=True)
class _Turn:
    """A pod turned not Ready (`leave`) or Ready again (`return`). From `void_ns` on its endpoint need not follow."""

    life: PodLife
    way: Literal["leave", "return"]
    at_ns: int
    void_ns: int | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What its endpoint did: after `seconds` it followed, None if it was not seen to."""

    turn: _Turn
    answer: Answer
    seconds: float | None
    reason: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The turn in numbers."""
        turn = self.turn
        told = {"pod": turn.life.name, "way": turn.way, "at_ns": turn.at_ns, "answer": self.answer.name}
        return told | {"seconds": None if self.seconds is None else round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class UnreadyLeavesEndpoints:
    """Each pod that turned not Ready left the Service's ready endpoints within the bound, and came back after Ready.

    The bound is one write of the controller, and the allowance for watch delivery and a busy machine; `allowance_s`
    adds to it, since Kubernetes states no objective of its own. A turn that was taken back, or whose pod was deleted,
    within the bound demands nothing. UNKNOWN if no pod turned, and with a gap.
    """

    allowance_s: float = field(default=0.0, kw_only=True)

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "unready-leaves-endpoints"

    def __call__(self, history: History) -> Finding:
        """Judge every turn."""
        timings = Timings.of(history.facts.raw.get("timings") or {})
        bound_s = endpoint_bound(timings).total_s + self.allowance_s
        spans = endpoint_spans(history)
        turns = [turn for life in pod_lives(history) for turn in _turns(life)]
        judged = [one for turn in turns if (one := _judge(history, turn, spans.get(turn.life.uid, ()), bound_s))]
        left = sum(one.turn.way == "leave" for one in judged)
        worst = max((one.answer for one in judged), default=Answer.UNKNOWN)
        reasons = [one.reason for one in judged if one.reason and one.answer is worst]
        if not left:
            reasons.append("no pod turned not Ready and stayed so, so nothing had to leave")
            worst = max(worst, Answer.UNKNOWN)
        hidden = [kind for kind in KINDS if gaps_in(history, kind, history.began_ns, history.ended_ns)]
        if hidden and worst is not Answer.FAIL:
            reasons.append(f"the watch had gaps ({', '.join(hidden)}), in which a turn may have been missed")
            worst = Answer.UNKNOWN
        slowest_s = max((one.seconds for one in judged if one.seconds is not None), default=None)
        took = "" if slowest_s is None else f", the slowest after {slowest_s:.1f} s"
        followed = sum(one.answer is Answer.PASS for one in judged)
        return Finding(
            check=self.name,
            answer=worst,
            rule="A pod that is not Ready leaves the Service's ready endpoints, and returns when it is Ready.",
            limit=f"bound {bound_s:g} s",
            measured=f"{followed} of {plural(len(judged), 'turn')} followed{took}",
            margin="" if slowest_s is None or worst is Answer.FAIL else f"{bound_s - slowest_s:.1f} s left",
            reason="; ".join(reasons),
            settle="a trial in which a pod turns not Ready, pods and endpoints watched without a gap"
            if worst is Answer.UNKNOWN
            else "",
            detail={"turns": [one.values for one in judged], "bound_s": bound_s},
            evidence=tuple(_evidence(judged)),
        )


def _turns(life: PodLife) -> Iterator[_Turn]:
    """Where a pod that goes on living turned not Ready, and Ready again."""
    for (_, end_ns), following in zip(life.ready_spans, (*life.ready_spans[1:], None), strict=True):
        if end_ns is None or (life.lost_ns is not None and end_ns >= life.lost_ns):
            return
        back_ns = following[0] if following else None
        yield _Turn(life, "leave", end_ns, _first(back_ns, life.lost_ns))
        if following:
            yield _Turn(life, "return", following[0], _first(following[1], life.lost_ns))


def _first(*moments: int | None) -> int | None:
    return min((at_ns for at_ns in moments if at_ns is not None), default=None)


def _judge(history: History, turn: _Turn, spans: tuple[Span, ...], bound_s: float) -> _Judged | None:
    """Judge one turn, None if it demands nothing: it was void before the bound, and nothing followed."""
    deadline_ns = turn.at_ns + round(bound_s * NS)
    who = f"{turn.life.name} ({turn.life.uid[:8]})"
    watched = all(covered(history, kind, turn.at_ns, turn.at_ns) for kind in KINDS)
    begin_ns = min([begin for begin, _ in spans], default=None)
    if not watched or (turn.way == "leave" and (begin_ns is None or begin_ns > turn.at_ns)):
        return _Judged(turn, Answer.UNKNOWN, None, f"{who} was not seen among the ready endpoints before it turned")
    followed_ns = _followed_ns(turn, spans)
    void = turn.void_ns is not None and turn.void_ns <= deadline_ns
    if followed_ns is None and void:
        return None
    until_ns = min(deadline_ns, followed_ns or deadline_ns)
    if not all(covered(history, kind, turn.at_ns, until_ns) for kind in KINDS):
        return _Judged(turn, Answer.UNKNOWN, None, f"the watch did not see what became of the endpoint of {who}")
    if followed_ns is not None and followed_ns <= deadline_ns:
        return _Judged(turn, Answer.PASS, seconds(followed_ns - turn.at_ns))
    if any(late.kind in KINDS and late.until_ns >= turn.at_ns for late in history.late):
        return _Judged(turn, Answer.UNKNOWN, None, f"news of the endpoint of {who} may have come late")
    words = "left the ready endpoints" if turn.way == "leave" else "returned to the ready endpoints"
    return _Judged(turn, Answer.FAIL, None, f"{who} had not {words} {bound_s:g} s after it turned")


def _followed_ns(turn: _Turn, spans: tuple[Span, ...]) -> int | None:
    """When its endpoint was as it should be: at once if it already was (the two watches may tell in either order)."""
    inside = [span for span in spans if span[0] <= turn.at_ns and (span[1] is None or turn.at_ns < span[1])]
    if bool(inside) == (turn.way == "return"):
        return turn.at_ns
    moments = [end for _, end in inside] if turn.way == "leave" else [begin for begin, _ in spans if begin > turn.at_ns]
    followed_ns = _first(*moments)
    before_void = turn.void_ns is None or followed_ns is None or followed_ns <= turn.void_ns
    return followed_ns if before_void else None


def _evidence(judged: list[_Judged]) -> Iterator[Evidence]:
    for one in sorted(judged, key=lambda one: one.turn.at_ns):
        turned = "not Ready" if one.turn.way == "leave" else "Ready again"
        then = (
            "its endpoint did not follow" if one.seconds is None else f"its endpoint followed {one.seconds:.1f} s later"
        )
        yield Evidence(one.turn.at_ns, f"{one.turn.life.name} turned {turned}; {then}")
