"""Service level objectives and their indicators, over a table of request records.

Latency is response time: from the intended start to the last byte, so that a stalled server or a late generator
cannot hide (coordinated omission). A request that was not answered has no latency that flatters: in a percentile
it stands above every answered one, as infinity.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from chaos.history.sli import GOOD, INDICATORS, TOKEN_TIMES, VALID, after_retries, response_s, unmetered

__all__ = [
    "GOOD",
    "REQUESTS_FOR_P99",
    "PercentileReading",
    "Slo",
    "SloReading",
    "enough_requests",
    "error_budget",
    "judged_requests",
    "nearest_rank",
    "read_slo",
    "requests_that_show",
    "response_s",
]

REQUESTS_FOR_P99 = 100
"""With fewer, the 99th percentile by nearest rank is the slowest request: one more could change it at will."""


@dataclass(frozen=True, slots=True)
class Slo:
    """What users were promised, over the window of the trial.

    `availability`: least share of valid requests that were answered in full, in (0, 1].
    `latency_p99_s`: most seconds for the 99th percentile of response time, failures counted as infinite.
    For streaming profiles the same of: `first_token_p99_s`, the time to the first token; `token_time_p99_s`, the time
    per output token after the first; `token_gap_p99_s`, the longest silence between two tokens of an answer.
    `goodput`: least share of valid requests that were answered in full and kept every one of these times at once.
    `shed_max`: most of the requests that may be turned away (429, 503, 529), as a share; those are then judged by it
    alone, and by no other objective. None: they are bad requests like any other.
    `after_retries`: what clients got in the end is judged, if the profile has them try again; else the first attempt.
    """

    availability: float | None = None
    latency_p99_s: float | None = None
    first_token_p99_s: float | None = None
    token_time_p99_s: float | None = None
    token_gap_p99_s: float | None = None
    goodput: float | None = None
    shed_max: float | None = None
    after_retries: bool = False

    def __post_init__(self) -> None:
        times = dict(self.times)
        if self.availability is None and not times:
            named = ", ".join(f"{name}_p99_s" for name in INDICATORS)
            raise ValueError(f"Slo: name at least one objective: availability, {named}")
        if self.goodput is not None and not times:
            raise ValueError("Slo.goodput: name the times that a good request has to keep, e.g. latency_p99_s")
        for name, share in (("availability", self.availability), ("goodput", self.goodput)):
            if share is not None and not 0 < share <= 1:
                raise ValueError(f"Slo.{name}: {share} is not a share in (0, 1]")
        if self.shed_max is not None and not 0 <= self.shed_max < 1:
            raise ValueError(f"Slo.shed_max: {self.shed_max} is not a share in [0, 1)")
        if self.after_retries and not TOKEN_TIMES.isdisjoint(times):
            raise ValueError("Slo.after_retries: times of tokens are recorded of first attempts alone")
        for name, value in times.items():
            if not 0 < value < math.inf:
                raise ValueError(f"Slo.{name}_p99_s: {value} is not a positive number of seconds")

    @property
    def times(self) -> Iterator[tuple[str, float]]:
        """Each time that has an objective, by its name in `INDICATORS`, with its seconds."""
        for name in INDICATORS:
            if (value := getattr(self, f"{name}_p99_s")) is not None:
                yield name, value

    @property
    def shortest_s(self) -> float | None:
        """The shortest time from a request's start that it is about; None if it is about none.

        Times between tokens are not among them: however late a request was started, they stay what they are.
        """
        named = (self.latency_p99_s, self.first_token_p99_s)
        return min((value for value in named if value is not None), default=None)

    @property
    def shown_by(self) -> int:
        """How many requests a time before any fault must have to show the availability."""
        return 1 if self.availability is None else requests_that_show(self.availability)

    def needs(self, rate_rps: float) -> str:
        """The same for people, e.g. `0.999 needs 1,000 requests: 250 s at 4/s`; no time where there is no rate."""
        words = f"{self.availability:g} needs {self.shown_by:,} requests"
        return f"{words}: {math.ceil(self.shown_by / rate_rps)} s at {rate_rps:g}/s" if rate_rps > 0 else words

    @property
    def requests_min(self) -> int:
        """How many requests it takes at least to show that every objective is met."""
        unshed = None if self.shed_max is None else 1 - self.shed_max
        shares = [enough_requests(share) for share in (self.availability, self.goodput, unshed) if share is not None]
        return max(*shares, REQUESTS_FOR_P99 if tuple(self.times) else 1, 1)


@dataclass(frozen=True, slots=True)
class PercentileReading:
    """The 99th percentile by nearest rank, over `count` requests of which `over` were slower than the objective.

    `p99_s` is infinite if more than one in a hundred was never answered in full, and None if there was no request.
    """

    p99_s: float | None
    objective_s: float
    count: int
    over: int

    @property
    def allowed(self) -> int:
        """How many of that many may be slower: as many as lie above the nearest rank."""
        return self.count - nearest_rank(self.count)


@dataclass(frozen=True, slots=True)
class SloReading:
    """What the requests say of an SLO. Seconds; counts are of requests.

    `valid`: every request but those that the generator owes (`unsent`), those of clients that were to leave, and those
    that were turned away, if the SLO has a share for them. `good`: answered in full (`ok` or `late`). `shed`: turned
    away. `asked`: valid ones, with all that were turned away.
    `availability` is None without a valid request. `outcomes` counts each fate. `times` holds the percentiles that have
    an objective, by their name in `INDICATORS`. `meeting`: valid requests that kept every such time, None without one.
    `unmetered`: full answers whose tokens nobody counted, if the SLO needs the count.
    """

    slo: Slo
    valid: int
    good: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, PercentileReading] = field(default_factory=dict)
    meeting: int | None = None
    unmetered: int = 0
    shed: int = 0
    asked: int = 0

    @property
    def latency(self) -> PercentileReading | None:
        """The percentile of response time, if it has an objective."""
        return self.times.get("latency")

    @property
    def bad(self) -> int:
        """Valid requests that were not answered in full."""
        return self.valid - self.good

    @property
    def availability(self) -> float | None:
        """Good over valid."""
        return self.good / self.valid if self.valid else None

    @property
    def budget(self) -> int | None:
        """The error budget: how many requests may be bad; None without an objective."""
        return None if self.slo.availability is None else error_budget(self.slo.availability, self.valid)

    @property
    def goodput(self) -> float | None:
        """Requests that kept every time over valid ones."""
        return None if self.meeting is None or not self.valid else self.meeting / self.valid

    @property
    def percentiles(self) -> Mapping[str, PercentileReading]:
        """The percentiles that have an objective, by their words for people."""
        return {INDICATORS[name][0]: reading for name, reading in self.times.items()}


def nearest_rank(count: int) -> int:
    """The rank, from 1, of the 99th percentile among `count` values: the least whole number not below 99 % of it."""
    return -(-99 * count // 100)


def error_budget(objective: float, valid: int) -> int:
    """How many of `valid` requests may be bad: (1 - objective) * valid, in whole requests.

    The objective is taken as the decimal that was written: 0.99 of 100 leaves 1, in spite of binary fractions.
    """
    return math.floor(round((1 - objective) * valid, 6))


def enough_requests(objective: float) -> int:
    """With how many requests, all of them good, a share begins to say something: a tenth of one may be bad then.

    Of twenty requests nobody can tell 0.9999 from 0.99. All of them (1) can be said of any number.
    """
    return 1 if objective == 1 else math.ceil(round(0.1 / (1 - objective), 6))


def requests_that_show(objective: float) -> int:
    """With how many requests one of them may be bad: fewer do not tell the share from a perfect one.

    All of them (1) can be said of any number.
    """
    return 1 if objective == 1 else math.ceil(round(1 / (1 - objective), 6))


def judged_requests(requests: pl.DataFrame, slo: Slo) -> pl.DataFrame:
    """The requests that an SLO judges, as it judges them: see `Slo.shed_max` and `Slo.after_retries`."""
    valid = (after_retries(requests) if slo.after_retries else requests).filter(VALID)
    return valid if slo.shed_max is None else valid.filter(pl.col("outcome") != "shed")


def read_slo(requests: pl.DataFrame, slo: Slo) -> SloReading:
    """Read the indicators off a table of request records (columns as in docs/run-folder.md)."""
    final = after_retries(requests) if slo.after_retries else requests
    outcomes = dict(final.group_by("outcome").len().sort("outcome").rows())
    asked = final.filter(VALID)
    valid = judged_requests(requests, slo)
    limits = dict(slo.times)
    values = valid.select(*(INDICATORS[name][1].alias(name) for name in limits))
    # An answer whose time per token is undefined keeps it; one that failed has infinite times.
    kept = [pl.col(name).fill_null(0) <= limit_s for name, limit_s in limits.items()]
    return SloReading(
        slo=slo,
        valid=valid.height,
        good=valid.filter(pl.col("outcome").is_in(GOOD)).height,
        outcomes=outcomes,
        times={name: _read(values[name].drop_nulls(), limit_s) for name, limit_s in limits.items()},
        meeting=values.filter(pl.all_horizontal(kept)).height if kept else None,
        unmetered=valid.filter(unmetered()).height if "token_time" in limits else 0,
        shed=asked.filter(pl.col("outcome") == "shed").height,
        asked=asked.height,
    )


def _read(values: pl.Series, objective_s: float) -> PercentileReading:
    if values.is_empty():
        return PercentileReading(None, objective_s, 0, 0)
    p99_s = float(values.sort()[nearest_rank(len(values)) - 1])
    return PercentileReading(p99_s, objective_s, len(values), int((values > objective_s).sum()))
