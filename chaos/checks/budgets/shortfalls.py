"""Every span in which fewer pods were healthy than had to be, however short, and what caused it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaos.checks.budgets.model import Record, Replay, Standing
from chaos.checks.budgets.pod_losses import UNSEEN, Departure, departure
from chaos.checks.verdict import Evidence
from chaos.clock import seconds
from chaos.history import History

__all__ = ["Shortage", "shortages"]


@dataclass(frozen=True, slots=True)
class Shortage:
    """One dip. `end_ns` is None if it lasted as long as was watched; `lowest` of `desired` where it was deepest.

    `causes` are the losses within it; `raised` says that more were needed rather than fewer there. `unseen`: a part
    of it came by a list after a gap, so that neither its causes nor its length are known.
    """

    what: str
    begin_ns: int
    end_ns: int | None
    lowest: int
    desired: int
    causes: tuple[Departure, ...]
    raised: bool
    unseen: bool

    @property
    def seconds(self) -> float | None:
        """How long it lasted by the times of receipt, None if it did not end."""
        return None if self.end_ns is None else seconds(max(0, self.end_ns - self.begin_ns))

    @property
    def why(self) -> str:
        """The causes in words."""
        said = list(dict.fromkeys(cause.words for cause in self.causes))
        if self.raised or not said:
            said.insert(0, f"{self.desired} were needed from then on")
        return "; ".join(said)

    @property
    def words(self) -> str:
        """The dip in words."""
        lasted = "to the end" if self.seconds is None else f"for {self.seconds:.3f} s"
        return f"{self.lowest} healthy of {self.desired} needed ({self.what}) {lasted}: {self.why}"

    @property
    def values(self) -> dict[str, Any]:
        """The dip in numbers."""
        return {
            "of": self.what,
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
            "seconds": self.seconds,
            "lowest": self.lowest,
            "desired": self.desired,
            "depth": self.desired - self.lowest,
            "causes": list(dict.fromkeys(cause.cause for cause in self.causes)) or ["more-needed"],
            "unseen": self.unseen,
        }

    def evidence(self) -> Iterator[Evidence]:
        """The moments that it rests on."""
        yield Evidence(self.begin_ns, self.words)
        for cause in self.causes:
            yield Evidence(cause.at_ns, cause.words)


def shortages(
    history: History, replay: Replay, record: Record, since_ns: int, *, what: str, at_least: int | None = None
) -> tuple[Shortage, ...]:
    """Every dip of one budget that lasted into the time from `since_ns` on; `at_least` stands in for its own need."""
    search = _Search(history, replay, record, what, at_least)
    return tuple(one for one in search.all() if one.end_ns is None or one.end_ns >= since_ns)


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for the dips of one budget."""

    history: History
    replay: Replay
    record: Record
    what: str
    at_least: int | None

    def all(self) -> Iterator[Shortage]:
        """Every dip, in order."""
        span: list[Standing] = []
        before: Standing | None = None
        for standing in self.record.standings:
            if not standing.unknown and standing.healthy < self._need(standing):
                span.append(standing)
                continue
            if span:
                yield self._shortage(before, span, standing)
                span = []
            before = standing
        if span:
            yield self._shortage(before, span, None)

    def _shortage(self, before: Standing | None, span: list[Standing], after: Standing | None) -> Shortage:
        worst = max(span, key=lambda one: self._need(one) - one.healthy)
        edges = [*span, *([after] if after is not None else [])]
        losses = [departure(self.history, self.replay, change) for standing in span for change in standing.lost]
        losses += self._evicted(span[0].revision.number, None if after is None else after.revision.number)
        causes: dict[str, Departure] = {}
        for loss in sorted(losses, key=lambda one: one.at_ns):
            causes.setdefault(loss.pod, loss)
        return Shortage(
            what=self.what,
            begin_ns=span[0].at_ns,
            end_ns=None if after is None else max(after.at_ns, span[0].at_ns),
            lowest=worst.healthy,
            desired=self._need(worst),
            causes=tuple(causes.values()),
            raised=before is not None and self._need(span[0]) > self._need(before),
            unseen=any(one.revision.lossy for one in edges) or any(one.cause == UNSEEN for one in causes.values()),
        )

    def _evicted(self, first: int, ended: int | None) -> Iterator[Departure]:
        """The evictions of Ready pods that were accepted in a span of revisions."""
        uid = "" if self.record.view is None else self.record.view.uid
        for grant in self.replay.grants:
            pod, number = grant.pod, grant.revision.number
            if pod is None or not pod.ready or number < first or (ended is not None and number >= ended):
                continue
            if grant.after.uid == uid or (not uid and pod.uid in self.replay.replicas):
                yield Departure(grant.revision.at_ns, pod.name, "eviction", f"{pod.name} evicted")

    def _need(self, standing: Standing) -> int:
        return standing.desired if self.at_least is None else self.at_least
