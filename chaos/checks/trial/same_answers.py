"""Whether a replica answers as those did before: servers that batch requests differ now and then, all weights the same.

The same question is asked several times of each replica (`chaos.trial.data_readings`). One answer as before is enough:
other weights do not give it. Where none is, the answers before say how likely that is to be chance.
"""

from collections.abc import Sequence
from math import comb

__all__ = ["MORE_ANSWERS", "SURE", "unlike"]

SURE = 0.002
"""So seldom, at worst, do answers that differ by chance come all after a fault and none before: six of six and six."""

MORE_ANSWERS = "a trial that reads twice in its baseline, of a server that then answers the same"


def unlike(answers: Sequence[str], before: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Why the answers of one replica are not those of `before`, and what would settle it; both empty if they are.

    Nothing settles it where it is sure: Fisher's exact test, which holds whatever the chance of an answer to differ is
    (R. A. Fisher, "The Design of Experiments", 1935).
    """
    known = [answer for replica in before for answer in replica]
    if not answers or not set(answers).isdisjoint(known):
        return "", ""
    if not known:
        return "whether it is always the same was not seen before the first fault", MORE_ANSWERS
    usual = max(known.count(answer) for answer in set(known))
    differing = len(known) - usual + len(answers)
    chance = comb(differing, len(answers)) / comb(len(known) + len(answers), len(answers))
    if chance <= SURE:
        return f"{len(answers)} times, {usual} of {len(known)} alike before the first fault", ""
    if usual < len(known):
        return f"{len(known) - usual} of {len(known)} answers differed before the first fault, too", MORE_ANSWERS
    return f"it may be chance: {len(known)} answers before the first fault are too few to tell", MORE_ANSWERS
