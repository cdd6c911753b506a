"""The pods that the autoscaler's workload selects, as they were at each moment."""

from collections.abc import Iterator

from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.replica_counts import workload_states
from chaos.objects.base import matches
from chaos.objects.pod import PodView

__all__ = ["pods_seen"]


@once
def _pod_events(history: History) -> tuple[tuple[int, PodView, bool], ...]:
    """Every state of every pod that the workload's selector selects, and whether the pod was gone with it."""
    states = workload_states(history)
    if not states:
        return ()
    selector = states[-1][1].selector
    pods = ((event.at_ns, PodView(event.object), event.type) for event in history.watch if event.kind == "Pod")
    return tuple(
        (at_ns, pod, type_ in ("DELETED", "VANISHED"))
        for at_ns, pod, type_ in pods
        if pod.namespace == history.facts.namespace and matches(selector, pod.labels)
    )


def pods_seen(history: History, begin_ns: int, end_ns: int) -> Iterator[tuple[PodView, ...]]:
    """The pods as they were at the begin of a span, and after every change in it."""
    there: dict[str, PodView] = {}
    begun = False
    for at_ns, pod, gone in _pod_events(history):
        if at_ns > end_ns:
            break
        if at_ns > begin_ns and not begun:
            begun = True
            yield tuple(there.values())
        if gone:
            there.pop(pod.uid, None)
        else:
            there[pod.uid] = pod
        if begun:
            yield tuple(there.values())
    if not begun:
        yield tuple(there.values())
