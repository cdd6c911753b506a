"""Always: what a client no longer waits for is no longer computed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import polars as pl

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.traffic.engine_agrees import seen_whole
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.engine_counts import LAG_NS, EngineLife, EngineReading, engine_lives, rise
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.routing import of_service
from chaos.semantics.engines import ENGINES
from loadgen.origin import HostDirect

__all__ = ["SlotsFreed", "SlotsFreedDetail"]

DISCONNECTED = "disconnected"
"""The outcome of a request whose client went away on purpose, at `end_ns`."""

SETTLE = "a trial whose clients disconnect, of a server that shows how many requests it runs, alone on it"

NOTHING = unknown("the disconnects", "no client disconnected", SETTLE)

BUSY = "traffic that goes on after the last disconnect"

READINGS_MIN = 3
"""Fewer readings that show too much are no proof of it."""

APART_NS = round(1.5 * NS)
"""Readings of several replicas that are no further apart are taken for one."""


@dataclass(frozen=True, slots=True)
class SlotsFreedDetail:
    """How many clients disconnected, after how many of them the slots were seen free in time, and how many are held.

    `held` is the least number of requests that run at the end without a client, beyond those of others before the first
    disconnect; None where that is not known. `slowest_s` is the longest time until the slots were seen free.
    """

    disconnects: int
    freed: int
    held: int | None
    slowest_s: float | None


class _Moment(NamedTuple):
    """What all servers ran at about one moment, and how many requests clients surely, and at most, waited for.

    `waiting` is what they had yet to run, None where one does not tell; `begun` are requests of which clients had a
    token by then, so that they were surely run.
    """

    asked_ns: int
    at_ns: int
    running: float
    waiting: float | None
    begun: int
    surely: int
    perhaps: int

    def free(self, *, direct: bool) -> bool:
        """Whether all that ran had a client. What waits for a server is run by none, and may hide what is not freed.

        `direct`: nobody stands in front of the servers, with whom requests may wait.
        """
        whole = None if self.waiting is None or not direct else self.running + self.waiting
        return (self.running <= self.begun and not self.waiting) or (whole is not None and whole <= self.surely)


@dataclass(frozen=True, slots=True)
class SlotsFreed:
    """Within `within_s` of each disconnect the servers run no more requests than clients still wait for.

    A leak is what stays. FAIL where, from `within_s` after the last disconnect to the end, every reading shows more
    requests running than clients may have had, by more than the most that others had before the first disconnect, by no
    more than there were disconnects, and while no request of others ended, or, of a server that does not count that,
    while it generated nothing, where the server writes what it runs even so, or had something to do since. UNKNOWN
    without disconnects, or where no reading in time decides: others ask these
    servers too, a replica was not read, was restarted meanwhile, or the server does not say how many it runs. Requests
    may wait to be run, in the servers or with whatever stands in front: those prove nothing until they have a token.
    """

    name: ClassVar[str] = "slots-freed"
    Detail: ClassVar[type] = SlotsFreedDetail

    within_s: float = 10.0

    def __call__(self, history: History) -> Finding:
        left = sorted(history.requests.filter(pl.col("outcome") == DISCONNECTED)["end_ns"].to_list())
        lives = engine_lives(history)
        moments = list(_moments(history, lives)) if left else []
        known = [one for life in lives for one in life.processes]
        ends = [(one.readings[-1].asked_ns, one.until_ns) for one in known if one.until_ns is not None]
        free = [one for one in moments if one.free(direct=_direct(history))]
        times = [_freed_s(free, at_ns, self.within_s, ends) for at_ns in left]
        freed = [time_s for time_s in times if time_s is not None]
        held = _held(moments, left, self.within_s)
        return finding(
            self.name,
            "What a client no longer waits for is no longer computed.",
            seen_whole(history, list(self._owed(history, left, times, held, moments))) if left else (),
            Summary(
                f"{plural(len(left), 'disconnect')}, slots seen free after {len(freed)}"
                + (f"; {held} held at the end" if held else ""),
                f"free within {self.within_s:g} s",
                detail=SlotsFreedDetail(len(left), len(freed), held, max(freed, default=None)),
            ),
            nothing=NOTHING,
        )

    def _owed(
        self,
        history: History,
        left: Sequence[int],
        times: Sequence[float | None],
        held: int | None,
        moments: Sequence[_Moment],
    ) -> Iterator[Obligation]:
        if not moments:
            yield unknown("the servers", "not every server that was asked shows how many requests it runs", SETTLE)
            return
        others = _others(history, left[-1] + round(self.within_s * NS)) if held else ""
        if others:
            yield unknown("the servers", f"{plural(held or 0, 'request')} ran without a client, but {others}", SETTLE)
        elif held and held <= len(left) and (idle := _idle(history, left[-1] + round(self.within_s * NS))):
            text = f"{plural(held, 'request')} showed as running without a client, but {', '.join(idle)}"
            yield unknown("the servers", f"{text} did nothing since, and may not have written anew what it runs", BUSY)
        elif held and held <= len(left):
            last = moments[-1]
            reason = (
                f"{plural(held, 'request')} still ran without a client from {self.within_s:g} s after the last of"
                f" {plural(len(left), 'disconnect')} to the end"
            )
            words = f"{last.running:g} requests ran, of which at most {last.perhaps} had a client"
            moment = (Evidence(last.at_ns, words),)
            yield Obligation("the servers", Answer.FAIL, reason, measured=f"{held} held", bound="0", evidence=moment)
        if open_ := sum(time_s is None for time_s in times):
            shows = f"no reading within {self.within_s:g} s shows that nothing runs without a client"
            yield unknown("the disconnects", f"after {plural(open_, 'disconnect')} {shows}", SETTLE)
        for at_ns, time_s in zip(left, times, strict=True):
            if time_s is not None:
                at_s = seconds(at_ns - history.began_ns)
                yield Obligation(f"disconnect at {at_s:.1f} s", measured=f"free within {time_s:.1f} s")


def _moments(history: History, lives: Sequence[EngineLife]) -> Iterator[_Moment]:
    """Rounds of readings: each of one replica with the nearest of the others; none where one of them is missing.

    Nor where a replica may have served that was not read then.
    """
    if not lives or any(one.running is None for life in lives for one in life.readings):
        return
    # Also those whose outcome nobody waited for: the servers may have them still.
    sent = history.requests.filter(pl.col("sent_ns").is_not_null())
    canaries = (*history.canary.requests, *history.canary.held) if history.canary else ()
    starts = sorted([*sent["sent_ns"].to_list(), *(one.sent_ns for one in canaries)])
    ends = sorted([*sent["end_ns"].to_list(), *(one.end_ns for one in canaries)])
    # A client that tries again may have a request at any time until its last one ended.
    again = sent.filter(pl.col("last_end_ns").is_not_null())
    tried, given_up = sorted(again["end_ns"].to_list()), sorted(again["last_end_ns"].to_list())
    streamed = sent.filter(pl.col("first_token_ns").is_not_null())
    firsts, lasts = sorted(streamed["first_token_ns"].to_list()), sorted(streamed["end_ns"].to_list())
    times = {life.uid: [one.at_ns for one in life.readings] for life in lives}
    pods = {life.uid: life for life in pod_lives(history)}
    clock = max(lives, key=lambda life: len(life.readings))
    for one in clock.readings:
        serving = {uid for uid, pod in pods.items() if _serving(pod, one.at_ns)}
        asked = [life for life in lives if life.uid in serving or _alive(history, life, one.at_ns)]
        found = [_nearest(life, times[life.uid], one.at_ns) for life in asked]
        known = [reading for reading in found if reading is not None]
        if not known or len(known) < len(found) or not serving <= times.keys():
            continue
        waiting = [reading.waiting for reading in known if reading.waiting is not None]
        begin, end = min(reading.asked_ns for reading in known), max(reading.at_ns for reading in known)
        yield _Moment(
            begin,
            end,
            sum(reading.running or 0.0 for reading in known),
            sum(waiting) if len(waiting) == len(known) else None,
            max(0, bisect_right(firsts, begin) - bisect_left(lasts, end)),
            max(0, bisect_right(starts, begin) - bisect_left(ends, end)),
            bisect_right(starts, end)
            - bisect_left(ends, begin - LAG_NS)
            + bisect_right(tried, end)
            - bisect_left(given_up, begin - LAG_NS),
        )


def _idle(history: History, since_ns: int) -> list[str]:
    """The replicas that show requests to the end, and did nothing since a moment, so that these may be of before it."""
    live = {engine.title for engine in ENGINES if engine.live_gauges}
    found = []
    for life in engine_lives(history):
        shown = bool(life.readings) and life.readings[-1].running
        ended = life.processes[-1].until_ns is not None if life.processes else True
        risen = any(
            rise(one, name, max(since_ns, one.readings[0].at_ns))
            for one in life.processes
            for name in ("whole", "tokens")
        )
        if shown and not ended and not risen and life.engine not in live:
            found.append(life.pod)
    return found


def _direct(history: History) -> bool:
    """Whether requests go to the servers by their own Service alone, as far as is known."""
    others = (one.url for one in history.streams if one.origin == HostDirect.name)
    return not history.roles and all(of_service(history, url) for url in others)


def _serving(pod: PodLife, at_ns: int) -> bool:
    """Whether a replica may have answered somebody at a moment: Ready, or on its way out since."""
    spans = [*pod.ready_spans]
    if spans and pod.terminating_ns is not None:
        spans.append((pod.terminating_ns, pod.gone_ns))
    return any(begin_ns <= at_ns and (end_ns is None or at_ns < end_ns) for begin_ns, end_ns in spans)


def _others(history: History, since_ns: int) -> str:
    """What shows that the servers worked for others than these clients from a moment on, in words; empty: nothing."""
    processes = [one for life in engine_lives(history) for one in life.processes if one.readings[-1].at_ns >= since_ns]
    ends = [rise(one, name, since_ns) for one in processes for name in ("whole", "cut")]
    if any(rise(one, "whole") is not None for one in processes):
        counted = round(sum(risen for risen in ends if risen is not None))
        begins = [one.at_ns for process in processes for one in process.readings if one.at_ns <= since_ns]
        from_ns = min(begins[-1:] or [since_ns]) - LAG_NS
        canaries = (*history.canary.requests, *history.canary.held) if history.canary else ()
        ours = history.requests.filter(pl.col("end_ns") >= from_ns).height
        ours += sum(one.end_ns >= from_ns for one in canaries)
        return f"{plural(counted - ours, 'request')} of others ended meanwhile" if counted > ours else ""
    tokens = [rise(one, "tokens", since_ns) for one in processes]
    if any(risen is None for risen in tokens):
        return "nothing shows whether others asked these servers"
    return "the servers went on generating, perhaps for others" if any(tokens) else ""


def _alive(history: History, life: EngineLife, at_ns: int) -> bool:
    """Whether the server of a replica may have run then, as far as it was ever seen to."""
    if not life.processes:
        return True
    first, last = life.processes[0], life.processes[-1]
    begin_ns = first.readings[0].asked_ns if first.new else history.began_ns
    return begin_ns - APART_NS <= at_ns and (last.until_ns is None or at_ns <= last.until_ns)


def _nearest(life: EngineLife, times: Sequence[int], at_ns: int) -> EngineReading | None:
    """The reading that is nearest to a moment, None if there is none at about that time."""
    k = bisect_left(times, at_ns)
    near = min(life.readings[max(0, k - 1) : k + 1], key=lambda one: abs(one.at_ns - at_ns), default=None)
    return near if near is not None and abs(near.at_ns - at_ns) <= APART_NS else None


def _freed_s(free: Sequence[_Moment], left_ns: int, within_s: float, ends: Sequence[tuple[int, int]]) -> float | None:
    """How long after a disconnect no more ran than clients waited for, None if that was not seen in time.

    Nor is it seen where a server ended meanwhile, which frees all its slots.
    """
    due_ns = left_ns + round(within_s * NS)
    for one in free:
        if left_ns <= one.asked_ns <= due_ns:
            died = any(begin_ns <= one.at_ns and end_ns >= left_ns for begin_ns, end_ns in ends)
            return None if died else round(seconds(one.at_ns - left_ns), 3)
    return None


def _held(moments: Sequence[_Moment], left: Sequence[int], within_s: float) -> int | None:
    """The least that ran at the end without a client, beyond the most that others had before the first disconnect."""
    if not left:
        return None
    before = [max(0.0, one.running - one.surely) for one in moments if one.at_ns < left[0]]
    after = [one.running - one.perhaps for one in moments if one.asked_ns >= left[-1] + round(within_s * NS)]
    if not before or len(after) < READINGS_MIN:
        return None
    return max(0, round(min(after) - max(before)))
