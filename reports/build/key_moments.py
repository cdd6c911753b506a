"""What broke first: the key moments of a trial, in order of time."""

from collections.abc import Iterator, Sequence

from chaos.history import History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import BAD
from reports.formatting import count, plural
from reports.model.parts import BudgetSeries, Moment

__all__ = ["story"]

MOMENTS_SHOWN = 14
"""Most moments that are shown; the earliest are kept, since the reader looks for the first."""
FAULTS_SHOWN = 3
"""Most faults that are shown one by one."""


def story(history: History, budgets: Sequence[BudgetSeries]) -> tuple[Moment, ...]:
    """The moments, in order of time: faults, losses of replicas, evictions, bad requests, lost load workers, gaps."""
    begin_ns = min((fault.begin_ns for fault in history.faults), default=history.began_ns)
    moments = [
        *_faults(history),
        *(_evictions(budgets) or _first_loss(history, begin_ns)),
        *_replicas(history, begin_ns),
        *_requests(history),
        *_workers(history),
        *_gaps(history),
    ]
    return tuple(sorted(moments, key=lambda moment: moment.at_ns)[:MOMENTS_SHOWN])


def _faults(history: History) -> Iterator[Moment]:
    for fault in history.faults[:FAULTS_SHOWN]:
        yield Moment(fault.begin_ns, f"{fault.id} began: {fault.words}")
        if fault.result and fault.result_ns is not None:
            yield Moment(fault.result_ns, f"{fault.id} {fault.result}: {fault.result_words}")
        if fault.missed:
            yield Moment(fault.begin_ns, f"{fault.id} did not land: {fault.missed}")
    if len(history.faults) > FAULTS_SHOWN:
        later = history.faults[FAULTS_SHOWN]
        yield Moment(later.begin_ns, f"and {plural(len(history.faults) - FAULTS_SHOWN, 'more fault')} from here on")


def _replicas(history: History, begin_ns: int) -> Iterator[Moment]:
    """The first dip below what was desired, its lowest, and when it was over."""
    short = ready_replicas(history).minus(desired_replicas(history))
    dips = [span for span in short.spans_below(0) if span[1] is None or span[1] > begin_ns]
    for since_ns, until_ns in dips[:1]:
        over_ns = history.ended_ns if until_ns is None else until_ns
        from_ns = max(since_ns, begin_ns)
        desired, ready = desired_replicas(history).value_at(from_ns), ready_replicas(history)
        lowest = ready.min(from_ns, over_ns - 1)
        yield Moment(from_ns, f"ready replicas fell to {ready.value_at(from_ns)} of {desired}")
        deepest_ns = next((at for at, value in ready.points if at > from_ns and value == lowest), None)
        if deepest_ns is not None and deepest_ns < over_ns and lowest != ready.value_at(from_ns):
            yield Moment(deepest_ns, f"ready replicas at their lowest: {lowest} of {desired}")
        back = "all desired replicas ready again" if until_ns else "the record ends with replicas still missing"
        yield Moment(over_ns, back + (f"; {plural(len(dips) - 1, 'more dip')} later" if len(dips) > 1 else ""))


def _first_loss(history: History, begin_ns: int) -> list[Moment]:
    """The first lost replica, for a trial without evictions: it was terminated, or was gone at once."""
    gone = [
        (life.lost_ns, life) for life in pod_lives(history) if life.lost_ns is not None and life.lost_ns >= begin_ns
    ]
    if not gone:
        return []
    at_ns, life = min(gone, key=lambda pair: pair[0])
    how = "terminated" if life.terminating_ns is not None else "gone at once"
    return [Moment(at_ns, f"first of {plural(len(gone), 'replica')} lost, {how}: {life.name}")]


def _evictions(budgets: Sequence[BudgetSeries]) -> list[Moment]:
    """The first eviction of each answer."""
    seen: set[str] = set()
    first = []
    marks = sorted((mark for budget in budgets for mark in budget.evictions), key=lambda mark: mark.at_ns)
    for mark in marks:
        if mark.answer not in seen:
            seen.add(mark.answer)
            total = sum(other.answer == mark.answer for other in marks)
            first.append(Moment(mark.at_ns, f"first of {plural(total, 'eviction')} {mark.answer}: {mark.pod}"))
    return first


def _requests(history: History) -> Iterator[Moment]:
    """The first and the last request that was not answered in full; the generator's own failures are not users'."""
    bad = history.requests.filter(BAD).sort("intended_ns")
    if bad.is_empty():
        return
    first, last = bad.row(0, named=True), bad.row(-1, named=True)
    error = f", {first['error']}" if first["error"] else ""
    yield Moment(
        first["intended_ns"], f"first of {count(bad.height)} bad requests, by intended start: {first['outcome']}{error}"
    )
    if bad.height > 1:
        yield Moment(
            last["intended_ns"], f"last of {count(bad.height)} bad requests, by intended start: {last['outcome']}"
        )


def _workers(history: History) -> Iterator[Moment]:
    """Lost load workers: the requests that they did not send are no failures of the service."""
    for worker in history.load_workers:
        if worker.lost_ns is not None:
            which = f"load worker {worker.number} of {worker.workers}"
            yield Moment(worker.lost_ns, f"{which} was lost with the requests it had yet to send: {worker.lost}")


def _gaps(history: History) -> Iterator[Moment]:
    for since_ns, until_ns in dict.fromkeys((gap.since_ns, gap.until_ns) for gap in history.gaps):
        kinds = ", ".join(sorted({gap.kind for gap in history.gaps if gap.since_ns == since_ns}))
        yield Moment(since_ns, f"the watch of {kinds} missed {(until_ns - since_ns) / 1e9:.1f} s")
