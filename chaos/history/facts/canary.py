"""What the canary's requests say of each replica: that it was asked, and when it gave its token.

They say nothing of users' requests: not which replica had one, nor how long it took there.
"""

from itertools import pairwise
from statistics import median

from chaos.history.cache import once
from chaos.history.canary import CanaryRequest
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.model import History

__all__ = [
    "asked_directly",
    "canary_pace_ns",
    "canary_slowest_s",
    "canary_until_ns",
    "requests_to",
    "tokens_of",
    "why_no_canary",
]

LEAST = 3
"""So many answers of the baseline say how long one takes."""


@once
def _by_uid(history: History) -> dict[str, list[CanaryRequest]]:
    found: dict[str, list[CanaryRequest]] = {}
    for one in history.canary.requests if history.canary else ():
        found.setdefault(one.uid, []).append(one)
    return found


def requests_to(history: History, life: PodLife) -> tuple[CanaryRequest, ...]:
    """What a pod was asked while it was there; what never reached it is left out.

    A later pod may have its name, and an answer that came when it was gone may be that one's.
    """
    gone_ns = history.ended_ns if life.gone_ns is None else life.gone_ns
    mine = _by_uid(history).get(life.uid, ())
    return tuple(one for one in mine if one.outcome != "unsent" and one.sent_ns <= gone_ns)


def tokens_of(history: History, life: PodLife) -> tuple[int, ...]:
    """When it gave a token to the canary."""
    gone_ns = history.ended_ns if life.gone_ns is None else life.gone_ns
    return tuple(one.end_ns for one in requests_to(history, life) if one.answered and one.end_ns <= gone_ns)


@once
def asked_directly(history: History) -> bool:
    """Whether the canary had an answer from any replica, so that its way leads to them."""
    return any(one.answered for one in history.canary.requests) if history.canary else False


@once
def canary_until_ns(history: History) -> int:
    """Up to when it asked; the record's begin if it never did."""
    requests = history.canary.requests if history.canary else ()
    return max((one.end_ns for one in requests), default=history.began_ns)


@once
def canary_pace_ns(history: History) -> float:
    """How long it is from one request to the next to the same replica, by the median; 0 where none followed another."""
    sent = (sorted(one.sent_ns for one in requests) for requests in _by_uid(history).values())
    gaps = [after - before for moments in sent for before, after in pairwise(moments)]
    return median(gaps) if gaps else 0.0


@once
def canary_slowest_s(history: History) -> float | None:
    """How long its slowest answer took before any fault, from the intended start; None if too few came then."""
    baseline = next((phase for phase in history.phases if phase.name == "baseline" and phase.end_ns), None)
    if baseline is None or baseline.end_ns is None or history.canary is None:
        return None
    end_ns = min((baseline.end_ns, *(fault.begin_ns for fault in history.faults)))
    took = [
        (one.end_ns - one.intended_ns) / 1e9
        for one in history.canary.requests
        if one.answered and baseline.begin_ns <= one.intended_ns and one.end_ns <= end_ns
    ]
    return max(took) if len(took) >= LEAST else None


def why_no_canary(history: History) -> str:
    """Why the canary says nothing either, in words; empty if it does."""
    if history.canary is None:
        return "no canary asked the replicas directly (traffic.canary in gameday.toml)"
    if history.canary.refused:
        return f"the canary was refused: {history.canary.refused}"
    if not asked_directly(history):
        errors = [one.error for one in history.canary.requests if one.error]
        return f"the canary had no answer from any replica{': ' + errors[-1] if errors else ''}"
    return ""
