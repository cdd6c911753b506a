"""The recovery of one victim as stages that never overlap, and whose parts add up to the whole.

Every moment is of the recorder's one clock: when word of a step was received, or when the generator saw it. No server's
or node's clock takes part, so none that differs can make a stage negative. Word of different kinds comes over different
watches, so a step may be seen before the one that it follows from: its part of the whole is zero then, and the
neighbour in whose part that time lies says so. A step on which the next does not wait (`StageRule.aside`) has a part
only if it came before that next one.

Beside its part of the whole each stage has the time since the step that it begins with; that is what its bound binds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chaos.checks.verdict import Answer
from chaos.clock import seconds
from chaos.semantics import StageName, StageRule

__all__ = ["Stage", "StageDetail", "placed", "whole_ns"]


@dataclass(frozen=True, slots=True)
class StageDetail:
    """One stage in numbers.

    Attributes:
        stage: the step that ends it; `since` are those that it begins with.
        seconds: its part of the whole.
        took_s: how long it took from the last of them, beside `bound_s`; None where nobody promises one.
        answer: PASS, UNKNOWN or FAIL; `note` says why.
    """

    stage: str
    at_ns: int | None
    seconds: float
    since: str
    took_s: float | None
    bound_s: float | None
    bound_words: str
    answer: str
    note: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as it was.

    Attributes:
        at_ns: when its step was seen, and the one that it begins with (`since_ns`); None: it was not.
        part_ns: its part of the whole, 0 for one that was not seen or was out of order.
        note: what is odd about its place.
    """

    rule: StageRule
    at_ns: int | None
    since_ns: int | None
    part_ns: int = 0
    note: str = ""
    answer: Answer = Answer.PASS
    reason: str = ""

    @property
    def name(self) -> StageName:
        return self.rule.name

    @property
    def took_ns(self) -> int | None:
        """From the step that it begins with to its own, never negative; None if either was not seen."""
        return None if self.at_ns is None or self.since_ns is None else max(0, self.at_ns - self.since_ns)

    @property
    def detail(self) -> StageDetail:
        """The stage in numbers, as docs/run-folder.md describes them."""
        bound, took_ns = self.rule.bound, self.took_ns
        return StageDetail(
            stage=self.name,
            at_ns=self.at_ns,
            seconds=round(seconds(self.part_ns), 3),
            since=" and ".join(self.rule.since),
            took_s=None if took_ns is None else round(seconds(took_ns), 3),
            bound_s=None if bound is None else round(bound.total_s, 3),
            bound_words="nobody promises it" if bound is None else bound.words,
            answer=self.answer.name,
            note="; ".join(text for text in (self.reason, self.note) if text),
        )


def placed(rules: Sequence[StageRule], moments: Mapping[StageName, int]) -> tuple[Stage, ...]:
    """Put the steps that were seen in order. `moments` has `fault`, with which the first stage begins."""
    stages: list[Stage] = []
    asides: dict[StageName, str] = {}
    reached_ns, holder = moments["fault"], -1
    for place, rule in enumerate(rules):
        at_ns = moments.get(rule.name)
        since = [moments[name] for name in rule.since if name in moments]
        stage = Stage(rule, at_ns, max(since, default=None))
        following = _following(rules[place + 1 :], moments)
        if at_ns is None:
            stage = replace(stage, note="not seen" if rule.witness else "")
        elif rule.aside and following is not None and at_ns > moments[following]:
            late = f"{seconds(at_ns - moments[following]):.3f} s after"
            stage = replace(stage, note=f"{late} {following}, which does not wait for it")
            asides[following] = _joined(asides.get(following, ""), f"{rule.name} came {late} it")
        elif at_ns < reached_ns:
            early = f"{seconds(reached_ns - at_ns):.3f} s before"
            stage = replace(stage, note=f"seen {early} the step that it follows")
            if holder >= 0:
                stages[holder] = replace(
                    stages[holder], note=_joined(stages[holder].note, f"{rule.name} was seen {early} it")
                )
        else:
            stage = replace(stage, part_ns=at_ns - reached_ns)
            reached_ns, holder = at_ns, place
        stages.append(stage)
    return tuple(replace(stage, note=_joined(stage.note, asides.get(stage.name, ""))) for stage in stages)


def whole_ns(stages: Sequence[Stage]) -> int:
    """From the fault to the last step that was seen and waited for: the sum of the parts."""
    return sum(stage.part_ns for stage in stages)


def _following(later: Sequence[StageRule], moments: Mapping[StageName, int]) -> StageName | None:
    """Of the later steps that others wait for, the one that was seen first."""
    seen = [rule.name for rule in later if not rule.aside and rule.name in moments]
    return min(seen, key=moments.__getitem__, default=None)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
