"""Use up a container's memory, from inside or by its node, until the kernel ends something for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import DRY_RUN, DryRunExecutor
from chaos.errors import UsageError
from chaos.faults.base import API_ALLOWANCE_S, Injection, TargetedFault, each
from chaos.faults.containers import (
    EXIT_SEEN_S,
    KILLED,
    Place,
    container_now,
    ended_words,
    last_end,
    not_running,
    place_of,
    run_script,
)
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EXEC, Right
from chaos.faults.support.reach import pod_of, tools_of
from chaos.faults.support.ways import hog_way
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.objects.quantities import amount

__all__ = ["MemoryHog"]

HOLD_S = 15.0
"""How long a piece of memory is held, and pieces are begun: all end by themselves, whatever becomes of us."""

END_S = 2 * HOLD_S

OOM_KILLED = "OOMKilled"
SEED_BYTES = 16
NO_ROOM, LATE = 3, 4

PIECES_MAX = 1024
"""Each is two processes, of which a node has some thousands for all that runs on it."""

HOG = f"""
fill() {{
  text=0123456789abcdef
  left=$1
  while [ "$left" -gt 0 ]; do text=$text$text; left=$((left - 1)); done
}}
step() {{
  [ "$3" -gt 0 ] || exit {NO_ROOM}
  kill -0 "$4" 2>/dev/null && kill -0 "$$" 2>/dev/null || exit {LATE}
  {{ fill "$1"; echo full; sleep "$2"; : "$text"; }} | {{ read -r _; step "$1" "$2" $(($3 - 1)) "$4"; }}
}}
sleep "$2" & time=$!
step "$@" "$time" & first=$!
wait "$time"
wait "$first"
"""
"""One piece after the other, each in a process of its own: all at once they would take the node's processors too. A
piece is named once more after the sleep: a shell with nothing left to do becomes its last command, and lets it go. None
is begun once the first sleep is over, or this very shell is gone."""


@dataclass(frozen=True, slots=True)
class MemoryHog(TargetedFault):
    """Fill the memory of the targets' containers, in pieces of `piece_mib`, until the limit ends one of them.

    The kernel ends the largest process of the container (the whole container where control groups v2 are set so), so
    `piece_mib` must be well below what the server itself holds: then it is the server that goes. It has landed when the
    watch shows that the container ended with the reason OOMKilled. Nothing is left to undo: what holds the memory ends
    with the container, or `HOLD_S` after the last piece, and none is begun when that time is over. A container without
    a memory limit is refused: its node would pay. An image without a shell takes a node that fills the memory in its
    place, as the lab's does; else it is refused.
    """

    name: ClassVar[str] = "memory-hog"
    permissions: ClassVar[tuple[Right, ...]] = EXEC
    if_run_dies: ClassVar[str] = f"it ends by itself after {END_S:g} s"

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
        place, pod = place_of(context.recorder, ref, self.container), pod_of(context, ref)
        if place is None or pod is None:
            return not_running(ref, self.container)
        limit = _limit(context, place)
        if not limit:
            return f"container {place.container} of {ref.name} has no memory limit: its node would pay for it"
        dry = isinstance(context.executor, DryRunExecutor)
        tools = None if dry else tools_of(context, pod, place)
        if isinstance(tools, str):
            return tools
        way = hog_way(place.container, tools, context.infrastructure)
        if dry or way.means == "none":
            return f"{DRY_RUN}: {ref.name}: {way.words}" if dry else f"{ref.name}: {way.words}"
        piece = self.piece_mib << 20
        if (pieces := limit // piece + 1) > PIECES_MAX:
            return (
                f"{ref.name}: container {place.container} may have {limit >> 20} MiB: {pieces} pieces of "
                f"{self.piece_mib} MiB are more than {PIECES_MAX}: give a larger piece_mib"
            )
        doublings = (piece // SEED_BYTES).bit_length() - 1
        # A shell holds a string at least once, so this many must go over the limit.
        words = (str(doublings), f"{HOLD_S:g}", str(pieces))
        why = _by_node(context, pod, place, words) if way.means == "node" else _inside(context, place, words)
        if not why:
            places.append(place)  # what became of the container says whether it landed
        return f"{ref.name}: container {place.container}: {why}" if why else ""


def _inside(context: FaultContext, place: Place, words: Sequence[str]) -> str:
    ran = run_script(context, place, HOG, *words, timeout_s=HOLD_S + API_ALLOWANCE_S)
    if ran.exit_code == LATE:
        return f"its memory was not full within {HOLD_S:g} s: give a larger piece_mib"
    return "" if ran.exit_code in (NO_ROOM, KILLED) or ran.outcome == "info" else ran.reason


def _by_node(context: FaultContext, pod: PodView, place: Place, words: Sequence[str]) -> str:
    nodes = context.infrastructure.containers
    assert nodes is not None

    def fill() -> str:
        return nodes.fill(pod.node, place.container_id, HOG, words, timeout_s=HOLD_S + API_ALLOWANCE_S)

    return context.act("fill-memory", place.pod, fill, by=nodes.words)


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
