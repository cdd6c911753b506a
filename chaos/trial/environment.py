"""Where the scenarios of a session run: the lab on this host, or a cluster that the user names.

A lab that the session itself started is taken down at its end; one that was running stays. A cluster that the user
names is only connected to. Either way the namespaces that dead runs of ours left behind are swept first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from chaos.clock import utc_iso
from chaos.cluster import Cluster, connect, unrecorded_executor
from chaos.errors import ClusterRefused, LabError, UsageError
from chaos.faults import Means
from chaos.faults.node_down import NO_POWER
from chaos.faults.permissions import Right
from chaos.faults.support.infrastructure import NO_MEANS
from chaos.faults.undo.discovery import find_left
from chaos.faults.undo.startup import undo_leftovers
from chaos.lab import Lab
from chaos.lab.images.load import load_image as lab_load_image
from chaos.lab.images.model import MODEL_IMAGE
from chaos.lab.lab import lab_session
from chaos.lab.nodes.partition import LabPodNetwork
from chaos.lab.nodes.power import LabPower
from chaos.progress import Progress
from chaos.safety.abort_command import Watchdog
from chaos.safety.abort_conditions import NO_LIMITS, AbortLimits
from chaos.safety.lease import RunLease
from chaos.safety.owner import Owner
from chaos.semantics import KUBERNETES
from chaos.system.deploy.namespace import sweep
from chaos.system.system import System
from chaos.trial.config import read_config
from chaos.trial.preflight.adopted_cluster import Adoption, open_adoption
from chaos.trial.preflight.api_versions import ADOPTED_KINDS, DEPLOYED_KINDS, require_served
from chaos.trial.preflight.service_account import least_account
from loadgen.origin import ApiServerProxy, Credentials, HostDirect, LabClient, Origin

__all__ = ["Ground", "on_adopted", "on_context", "on_lab"]


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster, how it is timed, and how traffic gets to a system on it.

    `reference_image` is the image of the reference model that this cluster can run, empty if it has none.
    `origin_words` say where traffic comes from; `origin` is that place, once the system's address is known.
    `means` is what there is beside the API, e.g. to take nodes away.
    `wrap` puts a command in front of the load generator's own, to start it where traffic is to come from.
    `adoption` is the system that already runs there, None where each trial deploys its own. `begin` is called
    before each trial that is not skipped or refused, and raises `ClusterRefused` if another run is at work there.
    `claim` is called before anything is done to the system: it takes the lease, so that no two runs do that at once.
    `stop` says why a run must not go on, empty while it may. `limits` are what a trial may cost.
    `load_image` gives the image of load pods, put where the nodes find it; it raises `UsageError` if there is none.
    `name_service`: whether pods find a Service by its name.
    `grant` gives the suite's account just these rights, on a cluster that is ours; `proxied`: traffic takes the API
    server's proxy.
    """

    kind: Literal["lab", "context"]
    cluster: Cluster
    timings: Mapping[str, Any]
    reference_image: str
    origin_words: str
    origin: Callable[[System], Origin]
    wrap: Callable[[list[str]], list[str]]
    means: Means = NO_MEANS
    adoption: Adoption | None = None
    begin: Callable[[], None] = lambda: None
    claim: Callable[[], None] = lambda: None
    stop: Callable[[], str] = lambda: ""
    load_image: Callable[[], str] = lambda: _load_image_told("")
    name_service: bool = True
    limits: AbortLimits = NO_LIMITS
    grant: Callable[[Sequence[Right]], None] = lambda _rights: None
    proxied: bool = False

    def lacks(self, need: str) -> str:
        """Why scenarios that need this cannot run here, and what would help; empty if they can.

        Raises `UsageError` for a need that nobody knows.
        """
        kind, _, name = need.partition(":")
        if kind == "node-power":
            return "" if self.means.node_power else NO_POWER
        if kind == "storage-class" and name:
            try:
                there = self.cluster.get("StorageClass", None, name) is not None
            except ClusterRefused as refused:
                return f"StorageClass {name} cannot be looked up: {refused.what}"
            return "" if there else f"there is no StorageClass {name}: name yours with --gameday-system-field volumes=…"
        raise UsageError(f"@pytest.mark.needs: {need!r} is not known", "known: data, node-power, storage-class:NAME")


@contextmanager
def on_lab(*, nodes: int, keep: bool, words: str, progress: Progress) -> Iterator[Ground]:
    """Stand on the lab, started if it is not running, as an account that may what trials need and no more.

    Only what is the lab's own is done as its administrator. Raises `LabError` if it cannot be started, and at the end
    if the account was refused anything: then a right is missing from our tables, whatever came of it.
    """
    lab = Lab()
    with (
        lab_session(lab, nodes=nodes, words=words, keep=keep, progress=progress) as facts,
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin,
    ):
        # Whatever a dead session could do, the lab is whole again for the next one, which may be able to do less.
        undo_leftovers(admin, None, LabPower())
        with least_account(admin, facts.kubeconfig) as account:
            sweep(account.cluster, unrecorded_executor(account.cluster))
            lab.reclaim_volumes()

            def origin(system: System) -> Origin:
                return LabClient(f"http://{system.cluster_ip}:{system.port}")

            yield Ground(
                "lab",
                account.cluster,
                facts.timings,
                MODEL_IMAGE,
                "lab client",
                origin,
                lab.client_command,
                Means(LabPower(), LabPodNetwork()),
                grant=account.grant,
                load_image=lambda: lab.take_image(lab_load_image(progress), progress),
                name_service=False,
            )
            if refused := lab.refused(account.user):
                raise LabError(
                    f"the account of these scenarios was refused: {', '.join(refused)}",
                    "a right is missing in chaos/faults/permissions.py",
                )


@contextmanager
def on_context(
    *,
    kubeconfig: Path | None,
    context: str,
    image: str,
    service_url: str,
    means: Means = NO_MEANS,
    load_image: str = "",
) -> Iterator[Ground]:
    """Stand on the cluster of a kubeconfig's context. Raises `UsageError` or `ClusterRefused` before any write.

    Without a `service_url` (which may hold `{namespace}` and `{service}`) traffic goes through the API server's proxy.
    """
    cluster = connect(kubeconfig=kubeconfig, context=context)
    require_served(cluster, DEPLOYED_KINDS)
    # First what dead runs did beyond their namespaces: with the namespace goes the word of it.
    undo_leftovers(cluster, None, means.node_power)
    sweep(cluster, unrecorded_executor(cluster))

    words, origin = _reached(cluster, service_url)
    yield Ground(
        "context",
        cluster,
        asdict(KUBERNETES),
        image,
        words,
        origin,
        lambda command: command,
        means,
        load_image=lambda: _load_image_told(load_image),
        proxied=not service_url,
    )


@contextmanager
def on_adopted(
    path: Path,
    *,
    kubeconfig: Path | None,
    context: str,
    service_url: str,
    means: Means = NO_MEANS,
    say: Callable[[str], None],
    load_image: str = "",
) -> Iterator[Ground]:
    """Stand on the cluster that a gameday.toml names, for the system that already runs there.

    Only `claim` writes: it takes the lease of the system's namespace, and heals what dead runs left; where there is
    something to take over or to heal, `begin` does that at once. No namespace is swept: they are left to their owners.
    Raises `UsageError` or `ClusterRefused` in words.
    """
    config = read_config(path)
    adoption = open_adoption(path, config, kubeconfig=kubeconfig, context=context)
    require_served(adoption.cluster, ADOPTED_KINDS)
    adoption.find()
    cluster = adoption.cluster
    words, origin = _reached(cluster, service_url or config.traffic.url or "")
    if means.node_power is None and config.node_power is not None:
        means = replace(means, node_power=config.node_power.power())
    executor = unrecorded_executor(cluster)
    me = Owner.this_process()
    holder = f"process {me.pid} on {me.host}, since {utc_iso(time.time_ns())}"
    namespace = config.system.namespace
    timings = asdict(config.cluster.timings.timings())
    with cluster, ExitStack() as stack:
        lease = RunLease(cluster, executor, namespace, holder, say=say)
        watchdog = Watchdog(config.safety.abort, every_s=config.safety.abort_every_s)

        def claim() -> None:
            if not lease.taken:
                stack.enter_context(lease)
                for done in undo_leftovers(cluster, namespace, means.node_power):
                    say(f"of the dead run {done.run}: {done.words}")

        def begin() -> None:
            if not watchdog.started:
                stack.enter_context(watchdog)
            if not lease.taken and (lease.stands() or any(not one.alive for one in find_left(cluster, namespace))):
                claim()

        def stop() -> str:
            return (lease.lost if lease.taken else "") or watchdog.objection

        yield Ground(
            "context",
            cluster,
            timings,
            "",
            words,
            origin,
            lambda command: command,
            means,
            adoption=adoption,
            begin=begin,
            claim=claim,
            stop=stop,
            load_image=lambda: _load_image_told(load_image or config.load.image or ""),
            limits=config.abort_limits(),
        )


def _reached(cluster: Cluster, service_url: str) -> tuple[str, Callable[[System], Origin]]:
    """Where traffic comes from: this host by that URL, or through the API server's proxy without one."""

    def origin(system: System) -> Origin:
        if service_url:
            return HostDirect(service_url.format(namespace=system.namespace, service=system.service))
        return ApiServerProxy(
            server=cluster.facts.server,
            namespace=system.namespace,
            service=system.service,
            port=str(system.port),
            credentials=Credentials(**asdict(cluster.transport.identity())),
        )

    return ("this host" if service_url else "API server proxy"), origin


def _load_image_told(told: str) -> str:
    """The image that the user told. Raises `UsageError` without."""
    if not told:
        raise UsageError(
            "load from inside the cluster needs an image that its nodes can pull",
            "build it as docs/load.md says, then --gameday-load-image IMAGE, or image under [load] in gameday.toml",
        )
    return told
