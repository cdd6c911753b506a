"""Whether a replica answers as those did before: servers that batch requests differ now and then, all weights the same.

The same question is asked several times of each replica (`chaos.trial.data_readings`). One answer as before is enough:
other weights do not give it. Where none is, the answers before say how likely that is to be chance.
"""

from collections.abc import Sequence
from math import comb

from chaos.history import History

__all__ = ["MORE_ANSWERS", "SURE", "hardware", "unlike"]

MACHINE = (
    "kubernetes.io/arch",
    "node.kubernetes.io/instance-type",
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
)
"""Labels of nodes that say on what a replica computes; the last two are those of the vendors' device plugins."""

SURE = 0.002
"""So seldom, at worst, do answers that differ by chance come all after a fault and none before: six of six and six."""

SAME_HARDWARE = "a trial that reads before on the kind of machine on which the successor runs"
MORE_ANSWERS = "a trial that reads twice in its baseline, of a server that then answers the same"


def unlike(answers: Sequence[str], before: Sequence[Sequence[str]], elsewhere: str = "") -> tuple[str, str]:
    """Why the answers of one replica are not those of `before`, and what would settle it; both empty if they are.

    `elsewhere`: the machine that it runs on, if nobody answered on such a one before.
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
    if chance <= SURE and elsewhere:
        return f"it runs on {elsewhere}, on which nobody was asked before", SAME_HARDWARE
    if chance <= SURE:
        return f"{len(answers)} times, {usual} of {len(known)} alike before the first fault", ""
    if usual < len(known):
        return f"{len(known) - usual} of {len(known)} answers differed before the first fault, too", MORE_ANSWERS
    return f"it may be chance: {len(known)} answers before the first fault are too few to tell", MORE_ANSWERS


def hardware(history: History, node: str) -> tuple[str, ...]:
    """What a node's labels say of its machine: other processors add up in another order, and may answer otherwise."""
    for event in reversed(history.watch):
        metadata = event.object.get("metadata") or {}
        if event.kind == "Node" and metadata.get("name") == node:
            labels = metadata.get("labels") or {}
            return tuple(str(labels[name]) for name in MACHINE if name in labels)
    return ()
