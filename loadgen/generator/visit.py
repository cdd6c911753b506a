"""What becomes of one question of one user: the exchange, the attempts after it, and the one record of all of it.

Only the generator process imports this.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import gevent  # type: ignore[import-untyped]

from chaos.clock import NS
from loadgen.answers import Answer
from loadgen.behaviour import Retries, chance_of
from loadgen.generator.http_exchange import Exchange, Transport
from loadgen.generator.source import Prepared, Source
from loadgen.nonces import Owner
from loadgen.records import GOOD, TURN, Ending, Outcome, Record, record_of

__all__ = ["GivenUp", "Sender", "Tally", "Turn", "Visit"]

log = logging.getLogger(__name__)


class GivenUp(BaseException):
    """Thrown into a request that is still in flight when the generator stops."""


@dataclass(slots=True)
class Tally:
    """What happened since the generator started, and the lags since they were last taken; `sent` counts arrivals."""

    sent: int = 0
    done: int = 0
    lags_ns: list[int] = field(default_factory=list)


class Turn(NamedTuple):
    """One question: number `number` (from 0) of arrival number `arrival`, with all that was said before it."""

    stream: str
    arrival: int
    intended_ns: int
    made: Prepared
    number: int = 0
    said: tuple[str, ...] = ()


class Sender:
    """Sends questions; `streams` are the names of all that have begun, in which a foreign nonce is looked for."""

    def __init__(
        self, transport: Transport, source: Source, now_ns: Callable[[], int], streams: Collection[str]
    ) -> None:
        self.transport, self.source, self.now_ns, self.streams = transport, source, now_ns, streams
        self.profile = profile = source.profile
        self.expected = profile.status_expected
        self.timeout_ns = round(profile.timeout_s * NS)
        self.patience_ns = None if profile.patience_s is None else round(profile.patience_s * NS)
        self.tally = Tally()

    def visit(self, turn: Turn) -> "Visit":
        """One that is yet to be run."""
        return Visit(self, turn)

    def exchange(self, made: Prepared) -> Exchange:
        """An exchange for this request."""
        answer = self.profile.answer()
        if made.has_nonce or made.asked:
            answer.said = {}
        exchange = Exchange(self.transport, made.raw, made.method, answer, self.expected)
        exchange.leaves_after = made.leaves_after
        return exchange


class Visit:
    """One question on its way. `run` once, then `record`, then `settle`."""

    __slots__ = ("_again", "_ending", "_exchange", "_first", "_sender", "_turn")

    def __init__(self, sender: Sender, turn: Turn) -> None:
        self._sender, self._turn = sender, turn
        self._exchange = sender.exchange(turn.made)
        self._ending: Ending = "own-fault"
        self._first: Record | None = None
        self._again: tuple[int, Outcome, int] | None = None

    @property
    def body_bytes(self) -> int:
        """How much of a body was received at the first attempt."""
        return self._exchange.seen.body_bytes

    @property
    def said(self) -> str:
        """The text of the answer, where a conversation goes on from it."""
        return "".join((self._exchange.answer.said or {}).get("content", ()))

    def run(self) -> None:
        """Send it, and again as clients do."""
        self._ending = self._run()
        retries = self._sender.profile.retries
        if retries is None or self._ending in {"own-fault", "left"}:
            return
        self._first = record = self._judged(self._exchange, self._ending)
        if retries.again(record.outcome, record.status):
            self._exchange.settle(self._ending)
            self._try_again(retries, record)

    def _run(self) -> Ending:
        seen, sender = self._exchange.seen, self._sender
        left_ns = self._turn.intended_ns + sender.timeout_ns - sender.now_ns()
        if left_ns <= 0:
            seen.error = "the generator reached it after its time limit"
            return "own-fault"
        sender.tally.sent += self._turn.number == 0
        sender.tally.lags_ns.append(sender.timeout_ns - left_ns)
        try:
            ending = self._exchange.run(left_ns / NS)
        except GivenUp:
            seen.error = "the generator stopped first"
        except Exception:
            log.exception("a defect of the generator, recorded as unsent")
            seen.error = "a defect of the generator: see generator.log"
        else:
            sender.tally.sent -= seen.sent_ns is None and self._turn.number == 0
            return ending
        return "own-fault"

    def _try_again(self, retries: Retries, first: Record) -> None:
        turn, sender, record = self._turn, self._sender, first
        chance = chance_of(sender.source.texts.seed, turn.stream, turn.arrival, f"retries {turn.number}")
        attempt, asked_s = 1, self._exchange.seen.retry_after_s
        self._again = attempt, record.outcome, record.end_ns
        try:
            while attempt < retries.attempts and retries.again(record.outcome, record.status):
                gevent.sleep(retries.wait_s(attempt, asked_s, chance))
                attempt += 1
                self._again = attempt, "unsent", sender.now_ns()
                exchange = sender.exchange(turn.made)
                ending = exchange.run(sender.timeout_ns / NS)
                record, asked_s = self._judged(exchange, ending), exchange.seen.retry_after_s
                self._again = attempt, record.outcome, record.end_ns
                if record.echo == "foreign":  # whichever attempt it was that gave another's away
                    self._first = first._replace(echo=record.echo, error=record.error)
                exchange.settle(ending)
        except GivenUp:
            log.info("the generator stopped while a client tried again")

    def record(self) -> Record:
        """The one record of it: what became of the first attempt, and beside it of the last."""
        record = self._first or self._judged(self._exchange, self._ending)
        if self._again is not None:
            attempts, outcome, end_ns = self._again
            record = record._replace(attempts=attempts, last_outcome=outcome, last_end_ns=end_ns)
        return record

    def settle(self) -> None:
        """Let the connection end in order."""
        self._exchange.settle(self._ending)

    def _judged(self, exchange: Exchange, ending: Ending) -> Record:
        turn, sender = self._turn, self._sender
        record = record_of(
            index=turn.arrival + turn.number * TURN,
            stream=turn.stream,
            intended_ns=turn.intended_ns,
            ended_ns=sender.now_ns(),
            ending=ending,
            seen=exchange.seen,
            answer=exchange.answer,
            expected=sender.expected,
            patience_ns=sender.patience_ns,
            turn=turn.number,
            leaves_after=turn.made.leaves_after,
        )
        return self._echoed(record, exchange.answer) if turn.made.has_nonce else record

    def _echoed(self, record: Record, answer: Answer) -> Record:
        """The record with what the answer holds of nonces: one of another request is worse than no answer."""
        own = Owner(self._turn.stream, self._turn.arrival)
        texts = ["".join(parts) for parts in (answer.said or {}).values()]
        echo, owner = self._sender.source.texts.nonces.echo(texts, own, self._sender.streams)
        if owner is not None:
            error = f"the answer holds the nonce of {owner.stream} request {owner.arrival}"
            return record._replace(outcome="foreign", error=error, echo=echo)
        return record._replace(echo=echo) if record.outcome in GOOD else record
