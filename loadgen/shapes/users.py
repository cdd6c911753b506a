"""Users of a team's own locustfile: a closed loop, whose arrivals nothing plans."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.errors import UsageError
from loadgen.shapes.base import NEVER_NS, Point, Shape

__all__ = ["Users"]

USERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Users(Shape):
    """So many of Locust's users, of the classes that `locustfile` defines, run as they are against the system.

    A closed loop: each user waits for an answer before the next request, so a slow service gets fewer requests, and its
    latencies look better than they are. No arrival is planned. `spawn_rate`: users started a second; None: all at once.
    Raises `UsageError` if there is no such file, or for a number that is not above 0.
    """

    locustfile: str
    users: int
    spawn_rate: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.users <= USERS_MAX:
            raise UsageError(f"Users.users: {self.users} is not in 1..{USERS_MAX}")
        if self.spawn_rate is not None and not 0 < self.spawn_rate <= USERS_MAX:
            raise UsageError(f"Users.spawn_rate: {self.spawn_rate} is not in (0, {USERS_MAX}]")

    def offset_ns(self, index: int) -> int:  # noqa: ARG002  # there is none
        """See `Shape.offset_ns`: no arrival is planned."""
        return NEVER_NS

    def count(self, span_ns: int) -> int:  # noqa: ARG002  # none at any time
        return 0

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        """See `Shape.rate_profile`: the service's speed sets the rate."""
        return ()

    @property
    def words(self) -> str:
        return f"closed loop: {self.users} users of {Path(self.locustfile).name}"

    def plain(self) -> dict[str, Any]:
        return {"kind": "users", "locustfile": self.locustfile, "users": self.users, "spawn_rate": self.spawn_rate}
