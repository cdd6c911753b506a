"""What a review of manifests finds: one thing that is wrong with one object, why, and what mends it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["SEVERITIES", "Finding", "Review", "Severity"]

Severity = Literal["error", "warning", "note"]
"""An error: refused by the API, or an outage in ordinary operation; a warning: a risk; a note: worth knowing."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of an object.

    Attributes:
        rule: the rule's name, a key of `chaos.review.RULES`.
        severity: the rule's.
        object: what it is about, as "Deployment chat in namespace prod".
        path: the file as given; "-" for standard input.
        line: where the object's document begins, or the field if that is known; from 1.
        sentence: what is wrong and what comes of it, in one sentence.
        sums: the arithmetic, a line a step.
        patch: YAML, a strategic merge patch with the object's name or a whole new object; empty where only people know.
        apply: the command that applies the patch; empty without one.
        source: the address of the document that says so; empty if none does.

    """

    rule: str
    severity: Severity
    object: str
    path: str
    line: int
    sentence: str
    sums: tuple[str, ...] = ()
    patch: str = ""
    apply: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What a review found, what it passed over (`notes`, counted), and what was silenced with which reason."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    silenced: tuple[tuple[Finding, str], ...] = ()
