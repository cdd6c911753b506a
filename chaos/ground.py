"""Where the scenarios of a session run: the lab on this host, or a cluster that the user names.

A lab that the session itself started is taken down at its end; one that was running stays. A cluster that the user
names is only connected to. Either way the namespaces that dead runs of ours left behind are swept first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from chaos.cluster import Cluster, NullJournal, OpenHand, connect
from chaos.errors import UsageError
from chaos.faults import Means
from chaos.faults.node_down import NO_POWER
from chaos.faults.node_power import NO_MEANS
from chaos.lab import Lab
from chaos.lab.model_image import MODEL_IMAGE
from chaos.lab.partition import LabPodNetwork
from chaos.lab.power import LabPower
from chaos.lab.session import lab_session
from chaos.progress import Progress
from chaos.semantics import KUBERNETES
from chaos.system.namespace import sweep
from chaos.system.system import System
from loadgen.vantage import ApiServerProxy, Credentials, HostDirect, LabClient, Vantage

__all__ = ["Ground", "on_context", "on_lab"]


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster, how it is timed, and how traffic gets to a system on it.

    `reference_image` is the image of the reference model that this cluster can run, empty if it has none.
    `vantage_words` say where traffic comes from; `vantage` is that place, once the system's address is known.
    `means` is what there is beside the API, e.g. to take nodes away.
    `wrap` puts a command in front of the load generator's own, to start it where traffic is to come from.
    """

    kind: Literal["lab", "context"]
    cluster: Cluster
    timings: Mapping[str, Any]
    reference_image: str
    vantage_words: str
    vantage: Callable[[System], Vantage]
    wrap: Callable[[list[str]], list[str]]
    means: Means = NO_MEANS

    def require(self, needs: Iterable[str]) -> None:
        """Refuse a scenario whose needs are not met here. Raises `UsageError` that names each."""
        if lacking := [reason for need in needs if (reason := self.lacks(need))]:
            raise UsageError(f"this scenario cannot run here: {'; '.join(lacking)}")

    def lacks(self, need: str) -> str:
        """Why scenarios that need this cannot run here, and what would help; empty if they can.

        Raises `UsageError` for a need that nobody knows.
        """
        kind, _, name = need.partition(":")
        if kind == "node-power":
            return "" if self.means.node_power else NO_POWER
        if kind == "storage-class" and name:
            there = self.cluster.get("StorageClass", None, name) is not None
            return "" if there else f"there is no StorageClass {name}: name yours with --system-field volumes=…"
        raise UsageError(f"@pytest.mark.needs: {need!r} is not known", "known: node-power, storage-class:NAME")


@contextmanager
def on_lab(*, nodes: int, keep: bool, words: str, progress: Progress) -> Iterator[Ground]:
    """Stand on the lab, started if it is not running. Raises `LabError` if it cannot be."""
    lab = Lab()
    with lab_session(lab, nodes=nodes, words=words, keep=keep, progress=progress) as facts:
        cluster = connect(kubeconfig=facts.kubeconfig, context=facts.context)
        _sweep(cluster)
        lab.reclaim_volumes()

        def vantage(system: System) -> Vantage:
            return LabClient(f"http://{system.cluster_ip}:{system.port}")

        yield Ground(
            "lab",
            cluster,
            facts.timings,
            MODEL_IMAGE,
            "lab client",
            vantage,
            lab.client_command,
            Means(LabPower(), LabPodNetwork()),
        )


@contextmanager
def on_context(
    *, kubeconfig: Path | None, context: str, image: str, service_url: str, means: Means = NO_MEANS
) -> Iterator[Ground]:
    """Stand on the cluster of a kubeconfig's context. Raises `UsageError` or `ClusterRefused` before any write.

    Without a `service_url` (which may hold `{namespace}` and `{service}`) traffic goes through the API server's proxy.
    """
    cluster = connect(kubeconfig=kubeconfig, context=context)
    _sweep(cluster)

    def vantage(system: System) -> Vantage:
        if service_url:
            return HostDirect(service_url.format(namespace=system.namespace, service=system.service))
        return ApiServerProxy(
            server=cluster.facts.server,
            namespace=system.namespace,
            service=system.service,
            port=str(system.port),
            credentials=Credentials(**asdict(cluster.wire.identity())),
        )

    words = "this host" if service_url else "API server proxy"
    yield Ground("context", cluster, asdict(KUBERNETES), image, words, vantage, lambda command: command, means)


def _sweep(cluster: Cluster) -> None:
    sweep(cluster, OpenHand(cluster, NullJournal()))
