"""Spans in which the workload does not give its number of desired replicas: as good as not seen. Pure.

Only a kind that others added to the API can be so: its `/scale` is refused then, and no default is promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chaos.history.model import Gap, TrialFacts, WatchEvent
from chaos.objects.base import View

__all__ = ["unsaid"]

ENDED = ("DELETED", "VANISHED")


def unsaid(facts: TrialFacts, watch: Iterable[WatchEvent], end_ns: int) -> Iterator[Gap]:
    """The spans, as gaps of the workload's kind; one that does not end lasts to `end_ns`."""
    kind, since_ns = facts.workload, None
    for event in watch:
        view = View(event.object)
        if event.kind != kind.name or (view.namespace, view.name) != (facts.namespace, facts.workload_name):
            continue
        silent = event.type not in ENDED and kind.wanted(event.object) is None
        if silent and since_ns is None:
            since_ns = event.at_ns
        elif not silent and since_ns is not None:
            yield _gap(facts, since_ns, event.at_ns)
            since_ns = None
    if since_ns is not None:
        yield _gap(facts, since_ns, max(since_ns, end_ns))


def _gap(facts: TrialFacts, since_ns: int, until_ns: int) -> Gap:
    path = ".".join(facts.workload.replicas_path)
    reason = f"{facts.workload_kind} {facts.workload_name} gave no number of replicas at {path}"
    return Gap(facts.workload_kind, since_ns, until_ns, reason)
