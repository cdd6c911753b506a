"""The open loop: every arrival gets a greenlet at its own time, and exactly one record, whatever happens to it.

No arrival waits for an earlier one. What cannot be sent (too many in flight, no descriptor left, time up) is recorded
as `unsent`. Only the generator process imports this.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import gevent  # type: ignore[import-untyped]
import gevent.event  # type: ignore[import-untyped]

from chaos.clock import NS
from loadgen.behaviour import chance_of
from loadgen.generator.http_exchange import Transport
from loadgen.generator.source import Prepared, Source
from loadgen.generator.visit import GivenUp, Sender, Turn
from loadgen.records import GOOD, Record, Writer, unsent
from loadgen.shapes.base import Shape

__all__ = ["OpenLoop", "OpenStream"]

LAUNCHES_IN_A_ROW = 64
"""A dispatcher that is behind lets the others run after so many launches."""


@dataclass(slots=True)
class OpenStream:
    """A stream of traffic under way. `end_ns` is None until its end is set.

    Of its arrivals this process has every `workers`-th, from number `worker` on; `next_index` is yet to be launched.
    """

    name: str
    shape: Shape
    begin_ns: int
    worker: int
    workers: int
    next_index: int
    end_ns: int | None = None
    dispatcher: gevent.Greenlet | None = None
    over: gevent.event.Event = field(default_factory=gevent.event.Event)
    """Set as soon as its end is known: whoever thinks about what to ask next goes home."""

    def due(self, now_ns: int) -> int:
        """How many arrivals of its own were intended before `now_ns`, however far the dispatcher is."""
        until_ns = now_ns if self.end_ns is None else min(now_ns, self.end_ns)
        return max(0, -(-(self.shape.count(until_ns - self.begin_ns) - self.worker) // self.workers))

    def arrivals_ns(self, until_ns: int) -> Iterator[tuple[int, int]]:
        """Its own arrivals that are yet to be launched, up to a moment."""
        for index, intended_ns in self.shape.arrivals_ns(self.begin_ns, until_ns, self.next_index):
            if index % self.workers == self.worker:
                yield index, intended_ns

    def launched_ns(self) -> int:
        """When the last arrival that was launched had been intended; the begin, if none was."""
        last = self.next_index - self.workers
        return self.begin_ns + (self.shape.offset_ns(last) + 1 if last >= 0 else 0)


class OpenLoop:
    """Sends what its streams intend, and records what becomes of it."""

    def __init__(
        self,
        *,
        transport: Transport,
        source: Source,
        writer: Writer,
        now_ns: Callable[[], int],
        in_flight_max: int,
        limit_ns: int,
        on_record: Callable[[Record, int], None],
        on_broken: Callable[[str], NoReturn],
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self._transport, self._source, self._writer = transport, source, writer
        self._now_ns, self._in_flight_max, self._limit_ns = now_ns, in_flight_max, limit_ns
        self._on_record, self._on_broken = on_record, on_broken
        self._worker, self._workers = worker, workers
        self._conversation = source.profile.conversing
        self._flying: dict[gevent.Greenlet, tuple[OpenStream, int, int]] = {}
        self.streams: dict[str, OpenStream] = {}
        self._sender = Sender(transport, source, now_ns, self.streams.keys())
        self.tally = self._sender.tally

    @property
    def in_flight(self) -> int:
        """How many requests have been launched and have no record yet."""
        return len(self._flying)

    def due(self, now_ns: int) -> int:
        """How many arrivals of all streams were intended before `now_ns`."""
        return sum(stream.due(now_ns) for stream in self.streams.values())

    def begin(self, name: str, shape: Shape, begin_ns: int) -> OpenStream:
        """Let a stream flow from `begin_ns` on."""
        assert name not in self.streams, f"stream {name} began twice"
        stream = self.streams[name] = OpenStream(
            name, shape, begin_ns, self._worker, self._workers, next_index=self._worker
        )
        stream.dispatcher = gevent.spawn(self._dispatch, stream)
        stream.dispatcher.link_exception(lambda dead: self._on_broken(f"the dispatcher of {name}: {dead.exception!r}"))
        return stream

    def end(self, name: str, end_ns: int) -> int:
        """Let a stream end: no arrival at or after the returned moment, which is `end_ns` unless some were launched."""
        stream = self.streams[name]
        if stream.end_ns is None:
            stream.end_ns = max(end_ns, stream.launched_ns())
            stream.over.set()
            next_ns = stream.begin_ns + stream.shape.offset_ns(stream.next_index)
            if next_ns >= stream.end_ns and stream.dispatcher is not None:
                stream.dispatcher.kill(block=False)  # it only sleeps until an arrival that will not be
        return stream.end_ns

    def drain(self, drain_s: float) -> None:
        """End every stream, wait up to `drain_s` seconds more for what is in flight, and record all that is left."""
        now_ns = self._now_ns()
        ends_ns = [self.end(name, now_ns) for name in self.streams]
        until_ns = max([now_ns, *ends_ns]) + round(drain_s * NS)
        gevent.joinall([stream.dispatcher for stream in self.streams.values()], timeout=(until_ns - now_ns) / NS)
        while self._flying and (left_ns := until_ns - self._now_ns()) > 0:
            gevent.joinall(list(self._flying), timeout=left_ns / NS)
        self._give_up()
        self._transport.close()

    def _give_up(self) -> None:
        gevent.killall([stream.dispatcher for stream in self.streams.values()])
        gevent.killall(list(self._flying), exception=GivenUp)
        for stream, index, intended_ns in self._flying.values():  # those that never came to run
            self._record(unsent(index, stream.name, intended_ns, self._now_ns(), "the generator stopped first"), 0)
        self._flying.clear()
        for stream in self.streams.values():
            until_ns = self._limit_ns if stream.end_ns is None else stream.end_ns
            for index, intended_ns in stream.arrivals_ns(until_ns):
                stream.next_index = index + stream.workers
                self._record(unsent(index, stream.name, intended_ns, self._now_ns(), "the generator stopped first"), 0)

    def _dispatch(self, stream: OpenStream) -> None:
        in_a_row = 0
        for index, intended_ns in stream.arrivals_ns(self._limit_ns):
            made = self._source.prepared(stream.name, index, stream.shape.size(index))
            while (wait_ns := intended_ns - self._now_ns()) > 0:
                gevent.sleep(wait_ns / NS)
                in_a_row = 0
            if stream.end_ns is not None and intended_ns >= stream.end_ns:
                return
            if in_a_row == LAUNCHES_IN_A_ROW:
                gevent.sleep(0)
                in_a_row = 0
            in_a_row += 1
            stream.next_index = index + stream.workers
            self._launch(stream, index, intended_ns, made)

    def _launch(self, stream: OpenStream, index: int, intended_ns: int, made: Prepared) -> None:
        if len(self._flying) >= self._in_flight_max:
            why = f"{self._in_flight_max} requests were in flight already"
            self._record(unsent(index, stream.name, intended_ns, self._now_ns(), why), 0)
            return
        greenlet = gevent.Greenlet(self._one, stream, index, intended_ns, made)
        self._flying[greenlet] = stream, index, intended_ns
        greenlet.start()

    def _one(self, stream: OpenStream, index: int, intended_ns: int, made: Prepared) -> None:
        turn: Turn | None = Turn(stream.name, index, intended_ns, made)
        try:
            while turn is not None:
                turn = self._take(turn, stream)
        except GivenUp:
            return  # what it was about has its record
        finally:
            self._flying.pop(gevent.getcurrent(), None)

    def _take(self, turn: Turn, stream: OpenStream) -> Turn | None:
        """Send what a user asks, and think about the next question, if there is one."""
        visit = self._sender.visit(turn)
        try:
            visit.run()
        finally:  # a record for each arrival, whatever is thrown
            record = visit.record()
            talk = self._conversation
            last = talk is None or turn.number + 1 >= talk.turns or record.outcome not in GOOD or stream.over.is_set()
            if last:
                self._flying.pop(gevent.getcurrent(), None)
            self._record(record, visit.body_bytes)
            visit.settle()
        if talk is None or last:
            return None
        think_s = talk.thinks_s(chance_of(self._source.texts.seed, stream.name, turn.arrival, f"think {turn.number}"))
        intended_ns = record.end_ns + round(think_s * NS)
        said = (*turn.said, turn.made.asked, visit.said)
        made = self._source.prepared(stream.name, turn.arrival, stream.shape.size(turn.arrival), said)
        over = stream.over.wait(max(0.0, (intended_ns - self._now_ns()) / NS))
        return None if over else Turn(stream.name, turn.arrival, intended_ns, made, turn.number + 1, said)

    def _record(self, record: Record, body_bytes: int) -> None:
        try:
            self._writer.write(record)
        except OSError as error:
            self._on_broken(f"requests.jsonl cannot be written: {error}")
        self.tally.done += record.turn == 0
        self._on_record(record, body_bytes)

    def sample(self, now_ns: int, cpu_share: float) -> dict[str, Any]:
        """The generator's own state for generator.jsonl; the lags are those since the last sample."""
        lags, self.tally.lags_ns = sorted(self.tally.lags_ns), []
        return {
            "at_ns": now_ns,
            "due": self.due(now_ns),
            "sent": self.tally.sent,
            "done": self.tally.done,
            "in_flight": self.in_flight,
            "lag_p50_ns": _percentile(lags, 0.5),
            "lag_p99_ns": _percentile(lags, 0.99),
            "lag_max_ns": lags[-1] if lags else None,
            "cpu_share": round(cpu_share, 4),
            "opened": self._transport.opened,
            "reused": self._transport.reused,
            "worker": self._worker,
        }


def _percentile(ordered: list[int], share: float) -> int | None:
    """The nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
