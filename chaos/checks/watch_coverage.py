"""How far the watch carries a PASS: over which span a trial is judged, and where it was not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chaos.checks.formatting import plural
from chaos.clock import seconds
from chaos.history import History
from chaos.history.coverage import covered, gaps_in

__all__ = ["blind_spots", "judged_since_ns", "judged_until_ns"]


def judged_since_ns(history: History) -> int:
    """The begin of the first phase; of the recording, if there is none."""
    return min((phase.begin_ns for phase in history.phases), default=history.began_ns)


def judged_until_ns(history: History) -> int:
    """The end of the last phase or fault; of the recording, if none has an end."""
    ends = [phase.end_ns for phase in history.phases if phase.end_ns is not None]
    ends += [fault.healed_ns for fault in history.faults if fault.healed_ns is not None]
    return max(ends, default=history.ended_ns)


def blind_spots(history: History, kinds: Iterable[str], since_ns: int, until_ns: int) -> Iterator[str]:
    """Why the watch of some kind does not carry a PASS over a span, in words."""
    for kind in kinds:
        gaps = gaps_in(history, kind, since_ns, until_ns)
        if gaps:
            lost_s = sum(seconds(gap.until_ns - gap.since_ns) for gap in gaps)
            yield f"the watch of {kind}s had {plural(len(gaps), 'gap')} ({lost_s:.1f} s) in the time that is judged"
        elif not covered(history, kind, since_ns, until_ns):
            yield f"the watch of {kind}s did not cover the time that is judged"
