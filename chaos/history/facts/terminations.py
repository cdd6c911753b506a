"""The end of each replica that was deleted, by whomever: when, with which grace, and how its containers ended."""

from dataclasses import dataclass, field

from chaos.history.cache import once
from chaos.history.coverage import earliest_ns, settled_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.model import History
from chaos.objects.pod import PodView

__all__ = ["Ending", "Exit", "endings"]

SIGKILLED = 137
"""128 and the number of the signal."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How one container ended, and when word of it came."""

    container: str
    code: int
    reason: str
    seen_ns: int

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it, and not for its memory."""
        return self.code == SIGKILLED and self.reason != "OOMKilled"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one replica that had been Ready, by deletion, eviction or rollout.

    Attributes:
        life: the pod.
        asked_ns: when word came that its deletion was accepted.
        sure: it was accepted just then, since the watch had no gap and was not cut off.
        grace_s: what the deletion gave it, the least if it was deleted more than once; None if the pod was gone without
            having been seen to end.
        exits: the ends of its containers that were seen.
        running: the names of those that still ran when the object was last seen.
    """

    life: PodLife
    asked_ns: int
    sure: bool
    grace_s: int | None
    exits: tuple[Exit, ...]
    running: tuple[str, ...]

    @property
    def forced(self) -> bool:
        """Whether the object vanished without waiting for its containers."""
        return self.grace_s == 0 or (self.life.gone_ns is not None and bool(self.running))

    @property
    def killed(self) -> tuple[Exit, ...]:
        """The containers that SIGKILL ended; not sidecars, which have what the others leave of the grace (KEP-753)."""
        sidecars = PodView({"spec": self.life.spec}).sidecars
        return tuple(one for one in self.exits if one.killed and one.container not in sidecars)

    @property
    def stopped_ns(self) -> int | None:
        """When word came that its last container had ended, None if it did not."""
        return None if self.running or not self.exits else max(one.seen_ns for one in self.exits)


@dataclass(slots=True)
class _Reading:
    """An ending while it is being read."""

    grace_s: int | None = None
    exits: dict[str, Exit] = field(default_factory=dict)
    running: tuple[str, ...] = ()

    def read(self, pod: PodView, at_ns: int, *, gone: bool) -> None:
        """Take one state of a pod that is being deleted into account."""
        self.running = tuple(one.name for one in pod.containers if one.running_since)
        for one in pod.containers:
            if one.exit and one.name not in self.exits:
                code, reason = int(one.exit.get("exitCode", 0)), str(one.exit.get("reason", ""))
                self.exits[one.name] = Exit(one.name, code, reason, at_ns)
        given = pod.deletion_grace_s
        # Its kubelet deletes it once more, with a grace of 0, when all containers have ended: that is no haste.
        if given is not None and (given or (self.running and not gone)):
            self.grace_s = given if self.grace_s is None else min(self.grace_s, given)


@once
def endings(history: History) -> tuple[Ending, ...]:
    """The ends of all replicas that had been Ready, in order of their deletion.

    One that had finished before, e.g. by its kubelet, ran no more: whoever takes its object away ends nothing.
    """
    ended = ((life, life.terminating_ns or life.gone_ns) for life in pod_lives(history) if life.ready_spans)
    known = ((life, at_ns) for life, at_ns in ended if at_ns is not None)
    asked = {life.uid: (life, at_ns) for life, at_ns in known if (life.finished_ns or at_ns) >= at_ns}
    readings = {uid: _Reading() for uid in asked}
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        if pod.uid in asked and (event.gone or pod.deleting):
            readings[pod.uid].read(pod, settled_ns(history, "Pod", event.at_ns), gone=event.gone)
    found = [
        Ending(
            life=life,
            asked_ns=asked_ns,
            sure=earliest_ns(history, "Pod", asked_ns) == asked_ns,
            grace_s=readings[uid].grace_s,
            exits=tuple(readings[uid].exits.values()),
            running=readings[uid].running,
        )
        for uid, (life, asked_ns) in asked.items()
    ]
    return tuple(sorted(found, key=lambda one: one.asked_ns))
