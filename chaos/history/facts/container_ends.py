"""Each end of a container of the system's pods within the record, as their status tells it, with what its log kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.model import History
from chaos.history.samples import ContainerLog
from chaos.objects.base import Raw
from chaos.objects.pod import ContainerView, PodView

__all__ = ["ContainerEnd", "container_ends", "logs_of"]


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """One run of a container that ended, at the latest at `at_ns`, when word of it came.

    `code` and `reason` are its status' own (None and empty where its pod went without telling); `log` is what is kept
    of it, None if nothing is.
    """

    at_ns: int
    pod: str
    uid: str
    container: str
    run: int
    code: int | None
    reason: str
    log: ContainerLog | None


@once
def container_ends(history: History) -> tuple[ContainerEnd, ...]:
    """All of them, in order of time, but init containers that ended well and what had ended before the record."""
    lives = {life.uid: life for life in pod_lives(history)}
    logs = {(log.uid, log.container, log.run): log for log in history.logs}
    found: dict[tuple[str, str, int], ContainerEnd] = {}
    old: set[tuple[str, str, int]] = set()
    first_ns = history.covered_ns.get("Pod", (history.began_ns, 0))[0]
    for event in history.watch:
        if event.kind != "Pod" or (pod := PodView(event.object)).uid not in lives:
            continue
        for view, init in [(one, False) for one in pod.containers] + [(one, True) for one in pod.preparing]:
            for run, how in _exits(view):
                key = (pod.uid, view.name, run)
                if event.type == "LISTED" and event.at_ns <= first_ns:
                    old.add(key)
                if key in found or key in old or (init and how.get("exitCode") == 0):
                    continue
                reason, code = str(how.get("reason") or ""), how.get("exitCode")
                known = code if isinstance(code, int) else None
                found[key] = ContainerEnd(event.at_ns, pod.name, pod.uid, view.name, run, known, reason, logs.get(key))
    latest = {(log.uid, log.container): log for log in sorted(history.logs, key=lambda log: log.run)}
    untold = (_untold(log, lives.get(log.uid), found) for log in latest.values() if log.role != "init")
    ends = [*found.values(), *(end for end in untold if end is not None)]
    return tuple(sorted(ends, key=lambda end: (end.at_ns, end.pod, end.container)))


def logs_of(history: History, uid: str) -> tuple[ContainerLog, ...]:
    """What is kept of the logs of a pod's containers, in the order of their runs."""
    return tuple(log for log in history.logs if log.uid == uid)


def _exits(view: ContainerView) -> Iterator[tuple[int, Raw]]:
    """The ends that a status tells of, by the number of the run."""
    if view.exit:
        yield view.restarts, view.exit
    if view.last_exit and view.restarts:
        yield view.restarts - 1, view.last_exit


def _untold(
    log: ContainerLog, life: PodLife | None, found: Mapping[tuple[str, str, int], ContainerEnd]
) -> ContainerEnd | None:
    """The end of a run whose pod was gone before its status told of it, as by a deletion without grace."""
    told = max((run for uid, container, run in found if (uid, container) == (log.uid, log.container)), default=-1)
    if told >= log.run or life is None or life.gone_ns is None:
        return None
    return ContainerEnd(life.gone_ns, log.pod, log.uid, log.container, log.run, None, "", log)
