"""What is said of a claim about autoscaling or capacity: the older form of an obligation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.checks.base import GAPLESS
from chaos.checks.verdict import Answer

__all__ = ["GAPLESS", "Said", "weighed", "worst"]


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that speaks against a claim (FAIL) or leaves it open (UNKNOWN); `blind`: something was not seen."""

    answer: Answer
    text: str
    settle: str = ""
    blind: bool = False


def worst(said: list[Said]) -> tuple[Answer, str, str]:
    """The answer, its reason, and what would settle it; PASS if nothing is said."""
    answer = max((one.answer for one in said), default=Answer.PASS)
    told = [one for one in said if one.answer is answer]
    reason = "; ".join(dict.fromkeys(one.text for one in told))
    settle = "; ".join(dict.fromkeys(one.settle for one in told if one.settle))
    return answer, reason, settle if answer is Answer.UNKNOWN else ""


def weighed(said: list[Said]) -> list[Said]:
    """What remains of it: where something was not seen, all else may have been otherwise, so that it is open too."""
    if not any(one.blind for one in said):
        return said
    return [replace(one, answer=Answer.UNKNOWN, settle=one.settle or GAPLESS) for one in said]
