"""Facts derived from the watch log by pure functions: how many replicas were ready, desired, reachable, and when.

All moments are receive times on the trial's clock. A kind that was never covered yields empty steps: nothing is known.
What a list says, at the start and after a gap, takes effect when the list is complete.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain

from chaos.history.cache import once
from chaos.history.coverage import settled_ns
from chaos.history.facts.membership import is_workload
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.model import Gap, History, TrialFacts, WatchEvent
from chaos.history.step_function import Steps
from chaos.objects.base import View
from chaos.objects.kinds import EndpointSliceView, EndpointView, NodeView, ReplicaSetView
from chaos.objects.workload_kind import WorkloadKind

__all__ = [
    "Span",
    "active_replicas",
    "controller_kinds",
    "desired_replicas",
    "endpoint_spans",
    "endpoint_spans_by_family",
    "node_boots",
    "node_outages",
    "owner_replicas",
    "ready_endpoints",
    "ready_replicas",
    "service_slices",
    "unknown_spans",
    "workload_states",
]

OWNING = ("ReplicaSet", "StatefulSet", "ReplicationController")
"""Kubernetes' own kinds that have pods and want a number of them."""


@once
def ready_replicas(history: History) -> Steps:
    """How many pods of the system were Ready and not being deleted."""
    spans = [span for life in pod_lives(history) for span in life.served_spans]
    return _steps(history, "Pod", _counts(spans))


@once
def active_replicas(history: History) -> Steps:
    """How many pods of the system there were that their controller counts: neither finished nor being deleted."""
    spans = [(life.created_ns, life.left_ns) for life in pod_lives(history)]
    return _steps(history, "Pod", _counts(spans))


@once
def desired_replicas(history: History) -> Steps:
    """How many replicas the workload wants, 0 once it is deleted; a gap where it gives no number."""
    return _steps(history, history.facts.workload_kind, _desired_counts(history))


@once
def ready_endpoints(history: History) -> Steps:
    """How many ready endpoints the system's Service had; one that is in two slices counts once."""
    return _steps(
        history,
        "EndpointSlice",
        (
            (at_ns, len({one.pod_uid or ",".join(one.addresses) for one in found}))
            for at_ns, found in _ready_endpoints(history)
        ),
    )


@once
def workload_states(history: History) -> tuple[tuple[int, ReplicaSetView], ...]:
    """Every state of the workload with the moment from which it was known, in order."""
    kind = history.facts.workload_kind
    views = ((event.at_ns, ReplicaSetView(event.object)) for event in _of_kind(history, kind))
    return tuple((at_ns, view) for at_ns, view in views if is_workload(history, kind, view))


@once
def node_outages(history: History) -> Mapping[str, tuple[tuple[int, int | None], ...]]:
    """For each node by name, the spans in which it was not Ready or not there; an end of None: to the last."""
    points: dict[str, list[tuple[int, int]]] = {}
    for event in _of_kind(history, "Node"):
        node = NodeView(event.object)
        here = not event.gone and node.ready
        points.setdefault(node.name, []).append((settled_ns(history, "Node", event.at_ns), int(here)))
    return {name: Steps.of(states, history.ended_ns).spans_below(1) for name, states in points.items()}


@once
def node_boots(history: History) -> Mapping[str, tuple[int, ...]]:
    """For each node by name, when it was seen to have been started anew: its kernel has another boot ID."""
    known: dict[str, str] = {}
    boots: dict[str, list[int]] = {}
    for event in _of_kind(history, "Node"):
        node = NodeView(event.object)
        boot = str((node.status.get("nodeInfo") or {}).get("bootID") or "")
        if boot and known.get(node.name, boot) != boot:
            boots.setdefault(node.name, []).append(settled_ns(history, "Node", event.at_ns))
        known[node.name] = boot or known.get(node.name, "")
    return {name: tuple(moments) for name, moments in boots.items()}


def _steps(history: History, kind: str, counts: Iterator[tuple[int, int]]) -> Steps:
    if kind not in history.covered_ns:
        return Steps((), history.ended_ns)
    begin_ns, end_ns = history.covered_ns[kind]
    first = ((begin_ns, 0),)
    settled = ((settled_ns(history, kind, at_ns), count) for at_ns, count in counts)
    return Steps.of((*first, *((at_ns, count) for at_ns, count in settled if at_ns <= end_ns)), end_ns)


def _of_kind(history: History, kind: str) -> Iterator[WatchEvent]:
    return (event for event in history.watch if event.kind == kind)


def _counts(spans: list[tuple[int, int | None]]) -> Iterator[tuple[int, int]]:
    """How many spans hold, at each moment at which that changes."""
    changes = [(begin_ns, 1) for begin_ns, _ in spans]
    changes += [(end_ns, -1) for _, end_ns in spans if end_ns is not None]
    changes.sort()
    return zip((at_ns for at_ns, _ in changes), accumulate(change for _, change in changes), strict=True)


def _desired_counts(history: History) -> Iterator[tuple[int, int]]:
    for event in _of_kind(history, history.facts.workload_kind):
        view = ReplicaSetView(event.object)
        if is_workload(history, event.kind, view):
            wanted = 0 if event.gone else history.facts.workload.wanted(event.object)
            if wanted is not None:
                yield event.at_ns, wanted


def _ready_endpoints(history: History, family: str | None = None) -> Iterator[tuple[int, tuple[EndpointView, ...]]]:
    """The ready endpoints of the system's Service, in all its slices, each time that one of these changes.

    `family`: only in those for addresses of this kind.
    """
    slices: dict[str, tuple[EndpointView, ...]] = {}
    ports = _users_ports(history)
    for event, view in service_slices(history):
        if family in (None, view.family):
            offered = {str(port.get("name") or "") for port in view.raw.get("ports") or ()}
            open_ = not event.gone and (ports is None or bool(offered & ports if ports else offered))
            slices[view.uid] = tuple(one for one in view.endpoints if one.ready and open_)
            yield event.at_ns, tuple(chain.from_iterable(slices.values()))


@once
def _users_ports(history: History) -> frozenset[str] | None:
    """Of which ports of the Service, by name, a slice needs one, or else its pods get no user's connection.

    Pods without a port of the name that a port of the Service targets are in a slice without that one, whose `ports`
    are null if there is no other (Kubernetes API reference, EndpointSlice). Empty: any, as the record does not say to
    which one users are sent; None: the Service has no ports.
    """
    facts, system = history.facts, history.facts.raw.get("system") or {}
    services = (View(event.object) for event in _of_kind(history, "Service") if not event.gone)
    own = (view for view in services if (view.namespace, view.name) == (facts.namespace, facts.service))
    ports = [port for view in own for port in view.spec.get("ports") or ()]
    users = (str(port.get("name") or "") for port in ports if port.get("port") == system.get("port"))
    return frozenset(users) if ports else None


def service_slices(history: History) -> Iterator[tuple[WatchEvent, EndpointSliceView]]:
    """Every state of the slices of the system's Service."""
    facts = history.facts
    for event in _of_kind(history, "EndpointSlice"):
        view = EndpointSliceView(event.object)
        if (view.namespace, view.service) == (facts.namespace, facts.service):
            yield event, view


def controller_kinds(history: History) -> Mapping[str, WorkloadKind]:
    """Every kind that may have pods of its own and say how many it wants, by name."""
    own = history.facts.workload
    kinds = {name: WorkloadKind.named(name) for name in (*OWNING, *own.through)}
    return kinds if own.through else {**kinds, own.name: own}


def owner_replicas(history: History, uid: str) -> Steps:
    """How many pods one of the pods' own controllers, by UID, asked for; nothing of one that was never seen."""
    points: list[tuple[int, int]] = []
    kind = "ReplicaSet"
    known = controller_kinds(history)
    for event in history.watch:
        if event.kind in known and View(event.object).uid == uid:
            kind = event.kind
            wanted = 0 if event.gone else known[kind].wanted(event.object)
            if wanted is not None:
                points.append((event.at_ns, wanted))
    return Steps.of(points, history.covered_ns.get(kind, (0, history.ended_ns))[1])


Span = tuple[int, int | None]
"""From when until when; an end of None means to the last that was watched."""


@once
def endpoint_spans(history: History) -> Mapping[str, tuple[Span, ...]]:
    """For each pod by UID, the spans in which it was among the ready endpoints, in order.

    Ready means that new connections are sent there; a pod in two slices is there until both let it go.
    """
    return _spans(history)


@once
def endpoint_spans_by_family(history: History) -> Mapping[str, Mapping[str, tuple[Span, ...]]]:
    """The same for each family of addresses by itself: clients of a dual-stack Service go by the slices of theirs."""
    families = dict.fromkeys(view.family for _, view in service_slices(history))
    return {family: _spans(history, family) for family in families}


def _spans(history: History, family: str | None = None) -> Mapping[str, tuple[Span, ...]]:
    since: dict[str, int] = {}
    spans: dict[str, list[Span]] = {}
    for received_ns, endpoints in _ready_endpoints(history, family):
        ready = {one.pod_uid for one in endpoints}
        at_ns = settled_ns(history, "EndpointSlice", received_ns)
        for uid in ready - since.keys():
            since[uid] = at_ns
        for uid in since.keys() - ready:
            spans.setdefault(uid, []).append((since.pop(uid), at_ns))
    for uid, begin_ns in since.items():
        spans.setdefault(uid, []).append((begin_ns, None))
    return {uid: tuple(found) for uid, found in spans.items()}


def unknown_spans(facts: TrialFacts, watch: Iterable[WatchEvent], end_ns: int) -> Iterator[Gap]:
    """Spans without a number of desired replicas, as gaps of the workload's kind; an open one lasts to `end_ns`.

    Only a kind that others added to the API can be so: its `/scale` is refused then, and no default is promised.
    """
    kind, since_ns = facts.workload, None
    for event in watch:
        view = View(event.object)
        if event.kind != kind.name or (view.namespace, view.name) != (facts.namespace, facts.workload_name):
            continue
        silent = not event.gone and kind.wanted(event.object) is None
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
