"""Service level objectives and their indicators, over a table of request records.

Latency is response time: from the intended start to the last byte, so that a stalled server or a late generator
cannot hide (coordinated omission). A request that was not answered has no latency that flatters: in a percentile
it stands above every answered one, as infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Slo"]


@dataclass(frozen=True, slots=True)
class Slo:
    """What users were promised, over the window of the trial.

    `availability`: least share of valid requests that were answered in full, in (0, 1].
    `latency_p99_s`: most seconds for the 99th percentile of response time, failures counted as infinite.
    `first_token_p99_s`: the same for the time to the first token, for streaming profiles.
    """

    availability: float | None = None
    latency_p99_s: float | None = None
    first_token_p99_s: float | None = None

    def __post_init__(self) -> None:
        if self.availability is None and self.latency_p99_s is None and self.first_token_p99_s is None:
            raise ValueError("Slo: name at least one objective: availability, latency_p99_s or first_token_p99_s")
        if self.availability is not None and not 0 < self.availability <= 1:
            raise ValueError(f"Slo.availability: {self.availability} is not a share in (0, 1]")
        for name in ("latency_p99_s", "first_token_p99_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Slo.{name}: {value} is not a positive number of seconds")
