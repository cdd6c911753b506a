"""Always: no answer that the servers count as cut off was taken for a whole one by its client."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import (
    Summary,
    after_s,
    finding,
    judged_since_ns,
    judged_until_ns,
    undecided,
    unknown,
    watched,
)
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.engine_counts import LAG_NS, EngineLife, EngineProcess, engine_lives, rise
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.sli import GOOD, SENT

__all__ = ["EngineAgrees", "EngineAgreesDetail", "EngineCounts", "seen_whole"]

SETTLE = "a trial of a server that counts how its requests end, asked to the end of each replica"

ANSWER = ("sent_ns", "end_ns", "replica")

ALONE = "a trial in which nobody else asks these servers"


@dataclass(frozen=True, slots=True)
class EngineCounts:
    """What the server of one replica counted within the record; None: it does not tell. `last_s`: its last reading."""

    pod: str
    whole: int | None
    cut: int | None
    preempted: int | None
    last_s: float | None


@dataclass(frozen=True, slots=True)
class EngineAgreesDetail:
    """Both sides: by replica what the servers counted; whole answers of the clients and requests without one."""

    replicas: tuple[EngineCounts, ...]
    clients_whole: int
    clients_without: int


@dataclass(frozen=True, slots=True)
class EngineAgrees:
    """Clients took for whole no more answers than the servers count as ended in order.

    The counters are the servers' own, read about once a second; of requests in the second before a reading it is not
    known whether they are in it. FAIL where clients, canaries among them, have more whole answers than the servers, by
    no more than what these cut off, and the counts did not differ so in the baseline. Requests of others (neighbours,
    health checks) are counted by the servers too, so that they can hide a difference, but never make one: where servers
    cut something off and count more whole answers than the clients have, UNKNOWN. UNKNOWN too for answers that a
    replica may have given after its last reading, for one without any, and of a server that does not count how
    requests end. Preemptions are told, and no fault: their requests are computed again.
    """

    name: ClassVar[str] = "engine-agrees"
    Detail: ClassVar[type] = EngineAgreesDetail

    def __call__(self, history: History) -> Finding:
        lives = engine_lives(history)
        sent = history.requests.filter(SENT)
        whole = sent.filter(pl.col("outcome").is_in(GOOD))
        counts = tuple(_counts(history, life) for life in lives)
        ours = pl.concat([_answers(sent), _canaries(history)])
        owed = (
            [one for group in _groups(history, lives, ours) for one in group.owed()]
            if any(life.readings for life in lives)
            else ()
        )
        told = f"servers: {_told(counts, 'whole')} whole, {_told(counts, 'cut')} cut off"
        told += f", {plural(preempted, 'preemption')}" if (preempted := _total(counts, "preempted")) else ""
        return finding(
            self.name,
            "No answer that its server cut off is taken for a whole one.",
            seen_whole(history, owed) if owed else (),
            Summary(
                f"{told}; clients: {whole.height} whole, {sent.height - whole.height} without a whole answer",
                "no more whole answers than the servers ended in order",
                detail=EngineAgreesDetail(counts, whole.height, sent.height - whole.height),
            ),
            nothing=_nothing(lives),
        )


def _answers(sent: pl.DataFrame) -> pl.DataFrame:
    """The answers that clients have to their ends, right or wrong: at the first attempt, and at the last of others.

    Nobody knows who gave the last, nor since when it was under way.
    """
    ended = (*GOOD, "wrong")
    first = sent.filter(pl.col("outcome").is_in(ended)).select(ANSWER)
    last = sent.filter(pl.col("last_outcome").is_in(ended))
    again = last.select("sent_ns", end_ns="last_end_ns", replica=pl.lit(None, dtype=pl.String()))
    return pl.concat([first, again])


def _canaries(history: History) -> pl.DataFrame:
    """The answers that canaries have, the long ones too: the servers count them."""
    requests = (*history.canary.requests, *history.canary.held) if history.canary else ()
    rows = [(one.sent_ns, one.end_ns, one.pod) for one in requests if one.answered]
    return pl.DataFrame(rows, schema=dict(zip(ANSWER, (pl.Int64, pl.Int64, pl.String), strict=True)), orient="row")


def _nothing(lives: Sequence[EngineLife]) -> Obligation:
    """Why nothing was proved: what the first of the replicas said instead of metrics."""
    said = next((f": {life.pod} said {life.errors[-1][1]}" for life in lives if life.errors), "")
    return unknown("the servers", f"no replica showed metrics of a server that is known{said}", SETTLE)


def seen_whole(history: History, owed: Sequence[Obligation]) -> list[Obligation]:
    """What was owed, where pods were watched all the time: else there may be replicas and restarts that nobody saw."""
    blind = list(watched(history, ("Pod",), judged_since_ns(history), judged_until_ns(history)))
    return [*undecided(owed), *blind] if blind else list(owed)


def _counts(history: History, life: EngineLife) -> EngineCounts:
    last = life.readings[-1].at_ns if life.readings else None
    whole, cut, preempted = (_risen(life.processes, name) for name in ("whole", "cut", "preempted"))
    return EngineCounts(life.pod, whole, cut, preempted, after_s(last, history.began_ns))


def _risen(
    processes: Sequence[EngineProcess], counter: str, since_ns: int = 0, until_ns: int | None = None
) -> int | None:
    """The sum over processes; None where none of them tells."""
    told = [risen for one in processes if (risen := rise(one, counter, since_ns, until_ns)) is not None]
    return round(sum(told)) if told else None


def _total(counts: Sequence[EngineCounts], name: str) -> int | None:
    told: list[int] = [value for one in counts if (value := getattr(one, name)) is not None]
    return sum(told) if told else None


def _told(counts: Sequence[EngineCounts], name: str) -> str:
    total = _total(counts, name)
    return "an unknown number" if total is None else str(total)


@dataclass(frozen=True, slots=True)
class _Group:
    """Replicas, and the whole answers that are theirs: each by itself where answers name it, else all together."""

    history: History
    words: str
    lives: Sequence[EngineLife]
    unread: Sequence[str]
    whole: pl.DataFrame

    @property
    def processes(self) -> list[EngineProcess]:
        return [process for life in self.lives for process in life.processes]

    @property
    def _blind(self) -> Mapping[str, list[tuple[int, int]]]:
        """By replica: when what ended there may not have been counted."""
        began_ns, ended_ns = self.history.began_ns, self.history.ended_ns
        found: dict[str, list[tuple[int, int]]] = {}
        for life in self.lives:
            spans = (span for process in life.processes for span in process.blind(began_ns, ended_ns))
            found.setdefault(life.pod, []).extend(spans)
        return found

    def owed(self) -> Iterator[Obligation]:
        """What this group owes."""
        if self.unread and not self.whole.is_empty():
            names = ", ".join(self.unread)
            yield unknown(self.words, f"no metrics of {names}, which may have given some of the answers", SETTLE)
        yield self._sums()
        for pod, spans in self._blind.items():
            yield from self._unseen(pod, spans)

    def _sums(self) -> Obligation:
        whole, cut = _risen(self.processes, "whole"), _risen(self.processes, "cut")
        unseen = [span for spans in self._blind.values() for span in spans]
        sure = self.whole.filter(~_within(unseen)).height
        measured = f"servers: {whole} whole, {cut} cut off; clients: {sure} whole"
        if cut is None:
            reason = f"{self.words}: the server does not count how its requests end"
            return Obligation(self.words, Answer.UNKNOWN, reason, SETTLE, measured)
        if whole is None:
            reason = "" if not cut else f"{self.words}: {plural(cut, 'answer was', 'answers were')} cut off as the"
            reason += " server counts, which does not count whole ones" if cut else ""
            return Obligation(
                self.words, Answer.UNKNOWN if cut else Answer.PASS, reason, SETTLE if cut else "", measured
            )
        return self._compared(sure, whole, cut, measured)

    def _compared(self, sure: int, whole: int, cut: int, measured: str) -> Obligation:
        more = sure - whole
        if more > 0:
            told = f"{self.words}: clients have {sure} whole answers, and the server ended {whole} in order"
            if more <= cut and not self.unread and self._calibrated:
                hidden = plural(more, "answer that was", "answers that were")
                reason = f"{told} and cut off {cut}: at least {hidden} cut off passed for whole ({self._accuracy})"
                return Obligation(
                    self.words, Answer.FAIL, reason, measured=measured, bound="0", evidence=tuple(self._moments())
                )
            reason = f"{told}, cut off {cut}: its counters do not count what clients get"
            return Obligation(self.words, Answer.UNKNOWN, reason, SETTLE, measured)
        if cut and whole > self.whole.height:
            reason = (
                f"{self.words}: the server cut off {cut}, and ended {whole} in order where clients have"
                f" {self.whole.height} whole answers: the others' cannot be told from theirs"
            )
            return Obligation(self.words, Answer.UNKNOWN, reason, ALONE, measured)
        return Obligation(self.words, measured=measured)

    @property
    def _accuracy(self) -> str:
        """How far the readings are apart, and what of them is left out."""
        gaps = [
            b.at_ns - a.asked_ns for one in self.processes for a, b in zip(one.readings, one.readings[1:], strict=False)
        ]
        apart = f"read at most {seconds(max(gaps)):.1f} s apart, " if gaps else ""
        return f"{apart}answers within {seconds(LAG_NS):g} s before the last reading left out"

    @property
    def _calibrated(self) -> bool:
        """Whether, in the baseline, the counters counted what clients got: a cache in front may answer instead."""
        phase = next((one for one in self.history.phases if one.name == "baseline" and one.end_ns), None)
        if phase is None or phase.end_ns is None:
            return False
        old = [one for one in self.processes if one.readings[0].at_ns < phase.end_ns]
        if not old:
            return False
        # A process that began in the record counts from its beginning.
        since_ns = max([phase.begin_ns, *(one.readings[0].at_ns for one in old)])
        rows = self.whole.filter((pl.col("sent_ns") >= since_ns) & (pl.col("end_ns") <= phase.end_ns - LAG_NS))
        counted = _risen(old, "whole", since_ns, phase.end_ns)
        return not rows.is_empty() and counted is not None and counted >= rows.height

    def _unseen(self, pod: str, spans: Sequence[tuple[int, int]]) -> Iterator[Obligation]:
        """Answers that this replica may have given when nobody read its counters."""
        rows = self.whole.filter(_within(spans))
        if rows.is_empty():
            return
        last_ns = max(begin for begin, _ in spans) + LAG_NS
        count = plural(rows.height, "whole answer")
        reason = f"{count} that {pod} may have given ended when its counters were not read, the last time at "
        reason += f"{seconds(last_ns - self.history.began_ns):.1f} s: it may have cut them off"
        yield unknown(pod, reason, SETTLE)

    def _moments(self) -> Iterator[Evidence]:
        """When the count of what was cut off rose."""
        for life in self.lives:
            for process in life.processes:
                for before, now in zip(process.readings, process.readings[1:], strict=False):
                    risen = (now.cut or 0.0) - (before.cut or 0.0)
                    if risen > 0:
                        yield Evidence(now.at_ns, f"{life.pod} counts {risen:g} more that it cut off")


def _groups(history: History, lives: Sequence[EngineLife], whole: pl.DataFrame) -> Iterator[_Group]:
    """Each replica where every whole answer names one that was read or known, else all replicas together."""
    read = [life for life in lives if life.readings]
    since_ns = judged_since_ns(history)
    served = {life.name for life in pod_lives(history) if life.ready_spans and _after(life.gone_ns, since_ns)}
    unread = sorted(served - {life.pod for life in read})
    names = set(whole["replica"].drop_nulls())
    if whole["replica"].null_count() or not names <= {life.pod for life in read}:
        yield _Group(history, "all replicas", read, unread, whole)
        return
    for name in sorted(names):
        yield _Group(
            history, name, [life for life in read if life.pod == name], (), whole.filter(pl.col("replica") == name)
        )


def _after(at_ns: int | None, since_ns: int) -> bool:
    return at_ns is None or at_ns >= since_ns


def _within(spans: Sequence[tuple[int, int]]) -> pl.Expr:
    """Answers that were under way in one of these spans, or were so shortly before that they may be counted in it."""
    touched = [(pl.col("sent_ns") <= end) & (pl.col("end_ns") >= begin) for begin, end in spans]
    return pl.any_horizontal(pl.lit(value=False), *touched)
