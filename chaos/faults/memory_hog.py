"""Use up a container's memory from inside, until the kernel ends something for it."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import API_ALLOWANCE_S, Injection, TargetedFault, each
from chaos.faults.containers import (
    EXIT_SEEN_S,
    KILLED,
    Place,
    container_now,
    ended_words,
    last_end,
    no_shell,
    not_running,
    place_of,
    run_script,
)
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.objects.quantities import amount

__all__ = ["MemoryHog"]

HOLD_S = 15.0
"""How long a hog holds its memory at most: all of them end by themselves, whatever becomes of us."""

OOM_KILLED = "OOMKilled"
SEED_BYTES = 16
NO_ROOM = 3

HOG = f"""
fill() {{
  text=0123456789abcdef
  left=$1
  while [ "$left" -gt 0 ]; do text=$text$text; left=$((left - 1)); done
}}
step() {{
  [ "$3" -gt 0 ] || exit {NO_ROOM}
  {{ fill "$1"; echo full; sleep "$2"; : "$text"; }} | {{ read -r _; step "$1" "$2" $(($3 - 1)); }}
}}
step "$@"
"""
"""One piece after the other, each in a process of its own: all at once they would take the node's processors too. A
piece is named once more after the sleep: a shell with nothing left to do becomes its last command, and lets it go."""


@dataclass(frozen=True, slots=True)
class MemoryHog(TargetedFault):
    """Fill the memory of the targets' containers, in pieces of `piece_mib`, until the limit ends one of them.

    The kernel ends the largest process of the container (the whole container where control groups v2 are set so), so
    `piece_mib` must be well below what the server itself holds: then it is the server that goes. It has landed when the
    watch shows that the container ended with the reason OOMKilled. Nothing is left to undo: what holds the memory ends
    with the container, or after `HOLD_S` by itself. A container without a memory limit is refused: its node would pay.
    """

    name: ClassVar[str] = "memory-hog"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = f"it ends by itself after {HOLD_S:g} s"

    piece_mib: int = 16
    container: str = ""

    def __post_init__(self) -> None:
        if self.piece_mib < 1 or self.piece_mib & (self.piece_mib - 1):
            raise UsageError(f"MemoryHog.piece_mib: {self.piece_mib} is not a power of two")

    @property
    @override
    def words(self) -> str:
        return f"use up the memory of {self.targets.words}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The kubelet's sight of the exit, and the API's own time."""
        return EXIT_SEEN_S + API_ALLOWANCE_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Fill it; landed when each container ended, and the runtime gives its memory as the reason."""
        places: list[Place] = []

        def proof() -> str:
            ended = [_ended(context, place) for place in places]
            return "; ".join(ended) if len(ended) == len(self.victims) and all(ended) else ""

        return Injection(self, context, proof, missed=each(self.victims, lambda ref: self._fill(context, ref, places)))

    def _fill(self, context: FaultContext, ref: Ref, places: list[Place]) -> str:
        if (place := place_of(context.recorder, ref, self.container)) is None:
            return not_running(ref, self.container)
        limit = _limit(context, place)
        if not limit:
            return f"container {place.container} of {ref.name} has no memory limit: its node would pay for it"
        piece = self.piece_mib << 20
        doublings = (piece // SEED_BYTES).bit_length() - 1
        # A shell holds a string at least once, so this many must go over the limit.
        words = (str(doublings), f"{HOLD_S:g}", str(limit // piece + 1))
        ran = run_script(context, place, HOG, *words, timeout_s=HOLD_S + API_ALLOWANCE_S)
        if ran.exit_code == NO_ROOM or ran.outcome == "info" or ran.exit_code == KILLED:
            places.append(place)
            return ""  # what became of the container says whether it landed
        why = "has no shell (sh) to do it with" if no_shell(ran) else ran.reason
        return f"{ref.name}: container {place.container}: {why}"


def _limit(context: FaultContext, place: Place) -> int:
    """The container's memory limit in bytes, 0 if it has none."""
    for pod in map(PodView, context.recorder.objects("Pod")):
        for container in (pod.spec.get("containers") or ()) if pod.uid == place.pod.uid else ():
            if container["name"] == place.container:
                return int(amount(str(((container.get("resources") or {}).get("limits") or {}).get("memory", "0"))))
    return 0


def _ended(context: FaultContext, place: Place) -> str:
    now = container_now(context.recorder, place)
    ended = last_end(now, place) if now else {}
    return ended_words(place, ended) if ended.get("reason") == OOM_KILLED else ""
