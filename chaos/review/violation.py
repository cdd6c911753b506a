"""What a rule finds on one object, and the finding that it becomes: with severity and source, unless it is silenced."""

from collections.abc import Iterable
from dataclasses import dataclass

from chaos.errors import one_line
from chaos.review.finding import Finding, Review
from chaos.review.model import Manifest
from chaos.review.patches import Patch
from chaos.review.rules import RULES, SILENCE
from chaos.review.shapes import texts

__all__ = ["Violation", "judged"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that an object breaks; `patch` is None where only people know what to write."""

    rule: str
    about: Manifest
    sentence: str
    sums: tuple[str, ...] = ()
    patch: Patch | None = None

    @property
    def finding(self) -> Finding:
        """The finding for people."""
        rule, patch = RULES[self.rule], self.patch
        return Finding(
            rule=rule.name,
            severity=rule.severity,
            object=one_line(self.about.words),
            path=self.about.path,
            line=self.about.line,
            sentence=one_line(self.sentence),
            sums=tuple(map(one_line, self.sums)),
            patch=patch.text if patch else "",
            apply=one_line(patch.command) if patch else "",
            source=rule.source,
        )


def judged(violations: Iterable[Violation]) -> Review:
    """Part the findings from those that an annotation of their object silences, which needs a reason."""
    findings: list[Finding] = []
    silenced: list[tuple[Finding, str]] = []
    for one in violations:
        why = texts(one.about.raw, "metadata", "annotations").get(SILENCE + one.rule, "").strip()
        if why:
            silenced.append((one.finding, one_line(why)))
        else:
            findings.append(one.finding)
    return Review(tuple(findings), silenced=tuple(silenced))
