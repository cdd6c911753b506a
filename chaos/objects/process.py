"""A process of a container, as the kernel shows it in /proc, and which of them is meant by a word."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["EVERY", "NAME_MAX", "ProcessView", "chosen", "largest"]

EVERY = "*"
"""The word for every process of a container."""

NAME_MAX = 15
"""The kernel keeps that many characters of a process's name (`TASK_COMM_LEN` less its end)."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process, by the numbers that it and its parent have in the container.

    Attributes:
        start: When it began, in ticks since boot: numbers are used again, start times with them are not.
        parent: 0 if that is outside of the container: of process 1, and of whatever was brought in by an exec.
        state: `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped, `Z` has ended.
        size_kib: Its resident memory.
        name: At most `NAME_MAX` characters.
    """

    pid: int
    start: int
    parent: int
    state: str
    size_kib: int
    name: str

    @property
    def id(self) -> str:
        """The word that means this very process."""
        return f"{self.pid}:{self.start}"

    @property
    def is_guest(self) -> bool:
        """Whether it was brought in from outside, as by an exec probe: no process of the server's."""
        return self.parent == 0 and self.pid != 1


def largest(seen: Iterable[ProcessView]) -> ProcessView | None:
    """The process of the container's own that holds the most memory, which is where a model's weights are."""
    own = [one for one in seen if not one.is_guest and one.state != "Z"]
    return max(own, key=lambda one: (one.size_kib, -one.pid), default=None)


def chosen(seen: Iterable[ProcessView], word: str) -> tuple[ProcessView, ...]:
    """Those that a word means: a process's id, a name, or `EVERY`, which leaves out guests."""
    if word == EVERY:
        return tuple(one for one in seen if not one.is_guest)
    return tuple(one for one in seen if word == one.id or word[:NAME_MAX] == one.name)
