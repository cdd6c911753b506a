"""What an SLO asks of the further turns of conversations, whose number depends on the service.

A user asks on only after an answer, so a slow service gets fewer of them: as in any closed loop, that they are inside
the SLO proves nothing of latency. That they are outside of it does.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.checks.traffic.accounting import IMPOSSIBLE
from chaos.checks.traffic.declared_zero import turned_away
from chaos.checks.traffic.generator_health import LAG_NS, START_LAG_MAX_S
from chaos.checks.verdict import Answer, Obligation
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History
from chaos.history.sli import INDICATORS, OF_ARRIVALS, meant_within
from chaos.slo import REQUESTS_FOR_P99, Slo, error_budget, nearest_rank, read_slo, requests_that_show

__all__ = ["later_turns"]


def later_turns(history: History, slo: Slo, span: tuple[int, int] | None, *, behind: bool) -> Iterator[Obligation]:
    """That they do not miss the SLO; listed only where there are any. `behind`: the generator was, so none is slow."""
    rows = history.requests.filter(~OF_ARRIVALS & ~IMPOSSIBLE & ~turned_away(history, slo))
    rows = rows.filter(meant_within(*span)) if span else rows
    # One that the generator started late may be slow by its doing.
    rows = rows.filter((LAG_NS <= START_LAG_MAX_S * NS).fill_null(value=True))
    reading = read_slo(rows, slo)
    if not reading.asked:
        return
    missed = []
    for share, count, of, words in (
        (slo.availability, reading.bad, reading.valid, "bad request"),
        (None if slo.shed_max is None else 1 - slo.shed_max, reading.shed, reading.asked, "shed request"),
    ):
        # The first of a few is no share.
        may = 0 if share is None else error_budget(share, max(of, requests_that_show(share)))
        if share is not None and count > may:
            missed.append(f"{plural(count, words)}, {may} allowed")
    for name, one in reading.times.items():
        count = max(one.count, REQUESTS_FOR_P99)
        over = reading.bad if behind else one.over
        if over > count - nearest_rank(count):
            missed.append(f"{INDICATORS[name][0]}: {plural(over, 'request')} over {one.objective_s:g} s")
    if slo.goodput is not None and reading.meeting is not None and not behind:
        short = reading.valid - reading.meeting
        if short > error_budget(slo.goodput, max(reading.valid, REQUESTS_FOR_P99)):
            missed.append(f"goodput: {plural(short, 'request')} missed a limit")
    words = plural(reading.asked, "further turn")
    if missed:
        yield Obligation("further turns", Answer.FAIL, f"of {words}: {'; '.join(missed)}", measured=words)
    else:
        yield Obligation("further turns", measured=f"{words}, {reading.bad} bad", bound="no objective missed")
