"""Who answers for a service that runs already: its engine, version and models, and the header that names a replica.

Asked through the API server's proxy, for the Service or else for one of its pods. What answers may be anybody's: it is
bounded in bytes and in time, no redirect is followed, and what is no model's name is not taken for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.cluster import Cluster, proxy_path, selector_of
from chaos.cluster.transport import Answer
from chaos.errors import ClusterRefused
from chaos.history.reading.replica_names import address_in
from chaos.objects.pod import PodView
from chaos.semantics.engines import ENGINES, Engine, recognised
from chaos.system.system import System
from loadgen.refusals import REFUSAL_BYTES, proxy_refusal

__all__ = ["Answering", "heard"]

MODELS = "/v1/models"
ANSWER_S, ANSWER_MAX_BYTES = 5.0, 4_000_000
NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class Answering:
    """What a service says of itself.

    Attributes:
        reached: whether anything answered at all.
        engine: which it is, None if that is not one that we know.
        version: of the engine, empty if untold.
        model: the first of its models, empty if it lists none.
        replica_header: the header that named the replica, by its pod's name or address; empty if none did.
    """

    reached: bool = False
    engine: Engine | None = None
    version: str = ""
    model: str = ""
    replica_header: str = ""

    @property
    def words(self) -> str:
        """The same for people, in one sentence."""
        if not self.reached:
            return "nothing answered at the Service or a pod of it; say in [traffic] what a request is"
        who = f"{self.engine.title} {self.version}".strip() if self.engine else "a server that gameday does not know"
        model = f" with model {self.model}" if self.model else ", which lists no model"
        named = (
            f"header {self.replica_header} names the replica" if self.replica_header else "no header names a replica"
        )
        return f"{who} answers{model}; {named}"


def heard(cluster: Cluster, system: System) -> Answering:
    """Ask it. Where nothing answers, or this user may not ask, `Answering.reached` is False."""
    pods = [PodView(raw) for raw in cluster.list("Pod", system.namespace, selector=selector_of(system.selector))]
    ready = [pod for pod in pods if pod.ready]
    for place in _places(system, ready):
        models = _got(cluster, place + MODELS)
        if models is None:
            continue
        paths = dict.fromkeys(engine.version_path for engine in ENGINES if engine.version_path)
        versions = {path: got.json() for path in paths if (got := _got(cluster, place + path)) and got.ok}
        metrics = _got(cluster, f"{place}/metrics")
        model, owner = _model(models)
        found = recognised(
            owned_by=owner,
            metrics=metrics.body.decode(errors="replace") if metrics and metrics.ok else "",
            server=models.headers.get("server", ""),
            answers=versions,
        )
        engine, version = found or (None, "")
        return Answering(True, engine, version, model, _header(models.headers, pods))
    return Answering()


def _places(system: System, ready: list[PodView]) -> Iterator[str]:
    """Where to ask: the Service, and then one ready pod, for who may ask that alone."""
    yield proxy_path("Service", system.namespace, system.service, system.port)
    yield from (proxy_path("Pod", system.namespace, pod.name, system.spec.port) for pod in ready[:1])


def _got(cluster: Cluster, path: str) -> Answer | None:
    """What the service itself answers; None where it does not, or the API server does in its stead."""
    try:
        got = cluster.transport.call("GET", path, timeout_s=ANSWER_S, pod_max_bytes=ANSWER_MAX_BYTES)
    except ClusterRefused:
        return None
    return None if proxy_refusal(got.status, got.body[:REFUSAL_BYTES]) else got


def _model(answer: Answer) -> tuple[str, str]:
    """The name and the owner of the first model of OpenAI's list of them; empty where it is none."""
    said: Any = answer.json() if answer.ok else None
    data = said.get("data") if isinstance(said, dict) else None
    for one in data if isinstance(data, list) else ():
        name, owner = (one.get("id"), one.get("owned_by")) if isinstance(one, dict) else (None, None)
        if isinstance(name, str) and 0 < len(name) <= NAME_MAX and name.isprintable():
            return name, owner if isinstance(owner, str) else ""
    return "", ""


def _header(headers: Mapping[str, str], pods: list[PodView]) -> str:
    """The header whose value is a pod's name or address."""
    known = {pod.name for pod in pods} | {str(one.get("ip")) for pod in pods for one in pod.status.get("podIPs") or ()}
    return next((name for name, value in headers.items() if {value.strip(), address_in(value)} & known), "")
