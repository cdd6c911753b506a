"""What the servers say of themselves, by replica, and the last words of containers that ended."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.container_ends import ContainerEnd, container_ends
from chaos.history.facts.engine_counts import EngineLife, engine_lives, token_rates
from chaos.semantics.log_causes import logged_causes
from reports.model.engine import EngineLine, EngineSeries, LastWords
from reports.model.parts import Buckets, Lanes, Missing, PodLane

__all__ = ["engine_series", "last_words"]

QUANTITIES = ("running", "waiting", "cache_use", "tokens")

LINES_DRAWN = 6
"""Most replicas that have a line each; of more the most, the median and the least are drawn."""

HELD_NS = round(2.5 * NS)
"""A reading holds so long where none follows: replicas are asked about once a second."""

HOLES_MOST = 50

ENDS_SHOWN = 30
LINES_SHOWN = 15
LINE_SHOWN = 400
"""Characters of a line that the page shows; the file has the rest."""

Values = Sequence[tuple[int, float]]


def engine_series(history: History, buckets: Buckets, lanes: Lanes[PodLane]) -> tuple[EngineSeries, ...]:
    """Each quantity that any server tells."""
    lives = engine_lives(history)
    missing = tuple(_missing(history, lives))
    engine = ", ".join(dict.fromkeys(life.engine for life in lives if life.engine))
    labels = {lane.uid: lane.label for lane in lanes.shown}
    found = []
    for quantity in QUANTITIES:
        told = [(labels.get(life.uid, life.pod), _values(life, quantity)) for life in lives]
        lines = [EngineLine(name, _column(values, buckets)) for name, values in told if values]
        if lines:
            drawn = tuple(lines) if len(lines) <= LINES_DRAWN else _folded(lines)
            found.append(EngineSeries(quantity, engine, len(lines), drawn, missing))
    return tuple(found)


def _values(life: EngineLife, quantity: str) -> Values:
    if quantity == "tokens":
        return token_rates(life)
    pairs = ((one.at_ns, getattr(one, quantity)) for one in life.readings)
    return [(at_ns, value) for at_ns, value in pairs if value is not None]


def _column(values: Values, buckets: Buckets) -> tuple[float | None, ...]:
    """The highest value of each bucket; of one without any that of the last reading, as long as it holds."""
    column: list[float | None] = [None] * buckets.count
    for at_ns, value in values:
        k = min(max((at_ns - buckets.begin_ns) // buckets.width_ns, 0), buckets.count - 1)
        known = column[k]
        column[k] = round(value if known is None else max(known, value), 4)
    times = [at_ns for at_ns, _ in values]
    for k, known in enumerate(column):
        begin_ns = buckets.begin_ns + k * buckets.width_ns
        last = bisect_right(times, begin_ns) - 1
        if known is None and last >= 0 and begin_ns - times[last] <= HELD_NS:
            column[k] = round(values[last][1], 4)
    return tuple(column)


def _folded(lines: Sequence[EngineLine]) -> tuple[EngineLine, ...]:
    folds: tuple[tuple[str, Callable[[list[float]], float]], ...] = (("most", max), ("median", median), ("least", min))
    rows = [[value for value in row if value is not None] for row in zip(*(one.values for one in lines), strict=True)]
    return tuple(EngineLine(name, tuple(fold(row) if row else None for row in rows)) for name, fold in folds)


def _missing(history: History, lives: Sequence[EngineLife]) -> Iterator[Missing]:
    """Spans in which no replica showed its metrics, with what was said instead."""
    times = sorted(one.at_ns for life in lives for one in life.readings)
    errors = sorted(one for life in lives for one in life.errors)
    holes = 0
    for begin_ns, end_ns in pairwise((history.began_ns, *times, history.ended_ns)):
        if end_ns - begin_ns > HELD_NS and holes < HOLES_MOST:
            holes += 1
            said = next((text for at_ns, text in errors if begin_ns <= at_ns <= end_ns), "nobody was asked")
            yield Missing(begin_ns, end_ns, f"no replica showed its metrics: {said}")


def last_words(history: History) -> tuple[LastWords, ...]:
    """The containers that ended, in order of time; of many those whose logs name a cause, then those that failed."""
    found = [_words(end) for end in container_ends(history)]
    if len(found) > ENDS_SHOWN:
        found = sorted(found, key=lambda one: (not one.causes, one.how.startswith("exit code 0")))[:ENDS_SHOWN]
    return tuple(sorted(found, key=lambda one: one.at_ns))


def _words(end: ContainerEnd) -> LastWords:
    log = end.log
    how = "its pod was gone before it told how" if end.code is None else f"exit code {end.code}"
    how += f", {end.reason}" if end.reason else ""
    notes = [log.reason if log else "no log of it is kept"]
    notes += ["lines in the middle are not kept"] if log and log.cut else []
    return LastWords(
        at_ns=end.at_ns,
        pod=end.pod,
        uid=end.uid,
        container=end.container if not end.run else f"{end.container}, run {end.run + 1}",
        how=how,
        causes=tuple((one.words, one.line) for one in logged_causes(log.tail)) if log else (),
        lines=tuple(map(_short, log.tail[-LINES_SHOWN:])) if log else (),
        file=f"logs/{log.file}" if log else "",
        note="; ".join(note for note in notes if note),
    )


def _short(line: str) -> str:
    return line if len(line) <= LINE_SHOWN else f"{line[:LINE_SHOWN]} […]"
