"""Wait until the system is available, or report what blocks it."""

import time
from collections.abc import Sequence

from chaos.cluster import Cluster, Recorder
from chaos.errors import ClusterRefused, TimedOut
from chaos.history.writing.redaction import redacted_words
from chaos.objects.base import View
from chaos.objects.readiness_blockers import Blocker, blockers, in_words
from chaos.system.deploy.availability import available_bound_s, shortfall
from chaos.system.system import System

__all__ = ["NeverAvailable", "Patience", "wait_available"]

LOOK_S = 1.0
"""How often blockers are looked at while nothing happens: some show only by the time that they last."""


class NeverAvailable(TimedOut):
    """The system did not become available. `blockers` are what was in the way when waiting ended."""

    def __init__(self, what: str, found: Sequence[Blocker]) -> None:
        super().__init__(what)
        self.blockers = tuple(found)


def wait_available(
    cluster: Cluster,
    recorder: Recorder,
    system: System,
    *,
    deadline_s: float | None = None,
    hpa_sync_s: float = 15.0,
) -> float:
    """Wait until every replica is Ready, an endpoint of the Service, and counted by the disruption budget.

    The deadline follows from the spec's own probes unless it is given. Returns the seconds that it took. Raises
    `NeverAvailable` at the deadline, or before it when a blocker that cannot go away by itself has outlasted its
    patience. The recorder must watch Deployment, ReplicaSet, Pod, EndpointSlice, PodDisruptionBudget and Event.
    """
    bound_s = deadline_s
    if bound_s is None:
        bound_s = available_bound_s(
            system.spec, pods_before=system.pods_before, hpa_sync_s=hpa_sync_s, template=system.template
        )
    began, patience = time.monotonic(), Patience()
    while shortfall(system, recorder.objects):
        elapsed_s = time.monotonic() - began
        lost = patience.lost(_blockers(recorder, system), elapsed_s)
        if lost or elapsed_s >= bound_s:
            raise _never(cluster, recorder, system, lost=lost, elapsed_s=elapsed_s)
        recorder.wait_for(lambda: not shortfall(system, recorder.objects), min(LOOK_S, bound_s - elapsed_s))
    return time.monotonic() - began


def _never(
    cluster: Cluster, recorder: Recorder, system: System, *, lost: Blocker | None, elapsed_s: float
) -> NeverAvailable:
    found = _blockers(recorder, system, _last_lines(cluster, system, _blockers(recorder, system)))
    lacks = shortfall(system, recorder.objects)
    when = "will never be available" if lost else f"not available within {elapsed_s:.0f} s"
    what = f"system {system.namespace}/{system.spec.name} {when}: {lacks or 'it came good just now'}"
    found = found or ((lost,) if lost else ())
    return NeverAvailable(f"{what}; {in_words(found)}" if found else what, found)


def _blockers(recorder: Recorder, system: System, last_lines: dict[str, str] | None = None) -> tuple[Blocker, ...]:
    pods = [raw for raw in recorder.objects("Pod") if system.owns(View(raw))]
    replicasets = [raw for raw in recorder.objects("ReplicaSet") if system.owns(View(raw))]
    events = recorder.objects("Event")
    return blockers(pods=pods, replicasets=replicasets, events=events, last_lines=last_lines)


def _last_lines(cluster: Cluster, system: System, found: Sequence[Blocker]) -> dict[str, str]:
    """Ask for the last line that each crashing container logged; a log that cannot be read is left out."""
    lines: dict[str, str] = {}
    for name in sorted({one.who for one in found if one.kind == "crashing"})[:3]:
        for previous in (True, False):
            try:
                log = cluster.logs(system.namespace, name, system.spec.name, previous=previous, tail_lines=5)
            except ClusterRefused:
                continue
            if logged := [line for line in log.splitlines() if line.strip()]:
                (last,) = redacted_words(logged[-1:])
                lines[name] = last[:200]
                break
    return lines


class Patience:
    """Remembers since when each blocker has stood; one that went away starts anew if it comes back."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}

    def lost(self, found: Sequence[Blocker], now_s: float) -> Blocker | None:
        """Take what is in the way at `now_s`, and give a blocker that has outlasted its patience, if there is one."""
        self._since = {(one.kind, one.who): self._since.get((one.kind, one.who), now_s) for one in found}
        for one in found:
            if one.patience_s is not None and now_s - self._since[one.kind, one.who] >= one.patience_s:
                return one
        return None
