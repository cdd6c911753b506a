"""What the watch saw and what it missed: over which spans the absence of an event means that nothing happened."""

from chaos.clock import NS
from chaos.history.model import Gap, History

__all__ = ["CATCH_UP_NS", "covered", "earliest_ns", "gaps_in", "settled_ns"]

CATCH_UP_NS = NS
"""How long after a resumed watch its events may still be late ones: the server sends what was missed at once."""


def gaps_in(history: History, kind: str, begin_ns: int, end_ns: int) -> tuple[Gap, ...]:
    """The gaps of a kind that touch a span."""
    return tuple(
        gap for gap in history.gaps if gap.kind == kind and gap.since_ns <= end_ns and gap.until_ns >= begin_ns
    )


def covered(history: History, kind: str, begin_ns: int, end_ns: int) -> bool:
    """Whether the whole span was watched, without a gap."""
    if kind not in history.covered_ns:
        return False
    first_ns, last_ns = history.covered_ns[kind]
    return first_ns <= begin_ns and end_ns <= last_ns and not gaps_in(history, kind, begin_ns, end_ns)


def settled_ns(history: History, kind: str, at_ns: int) -> int:
    """When a state received at `at_ns` joins a whole picture: at once, or when the list it belongs to is complete."""
    if kind in history.covered_ns:
        at_ns = max(at_ns, history.covered_ns[kind][0])
    for gap in history.gaps:
        if gap.kind == kind and gap.since_ns <= at_ns <= gap.until_ns:
            at_ns = gap.until_ns
    return at_ns


def earliest_ns(history: History, kind: str, at_ns: int) -> int:
    """The earliest moment at which something received at `at_ns` may have happened.

    Earlier than `at_ns` only where the watch had been cut off shortly before, or its list came after a gap.
    """
    spans = [(span.since_ns, span.until_ns + CATCH_UP_NS) for span in history.late if span.kind == kind]
    spans += [(gap.since_ns, gap.until_ns) for gap in history.gaps if gap.kind == kind]
    return min((since_ns for since_ns, until_ns in spans if since_ns <= at_ns <= until_ns), default=at_ns)
