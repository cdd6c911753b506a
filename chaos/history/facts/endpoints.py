"""Which pods were among the endpoints of the system's Service, and when."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.history.cache import once
from chaos.history.coverage import settled_ns
from chaos.history.model import History
from chaos.objects.kinds import EndpointSliceView

__all__ = ["Span", "endpoint_spans"]

Span = tuple[int, int | None]
"""From when until when; an end of None means to the last that was watched."""


@once
def endpoint_spans(history: History) -> Mapping[str, tuple[Span, ...]]:
    """For each pod by UID, the spans in which it was among the ready endpoints, in order.

    Ready means that new connections are sent there; a pod in two slices is there until both let it go.
    """
    slices: dict[str, frozenset[str]] = {}
    since: dict[str, int] = {}
    spans: dict[str, list[Span]] = {}
    for event in history.watch:
        if event.kind != "EndpointSlice":
            continue
        view = EndpointSliceView(event.object)
        if view.service != history.facts.service or view.namespace != history.facts.namespace:
            continue
        here = event.type not in ("DELETED", "VANISHED")
        slices[view.uid] = frozenset(one.pod_uid for one in view.endpoints if here and one.ready)
        ready = frozenset().union(*slices.values())
        at_ns = settled_ns(history, "EndpointSlice", event.at_ns)
        for uid in ready - since.keys():
            since[uid] = at_ns
        for uid in since.keys() - ready:
            spans.setdefault(uid, []).append((since.pop(uid), at_ns))
    for uid, begin_ns in since.items():
        spans.setdefault(uid, []).append((begin_ns, None))
    return {uid: tuple(found) for uid, found in spans.items()}
