"""Findings, and the verdict that they make.

A check has three answers, ordered PASS < UNKNOWN < FAIL; the verdict is the worst of them. UNKNOWN is not a
softer FAIL: it says that the evidence does not decide the claim, why, and what would settle it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chaos.history import History

__all__ = ["Answer", "Check", "Evidence", "Finding", "Obligation", "Verdict"]


class Answer(enum.IntEnum):
    """What a check says of its claim. The order is the order of badness."""

    PASS = 0
    UNKNOWN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """One moment that a finding rests on: when (UTC epoch ns) and what, in plain words."""

    at_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing that was owed to one subject, and whether it was kept.

    Attributes:
        subject: whom it concerns: a victim, pod, claim, eviction, decision, stage, or the watch itself.
        answer: PASS: kept; FAIL: broken; UNKNOWN: not decided.
        reason: why it is no PASS, in one sentence.
        settle: what would turn an UNKNOWN into an answer.
        measured: what was seen of it.
        bound: what it is compared with.
        evidence: the moments that it rests on.
    """

    subject: str
    answer: Answer = Answer.PASS
    reason: str = ""
    settle: str = ""
    measured: str = ""
    bound: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer.

    Attributes:
        answer: the worst answer of its obligations.
        rule: the claim in one sentence.
        limit: one side of the comparison, as a person reads it.
        measured: the other side.
        margin: the room left, or missing.
        reason: why it is no PASS, in one sentence.
        settle: what would turn an UNKNOWN into an answer.
        detail: the same in numbers: a frozen dataclass of the check's own, or a mapping.
    """

    check: str
    answer: Answer
    rule: str
    limit: str
    measured: str
    margin: str = ""
    reason: str = ""
    settle: str = ""
    detail: object = None
    evidence: tuple[Evidence, ...] = ()
    obligations: tuple[Obligation, ...] = ()

    @property
    def values(self) -> Mapping[str, Any]:
        """The detail as plain data, units in the keys, as verdict.json has it."""
        if self.detail is None:
            return {}
        if is_dataclass(self.detail) and not isinstance(self.detail, type):
            return asdict(self.detail)
        if isinstance(self.detail, Mapping):
            return self.detail
        raise TypeError(
            f"the detail of {self.check} is neither a dataclass nor a mapping: {type(self.detail).__name__}"
        )

    def line(self) -> str:
        """The finding in one line, as a failing test prints it."""
        said = f"{self.measured}, {self.limit}" + (f"; {self.margin}" if self.margin else "")
        tail = f"; {self.reason}" if self.reason else ""
        tail += f"; to settle it: {self.settle}" if self.settle else ""
        return f"{self.answer.name:<7} {self.check:<15} {said}{tail}"


class Check(Protocol):
    """A pure function from a history to a finding; `name` is how reports and JUnit call it."""

    @property
    def name(self) -> str:
        """How reports and JUnit call the check, e.g. `slo-met`."""

    def __call__(self, history: History) -> Finding:
        """Judge the history; never raises for what the history says or lacks."""


PREMISES = frozenset({"completed", "steady-state", "fault-landed"})
"""The checks of the trial itself, by name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings of a trial, worst first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Verdict:
        """Order the findings worst first, keeping the given order among equals.

        Among those that are UNKNOWN the premises of every other come first: a fault that did not land, a baseline that
        was not steady, a trial that did not end. They are why the others cannot be decided.
        """

        def place(finding: Finding) -> tuple[int, bool]:
            return -finding.answer, not (finding.answer is Answer.UNKNOWN and finding.check in PREMISES)

        return cls(tuple(sorted(findings, key=place)))

    @property
    def answer(self) -> Answer:
        """The worst answer; with no findings at all nothing was proved, hence UNKNOWN."""
        return max((finding.answer for finding in self.findings), default=Answer.UNKNOWN)

    def lines(self) -> str:
        return "\n".join(finding.line() for finding in self.findings)
