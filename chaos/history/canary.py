"""What the canary recorded: which replica gave an answer when it was asked directly. See docs/run-folder.md."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Canary", "CanaryRequest"]


@dataclass(frozen=True, slots=True)
class CanaryRequest:
    """One request to one pod; `outcome` and `status` are as in requests.jsonl."""

    pod: str
    uid: str
    intended_ns: int
    sent_ns: int
    end_ns: int
    outcome: str
    error: str = ""
    status: int | None = None

    @property
    def answered(self) -> bool:
        """Whether it gave its token."""
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Canary:
    """All of them, by their ends. `refused` says why none could be sent, empty if they could.

    `held` are long ones, which a victim of a fault that ends it was given just before.
    """

    way: str = ""
    refused: str = ""
    requests: tuple[CanaryRequest, ...] = ()
    held: tuple[CanaryRequest, ...] = ()
