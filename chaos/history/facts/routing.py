"""How the system's Service routes, as the watch log has it and its slices: what speaks against an even chance.

kube-proxy sends each new connection to any of the ready endpoints with the same chance. A Service may say otherwise:
its affinity, its traffic distribution and policies, a headless one, or hints in its slices (Kubernetes documentation,
"Virtual IPs and Service Proxies"; KEP-2433, KEP-4444). And it may publish pods as ready that are not.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from chaos.history.cache import once
from chaos.history.facts.replica_counts import endpoint_spans_by_family, service_slices
from chaos.history.model import History
from chaos.objects.base import View, matches
from chaos.objects.kinds import EndpointSliceView, EndpointView, ServiceView

__all__ = [
    "endpoint_added_ns",
    "families_left",
    "of_service",
    "publishes_unready",
    "selected",
    "uneven_by_spec",
    "unruled",
]

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
"""Kubernetes' own controller of slices, as it calls itself in that label."""


@once
def uneven_by_spec(history: History) -> tuple[str, ...]:
    """Why new connections need not be spread evenly over the ready endpoints; none where nothing says so."""
    said = [reason for view in _services(history) for reason in view.uneven]
    hinted = any(_hints_differ(view) for view in _slices(history))
    if hinted:
        said.append("its slices hint endpoints to clients of some zones or nodes only")
    return tuple(dict.fromkeys(f"Service {history.facts.service}: {reason}" for reason in said))


def of_service(history: History, url: str) -> bool:
    """Whether an address is one that kube-proxy answers for the Service: its cluster IP, its name, or a node port."""
    parts, facts = urlsplit(url), history.facts
    for view in _services(history):
        ports = {port.get("nodePort") for port in view.spec.get("ports") or ()}
        addresses = {view.spec.get("clusterIP"), *(view.spec.get("clusterIPs") or ())}
        named = f"{parts.hostname}.".startswith(f"{facts.service}.{facts.namespace}.")
        if parts.hostname in addresses or named or (parts.port and parts.port in ports):
            return True
    return False


def selected(history: History, uid: str, begin_ns: int, end_ns: int) -> bool:
    """Whether the Service selected a pod all through a span, as far as a Service with a selector was recorded."""
    ours = (history.facts.namespace, history.facts.service)
    services = _in_force(history, "Service", lambda view: (view.namespace, view.name) == ours, begin_ns, end_ns)
    pods = _in_force(history, "Pod", lambda view: view.uid == uid, begin_ns, end_ns)
    selectors = [{"matchLabels": one.spec["selector"]} for one in services if one.spec.get("selector")]
    return all(matches(selector, pod.labels) for selector in selectors for pod in pods)


def families_left(history: History, at_ns: int) -> frozenset[str]:
    """The families of addresses (`IPv4`, `IPv6`) that the Service once had by its spec, and at a moment has no more."""
    had = [families for known_ns, families in _families(history) if known_ns <= at_ns]
    return frozenset[str]().union(*had) - had[-1] if had and had[-1] else frozenset()


def endpoint_added_ns(history: History, uid: str, former_uid: str) -> int | None:
    """When a pod was first among the ready endpoints of each family in which it, or the one before it, ever was.

    But for families that the Service had given up by then. None if it never came into one of them: then some clients go
    without it.
    """
    families = endpoint_spans_by_family(history)
    firsts = {name: spans[uid][0][0] for name, spans in families.items() if uid in spans}
    added_ns = max(firsts.values(), default=None)
    if added_ns is None:
        return None
    lacking = {name for name, spans in families.items() if former_uid in spans} - firsts.keys()
    return None if lacking - families_left(history, added_ns) else added_ns


@once
def _families(history: History) -> tuple[tuple[int, frozenset[str]], ...]:
    """The families that the Service had by its spec, from each moment on."""
    ours = (history.facts.namespace, history.facts.service)
    states = ((event.at_ns, View(event.object)) for event in history.watch if event.kind == "Service")
    own = ((at_ns, view) for at_ns, view in states if (view.namespace, view.name) == ours)
    return tuple((at_ns, frozenset(map(str, view.spec.get("ipFamilies") or ()))) for at_ns, view in own)


def _in_force(history: History, kind: str, is_it: Callable[[View], bool], begin_ns: int, end_ns: int) -> list[View]:
    """The state of an object as a span begins, and all that came in it."""
    views = ((event.at_ns, View(event.object)) for event in history.watch if event.kind == kind)
    found = [(at_ns, view) for at_ns, view in views if at_ns <= end_ns and is_it(view)]
    before = [view for at_ns, view in found if at_ns <= begin_ns]
    return [*before[-1:], *(view for at_ns, view in found if at_ns > begin_ns)]


@once
def publishes_unready(history: History) -> bool:
    """Whether the Service publishes pods as ready that are not: by its spec, or as its slices show.

    A slice says `ready` of such an endpoint and `serving` by its pod, which differ for no other reason while it stays.
    """
    return any(view.publishes_unready for view in _services(history)) or any(
        one.ready and not one.serving and not one.terminating for view in _slices(history) for one in view.endpoints
    )


@once
def unruled(history: History) -> str:
    """Why the endpoints need not follow the readiness of pods within moments, in words; empty if they have to.

    Kubernetes' own controller keeps those of a Service with a selector; of others somebody else does, or a slice says
    who (`endpointslice.kubernetes.io/managed-by`).
    """
    name = history.facts.service
    if publishes_unready(history):
        return f"Service {name} publishes unready addresses (publishNotReadyAddresses)"
    if any(not view.spec.get("selector") for view in _services(history)):
        return f"Service {name} has no selector, so that somebody else keeps its endpoints"
    keepers = {str(view.labels.get(MANAGED_BY) or CONTROLLER) for view in _slices(history)} - {CONTROLLER}
    return f"{', '.join(sorted(keepers))} keeps the endpoints of Service {name}" if keepers else ""


def _services(history: History) -> Iterator[ServiceView]:
    facts = history.facts
    for event in history.watch:
        if event.kind == "Service" and not event.gone:
            view = View(event.object)
            if (view.namespace, view.name) == (facts.namespace, facts.service):
                yield ServiceView(event.object)


def _slices(history: History) -> Iterator[EndpointSliceView]:
    return (view for event, view in service_slices(history) if not event.gone)


def _hints_differ(view: EndpointSliceView) -> bool:
    """Whether some clients are kept from some of the ready endpoints: hints that are all the same keep nobody."""
    return len({_hinted(one) for one in view.endpoints if one.ready}) > 1


def _hinted(endpoint: EndpointView) -> frozenset[str]:
    hints = endpoint.raw.get("hints") or {}
    return frozenset(str(one.get("name")) for kind in ("forZones", "forNodes") for one in hints.get(kind) or ())
