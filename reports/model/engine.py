"""What servers say of themselves along the time axis, and the last words of containers that ended."""

from dataclasses import dataclass

from reports.model.parts import Missing

__all__ = ["EngineLine", "EngineSeries", "LastWords"]


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One replica's values by bucket, or one of all replicas (`most`, `median`, `least`) where these are many."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class EngineSeries:
    """One quantity as the servers of the replicas tell it; `of` is how many tell it.

    `quantity` is `running`, `waiting`, `cache_use` (a share) or `tokens` (a second). Gauges are the highest reading of
    each bucket.
    """

    quantity: str
    engine: str
    of: int
    lines: tuple[EngineLine, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class LastWords:
    """A run of a container that ended, when word of that came, and the last lines of its log, as far as they are kept.

    `how` is its exit in words. `causes` are what known lines say, in words, with the line. `file` is where the rest
    lies, in the run folder; empty where nothing is kept. `note`: what is missing.
    """

    at_ns: int
    pod: str
    uid: str
    container: str
    how: str
    causes: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    file: str
    note: str
