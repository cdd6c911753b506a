"""What the servers said of themselves: gauges as they were read, and by how much their counters rose.

A counter begins at zero with its process. It was reset where it fell, where `process_start_time_seconds` changed, or,
for a server that does not expose that, where a container of its pod was restarted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chaos.clock import NS
from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.model import History
from chaos.history.samples import EngineNames, EngineSample, SeriesName

__all__ = [
    "LAG_NS",
    "LAG_S",
    "STARTED",
    "EngineLife",
    "EngineProcess",
    "EngineReading",
    "engine_lives",
    "rise",
    "token_rates",
]

STARTED = "process_start_time_seconds"
"""When the process started, as Prometheus' client libraries expose it."""

LAG_S = 1.0
LAG_NS = round(LAG_S * NS)
"""So long after its end a request may not be counted yet: servers sum up once a step, some in another process."""

NEWS_NS = 5 * NS
"""So much later than its new process answers the watch may tell of a restart; a second one is backed off for longer."""

COUNTERS = ("tokens", "whole", "cut", "preempted")


@dataclass(frozen=True, slots=True)
class EngineReading:
    """One answer: gauges, then counters since its process began. None: the server does not tell.

    Attributes:
        asked_ns, at_ns: asked for and received; what it says is of some moment in between.
        running, waiting: requests that are computed, and that wait to be.
        cache_use: share of the KV cache in use, of the fullest where there are several.
        tokens: tokens generated.
        whole, cut: requests that ended as they should, and those that were cut off or failed.
        preempted: requests whose computation was thrown away.
        started_s: when the process began, by the node's clock.
    """

    asked_ns: int
    at_ns: int
    running: float | None = None
    waiting: float | None = None
    cache_use: float | None = None
    tokens: float | None = None
    whole: float | None = None
    cut: float | None = None
    preempted: float | None = None
    started_s: float | None = None


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """One process of a server, as far as it was read: at least one reading.

    `new`: it began within the record, so that its counters say all of it. `until_ns`: when it ended at the latest, None
    if it did not; what it counted after its last reading nobody knows.
    """

    readings: tuple[EngineReading, ...]
    new: bool
    until_ns: int | None

    def blind(self, began_ns: int, ended_ns: int) -> Iterator[tuple[int, int]]:
        """The spans of a record in which what ended is not, or not surely, among what was counted."""
        if not self.new:
            yield began_ns, self.readings[0].at_ns
        yield self.readings[-1].asked_ns - LAG_NS, ended_ns if self.until_ns is None else self.until_ns


@dataclass(frozen=True, slots=True)
class EngineLife:
    """The server of one replica: its processes, and when it gave no metrics, with the reason."""

    pod: str
    uid: str
    engine: str
    processes: tuple[EngineProcess, ...]
    errors: tuple[tuple[int, str], ...]

    @property
    def readings(self) -> tuple[EngineReading, ...]:
        """All readings in order of time."""
        return tuple(one for process in self.processes for one in process.readings)


@once
def engine_lives(history: History) -> tuple[EngineLife, ...]:
    """The server of each replica that was asked, in the order in which they were first asked."""
    lives = {life.uid: life for life in pod_lives(history)}
    of_each: dict[str, list[EngineSample]] = {}
    for sample in history.engine.samples:
        of_each.setdefault(sample.uid, []).append(sample)
    return tuple(_life(history, given, lives.get(uid)) for uid, given in of_each.items())


def rise(process: EngineProcess, counter: str, since_ns: int = 0, until_ns: int | None = None) -> float | None:
    """By how much a counter rose over the readings of a span, or within the process; None: it does not tell.

    `since_ns`: from the last reading that was there by then, or the first; `until_ns`: up to the first that was asked
    for since, or the last.
    """
    values: Sequence[float | None] = [getattr(one, counter) for one in process.readings]
    if all(value is None for value in values):
        return None
    before = [k for k, one in enumerate(process.readings) if one.at_ns <= since_ns]
    after = [k for k, one in enumerate(process.readings) if until_ns is not None and one.asked_ns >= until_ns]
    first, last = before[-1] if before else None, after[0] if after else len(values) - 1
    # A counter with labels is not exposed before it first counts.
    base = 0.0 if first is None and process.new else values[first or 0] or 0.0
    return max(0.0, (values[last] or 0.0) - base)


def token_rates(life: EngineLife) -> tuple[tuple[int, float], ...]:
    """Tokens a second between each reading of a process and the one before, at the moment of the later one."""
    return tuple(
        (now.at_ns, max(0.0, now.tokens - before.tokens) * NS / (now.at_ns - before.at_ns))
        for process in life.processes
        for before, now in pairwise(process.readings)
        if now.tokens is not None and before.tokens is not None and now.at_ns > before.at_ns
    )


def _life(history: History, given: Sequence[EngineSample], life: PodLife | None) -> EngineLife:
    known = [one.engine for one in given if one.engine]
    name = known[-1] if known else ""
    names = history.engine.engines.get(name, EngineNames(name))
    readings = [_reading(one, names) for one in given if not one.error]
    restarts = sorted({at_ns for moments in (life.restarts_ns if life else {}).values() for at_ns in moments})
    return EngineLife(
        pod=given[0].pod,
        uid=given[0].uid,
        engine=names.title or name,
        processes=tuple(_processes(history, readings, restarts, life)),
        errors=tuple((one.at_ns, one.error) for one in given if one.error),
    )


def _processes(
    history: History, readings: Sequence[EngineReading], restarts: Sequence[int], life: PodLife | None
) -> Iterator[EngineProcess]:
    new = life is not None and not life.listed and life.created_ns > history.began_ns
    parts: list[list[EngineReading]] = []
    ends: list[int] = []
    told = list(restarts)
    for one in readings:
        last = parts[-1][-1] if parts else None
        if last is None or _reset(last, one, told):
            if last is not None:
                word = [at_ns for at_ns in told if last.asked_ns < at_ns <= one.at_ns + NEWS_NS]
                told = [at_ns for at_ns in told if at_ns not in word]
                ends.append(max([one.at_ns, *word]))
            parts.append([])
        parts[-1].append(one)
    if parts:
        last_ns = parts[-1][-1].at_ns
        over = [at_ns for at_ns in told if at_ns > last_ns]
        over += [life.gone_ns] if life and life.gone_ns is not None else []
        over += [history.ended_ns] if life and life.left_ns is not None and not over else []
        ends.append(max(over, default=0))
    for k, part in enumerate(parts):
        yield EngineProcess(tuple(part), new=new or k > 0, until_ns=ends[k] or None)


def _reset(before: EngineReading, now: EngineReading, restarts: Iterable[int]) -> bool:
    """Whether another process answered than before."""
    pairs = [(getattr(before, name), getattr(now, name)) for name in COUNTERS]
    if any(a is not None and b is not None and b < a for a, b in pairs):
        return True
    if before.started_s is not None and now.started_s is not None:
        return before.started_s != now.started_s
    return any(before.at_ns < at_ns <= now.at_ns for at_ns in restarts)


def _reading(sample: EngineSample, names: EngineNames) -> EngineReading:
    return EngineReading(
        asked_ns=sample.asked_ns,
        at_ns=sample.at_ns,
        running=_sum(sample, names.running),
        waiting=_sum(sample, names.waiting),
        cache_use=max(_values(sample, names.cache_use), default=None),
        tokens=_sum(sample, names.generated_tokens),
        whole=_ended(sample, names, cut=False) if names.finished_label else None,
        cut=_ended(sample, names, cut=True),
        preempted=_sum(sample, names.preemptions),
        started_s=max(_values(sample, ((STARTED, "", ""),)), default=None),
    )


def _values(sample: EngineSample, series: Sequence[SeriesName]) -> list[float]:
    """The values of the first of these series that is exposed."""
    for name, label, value in series:
        found = [n for one, labels, n in sample.values if one == name and (not label or labels.get(label) == value)]
        if found:
            return found
    return []


def _sum(sample: EngineSample, series: Sequence[SeriesName]) -> float | None:
    found = _values(sample, series)
    return sum(found) if found else None


def _ended(sample: EngineSample, names: EngineNames, *, cut: bool) -> float | None:
    """How many requests ended so; None where the counter is not exposed."""
    label = names.finished_label
    for name, _, _ in names.finished:
        found = [(labels, n) for one, labels, n in sample.values if one == name]
        if found:
            return sum(n for labels, n in found if cut == (not label or labels.get(label) in names.cut_reasons))
    return None
