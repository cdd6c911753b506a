"""A check of another workload of the system, e.g. of the router in front of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.verdict import Check, Finding
from chaos.history import History

__all__ = ["InRole"]

ENGINE = "engine"
"""The role of the workload that the trial itself is of."""


@dataclass(frozen=True, slots=True)
class InRole:
    """What `check` says of the workload that has this role, by its own pods, endpoints and disruption budget.

    The requests are those of all users: what they lost may be the doing of any workload. UNKNOWN if none was recorded.
    """

    role: str
    check: Check

    @property
    def name(self) -> str:
        return f"{self.check.name}-{self.role}"

    def __call__(self, history: History) -> Finding:
        """Judge the trial as that workload saw it."""
        if (seen := history.roles.get(self.role)) is not None:
            others = {name: one for name, one in history.roles.items() if name != self.role}
            seen = replace(seen, roles={**others, ENGINE: history})
            return replace(self.check(seen), check=self.name)
        known = ", ".join(sorted(history.roles)) or "none"
        text = f"no workload of the system had the role {self.role}; recorded: {known}"
        absent = unknown("the role", text, f"{self.role} under [system.roles] in gameday.toml")
        return finding(
            self.name,
            "The check is of a workload that was recorded.",
            (),
            Summary("nothing", "its record"),
            nothing=absent,
        )
