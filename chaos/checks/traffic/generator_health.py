"""Whether the load generator kept up: how late it started requests, and how much of its processor it used.

Behind these limits slowness may be the generator's own, and no latency is judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.clock import NS
from chaos.history import GeneratorSample, History
from chaos.slo import nearest_rank

__all__ = ["CPU_SHARE_MAX", "LAG_NS", "START_LAG_MAX_S", "GeneratorHealth", "disorder", "health_of", "last_samples"]

START_LAG_MAX_S = 0.05
"""A generator whose p99 start is later than this does not offer what was intended."""

LAG_SHARE_MAX = 0.1
"""Nor does one whose p99 start lag is more than this share of the latency that it is to judge."""

CPU_SHARE_MAX = 0.9
"""Above this share of its core in any second, the generator itself may be what was slow."""

LAG_NS = pl.col("sent_ns") - pl.col("intended_ns")


@dataclass(frozen=True, slots=True)
class GeneratorHealth:
    """How the generator did. None: nothing was sent, or nothing was sampled, so nobody knows."""

    start_lag_p99_s: float | None
    lag_limit_s: float
    cpu_share_max: float | None

    @property
    def lagging(self) -> bool:
        """Whether it started requests too late."""
        return self.start_lag_p99_s is not None and self.start_lag_p99_s > self.lag_limit_s

    @property
    def busy(self) -> bool:
        """Whether it had no processor left."""
        return self.cpu_share_max is not None and self.cpu_share_max > CPU_SHARE_MAX

    @property
    def behind(self) -> bool:
        """Whether slowness may be its own."""
        return self.lagging or self.busy

    @property
    def doubts(self) -> Iterator[str]:
        """What is behind its limits, in words."""
        if self.lagging:
            yield f"the generator started late: p99 {self.start_lag_p99_s:.3f} s, limit {self.lag_limit_s:.3f} s"
        if self.busy:
            yield f"the generator used {self.cpu_share_max:.0%} of its core, limit {CPU_SHARE_MAX:.0%}"


def health_of(
    requests: pl.DataFrame, samples: tuple[GeneratorSample, ...], *, objective_s: float | None
) -> GeneratorHealth:
    """Read it off request records and the generator's samples. `objective_s`: the shortest latency to be judged."""
    p99_ns = _start_lag_p99_ns(requests)
    p99_s = None if p99_ns is None else p99_ns / NS
    limit_s = START_LAG_MAX_S if objective_s is None else min(START_LAG_MAX_S, LAG_SHARE_MAX * objective_s)
    # Before the first arrival it starts up, which is work but delays nobody.
    return GeneratorHealth(p99_s, limit_s, max((sample.cpu_share for sample in samples if sample.due), default=None))


def _start_lag_p99_ns(requests: pl.DataFrame) -> int | None:
    """How late 99 % of the requests that were sent had started at most.

    Of fewer than a hundred that is the latest one, which may be alone with its lag: a machine that stood still for
    that long. If it was sent before the next one was due, every request was offered in its turn, and the others tell
    whether the generator keeps up.
    """
    sent = requests.filter(pl.col("sent_ns").is_not_null()).sort(LAG_NS)
    if sent.is_empty():
        return None
    rank = nearest_rank(sent.height)
    if rank == sent.height > 1:
        latest = sent.row(-1, named=True)
        due_ns = requests.filter(pl.col("intended_ns") > latest["intended_ns"])["intended_ns"].min()
        if isinstance(due_ns, int) and latest["sent_ns"] < due_ns:
            rank -= 1
    return int(sent.select(LAG_NS)["sent_ns"][rank - 1])


def last_samples(history: History) -> tuple[GeneratorSample, ...]:
    """The last sample of each of the generator's workers."""
    return tuple({sample.worker: sample for sample in history.generator}.values())


def disorder(history: History) -> Iterator[str]:
    """Whether the generator left a whole account of itself."""
    if not history.generator:
        yield "the generator left no account of itself"
        return
    for worker in history.load_workers:
        if worker.clock_error_ns > START_LAG_MAX_S * NS:
            yield f"the clock of worker {worker.number} is known to {worker.clock_error_ns / NS:.3f} s only"
    lasts = last_samples(history)
    known = {worker.number for worker in history.load_workers if worker.lost_ns is not None}
    lost = [last.worker for last in lasts if history.finished and not last.final and last.worker not in known]
    if lost and len(lasts) == 1:
        yield "the generator did not end in order"
    elif lost:
        yield f"workers {', '.join(map(str, lost))} of the generator did not end in order"
