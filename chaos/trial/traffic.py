"""Traffic as a scenario writes it: `with traffic.steady(load=0.6): …`, or `with traffic.shape(Spike(…)): …`.

A load is a share of what one ready replica carries within the SLO; a rate is in requests a second.

The generator is a process of its own, started with the first stream and finished before the verdict. Each stream is
journalled with the times that the generator itself chose, so that every intended arrival can be counted afterwards.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, NamedTuple

from chaos.cluster import Journal
from chaos.errors import NotAllowed, UsageError
from chaos.history.facts.offered_load import RISE
from chaos.slo import Slo
from chaos.trial.replica_capacity import STATE_IT, ReplicaCapacity
from loadgen.shapes import Steady
from loadgen.shapes.base import Shape
from loadgen.shapes.patterns import Poisson

if TYPE_CHECKING:
    from loadgen.driver.driver import Generator
    from loadgen.driver.workers import WorkerGroup

__all__ = ["Traffic"]

Arrivals = Literal["even", "poisson"]
"""How arrivals lie within the rate: evenly spaced, or as those of independent users, drawn from the trial's seed."""


LENGTHENED_MAX_S = 300.0
"""No baseline is lengthened to more by itself: whoever needs that asks for it."""

MARGIN = 1.05
"""A request that was never sent, or slips over the end, is not to spoil a baseline."""


class _Rates(NamedTuple):
    """Between what rates a stream is sent."""

    least_rps: float
    peak_rps: float


class Traffic:
    """Streams of requests to the system under test.

    `start` starts the generator; it is None when a saved run is judged again, and then nothing flows.
    `profile`, `origin` and `url` are recorded with each stream. Poisson arrivals are drawn from `seed`.
    Of `leaving_share` of the requests the clients go away, and nothing is judged.
    `before_rise` is called before a stream that raises the load by half or more over that of the first; it may refuse.
    `capacity` is what a load of 1.0 means, None where nobody knows. More than `most_rps` in all is never offered.
    """

    def __init__(
        self,
        start: Callable[[], Generator | WorkerGroup] | None,
        journal: Journal | None,
        *,
        profile: str,
        origin: str,
        url: str,
        seed: int = 0,
        before_rise: Callable[[], None] = lambda: None,
        capacity: ReplicaCapacity | None = None,
        most_rps: float | None = None,
        requests_max: int = 1,
        leaving_share: float = 0.0,
    ) -> None:
        """Arrivals of `requests_max` requests each, of which no more than `most_rps` may be offered."""
        self._start = start
        self._requests_max = requests_max
        self._leaving_share = leaving_share
        self._before_rise = before_rise
        self._capacity = capacity
        self._most_rps = most_rps
        self._usual_rps: float | None = None
        self._flowing: dict[str, _Rates] = {}
        self._journal = journal
        self._seed = seed
        self._labels = {"profile": profile, "origin": origin, "url": url}
        self.generator: Generator | WorkerGroup | None = None
        """The running generator, once the first stream has begun."""
        self.ended_ns = 0
        """The end of traffic as it was planned; it may lie a little ahead. 0 before the first stream has ended."""
        self._count = 0

    def silence(self) -> None:
        """Let nothing flow in this trial, which was stopped before there was anybody to send."""
        self._start = None

    def rps(self, load: float) -> float:
        """The rate of a load, in three digits. Raises `UsageError` where nobody knows what a replica carries."""
        if self._capacity is None:
            raise UsageError(f"a load of {load:g}: what one replica carries within the SLO is not known", STATE_IT)
        if not 0 < load < math.inf:
            raise UsageError(f"a load of {load:g} is not above 0", "1.0 is what one ready replica carries")
        return float(f"{load * self._capacity.replica_rps:.3g}")

    def steady(
        self, *, load: float | None = None, rate_rps: float | None = None, arrivals: Arrivals = "even"
    ) -> AbstractContextManager[None]:
        """Offer a load, or `rate_rps` requests a second, until the block ends."""
        if not self.live:
            return nullcontext()
        return self.shape(Steady(self._rate_rps("steady", load, rate_rps)), arrivals=arrivals)

    def spike(
        self, *, load: float | None = None, rate_rps: float | None = None, arrivals: Arrivals = "even"
    ) -> AbstractContextManager[None]:
        """Let what is offered rise to this in all, with what flows already, until the block ends."""
        if not self.live:
            return nullcontext()
        total_rps = self._rate_rps("spike", load, rate_rps)
        flowing_rps = sum(one.peak_rps for one in self._flowing.values())
        if total_rps <= flowing_rps:
            raise UsageError(
                f"traffic.spike: {total_rps:g}/s is no more than the {flowing_rps:g}/s that flow already",
                "a spike is told in all, with what flows",
            )
        return self.shape(Steady(round(total_rps - flowing_rps, 6)), arrivals=arrivals)

    def _rate_rps(self, what: str, load: float | None, rate_rps: float | None) -> float:
        if load is not None and rate_rps is None:
            return self.rps(load)
        if rate_rps is None or load is not None:
            raise UsageError(f"traffic.{what}: give load or rate_rps, and only one")
        return rate_rps

    @property
    def live(self) -> bool:
        """Whether anything can flow: not in a saved run that is judged again, nor without anybody to send."""
        return self._start is not None and self._journal is not None

    @contextmanager
    def shape(self, shape: Shape, *, relative: bool = False, arrivals: Arrivals = "even") -> Iterator[None]:
        """Offer what the shape says until the block ends, which may be before the shape has come to its end.

        The rates of a `relative` shape are loads.

        Blocks may be nested: their streams add up. When the load changes is journalled as `rate_profile`.
        """
        if self._start is None or self._journal is None:
            yield
            return
        if relative:
            shape = shape.scaled(self.rps(1.0))
        rates = _Rates(shape.rate_min_rps, _peak_rps(shape))
        self._ask_to_rise(shape, rates.peak_rps)
        self._count += 1
        name = f"{shape.plain()['kind']}-{self._count}"
        self._flowing[name] = rates
        if arrivals == "poisson":
            drawn = random.Random(f"{self._seed} {name}").getrandbits(32)  # noqa: S311  # replayable
            shape = Poisson(shape, drawn)
        generator = self.generator = self.generator or self._start()
        begun = generator.begin(shape, name)
        self._journal.event(
            "traffic-begin",
            stream=name,
            shape=shape.words,
            rate_rps=shape.rate_min_rps,
            rate_profile=[[begun.begin_ns + point.offset_ns, point.rate_rps] for point in shape.rate_profile],
            plan=shape.plain(),
            begin_ns=begun.begin_ns,
            **self._labels,
        )
        try:
            yield
        finally:
            del self._flowing[name]
            ended = generator.end(name)
            self.ended_ns = max(self.ended_ns, ended.end_ns or 0)
            self._journal.event("traffic-end", stream=name, end_ns=ended.end_ns)

    def _ask_to_rise(self, shape: Shape, peak_rps: float) -> None:
        """Have it allowed if the load rises by it. Raises what `before_rise` does."""
        total_rps = peak_rps + sum(one.peak_rps for one in self._flowing.values())
        offered_rps, each = total_rps * self._requests_max, self._requests_max
        if self._most_rps is not None and offered_rps > self._most_rps:
            of = f" ({total_rps:g} arrivals of up to {each} requests: turns of a conversation, attempts)"
            told = f"{offered_rps:g}/s were to be offered{of if each > 1 else ''}"
            raise NotAllowed(f"safety.rps_max allows {self._most_rps:g}/s, and {told}")
        if self._usual_rps is None:
            self._usual_rps = shape.rate_profile[0].rate_rps if shape.rate_profile else 0.0
        if total_rps >= RISE * self._usual_rps:
            self._before_rise()

    @property
    def least_rps(self) -> float:
        """The least rate at which requests are being sent; 0 where nobody knows it beforehand."""
        return sum(one.least_rps for one in self._flowing.values())

    @property
    def flows(self) -> bool:
        """Whether requests are being sent."""
        return bool(self._flowing)

    def long_enough(self, duration_s: float, slo: Slo | None) -> tuple[float, str]:
        """How long traffic has to flow at its rate, and the same in words: so long, or until it can show the SLO.

        A load that is to change is waited for as long as was asked, or its change would fall into that time.
        """
        judged = max(slo.shown_by, slo.requests_min) if slo else 0
        needed = self._sent_for(judged)
        if slo is None or self.least_rps <= 0 or needed <= self.least_rps * duration_s:
            return duration_s, f"{duration_s:g} s"
        longer_s, seconds = MARGIN * needed / self.least_rps, math.ceil(needed / self.least_rps)
        needs = f"its objectives need {judged:,} requests: {seconds} s at {self.least_rps:g}/s"
        if judged == slo.shown_by:
            needs = slo.needs(self.least_rps)
        if longer_s > LENGTHENED_MAX_S or any(one.peak_rps != one.least_rps for one in self._flowing.values()):
            return duration_s, f"{duration_s:g} s, which is too short and will decide nothing: {needs}"
        return longer_s, f"{longer_s:.0f} s instead of {duration_s:g} s: {needs}"

    def _sent_for(self, judged: int) -> float:
        """How many requests have to be sent for so many to be judged: none is of who leaves, within four deviations."""
        share = self._leaving_share
        return (judged + 4 * math.sqrt(judged * share)) / (1 - share) if share < 1 else 0.0

    def check(self) -> None:
        """Raise `HarnessBroken` if the generator has died."""
        if self.generator is not None:
            self.generator.check()

    def finish(self) -> None:
        """Let every request under way end or meet its time limit, and stop the generator."""
        if self.generator is not None:
            self.generator.finish()

    def close(self) -> None:
        """Stop the generator at once, if it still runs."""
        if self.generator is not None:
            self.generator.close()


def _peak_rps(shape: Shape) -> float:
    """The highest rate that a shape has; of a trace, and of users in a closed loop, nobody knows it beforehand."""
    return max((point.rate_rps for point in shape.rate_profile), default=math.inf)
