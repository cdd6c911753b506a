"""Where the scenarios of a session run: a cluster, and how traffic reaches a system on it.

`LabEnvironment` is the lab on this host, `AdoptedEnvironment` a cluster on which the system already runs. The class
here is a cluster of a kubeconfig to which each trial deploys its own system.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from typing_extensions import override

from chaos.cluster import Cluster, connect, unrecorded_executor
from chaos.errors import ClusterRefused, TimedOut, UsageError
from chaos.faults import Infrastructure
from chaos.faults.infrastructure import NO_CLUSTER_UPGRADE, NO_INFRASTRUCTURE, NO_METRICS_PATH, NO_NODE_INFRASTRUCTURE
from chaos.faults.permissions import LOAD, Activity, Right
from chaos.faults.undo import undo_of_deployed
from chaos.safety import BlastRadius
from chaos.safety.abort_conditions import NO_LIMITS, AbortLimits
from chaos.safety.lease import RunLease
from chaos.safety.owner import Owner
from chaos.safety.undo_rules import METRICS_PROGRAMS
from chaos.semantics import KUBERNETES, Timings
from chaos.semantics.features import rules_of
from chaos.system import System, SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.deploy.namespace import sweep
from chaos.trial.preflight.adopted_cluster import Adoption, pinned
from chaos.trial.preflight.checks import DEPLOYED_KINDS, require_served
from chaos.trial.preflight.consent import Consent, owners_of_nodes, unallowed_on_nodes
from chaos.trial.preflight.rbac import HOME
from loadgen.origin import ApiServerProxy, Credentials, HostDirect, Origin
from loadgen.profiles import OpenAiChatProfile, Profile

__all__ = ["Environment", "SharedEnvironment", "context_environment", "reference_profile", "reference_spec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A cluster that scenarios run on.

    Attributes:
        cluster: The connection, with the rights that trials have.
        timings: How the cluster is timed.
        reference_image: Image of the reference model that the cluster can run, empty if it has none.
        service_url: How this host reaches a Service, with `{namespace}` and `{service}`; empty: API server's proxy.
        load_image_name: Image of load pods that the nodes can pull, empty if the user named none.
        infrastructure: What there is beside the API, e.g. to take nodes away.
        limits: What a trial may cost before it stops.
        rps_max: The most requests/s that may ever be offered, None for any.
        adoption: The system that already runs, None where each trial deploys its own.
    """

    kind: ClassVar[Literal["lab", "context"]] = "context"
    has_dns: ClassVar[bool] = True
    """Whether pods find a Service by its name."""

    shared: ClassVar[bool] = False
    """Whether the nodes are others' too."""

    cluster: Cluster
    timings: Timings = KUBERNETES
    reference_image: str = ""
    service_url: str = ""
    load_image_name: str = ""
    infrastructure: Infrastructure = NO_INFRASTRUCTURE
    limits: AbortLimits = NO_LIMITS
    rps_max: float | None = None
    adoption: Adoption | None = None

    @property
    def origin_name(self) -> str:
        """Where traffic comes from, before the system's address is known.

        Raises `UsageError` where none could be sent: the generator uses no HTTP proxy.
        """
        if not self.proxied:
            return "this host"
        if proxy := self.cluster.transport.proxy:
            raise UsageError(
                f"the API server is reached through {proxy}, a proxy, through which no load is sent",
                "send it to the service itself (--gameday-service-url, or traffic.url in gameday.toml) or from pods in "
                "the cluster (--gameday-load-in-cluster), or reach the API server without it (NO_PROXY)",
            )
        return "API server proxy"

    @property
    def proxied(self) -> bool:
        """Whether traffic takes the API server's proxy, which needs a right of its own."""
        return not self.service_url

    def origin(self, system: System) -> Origin:
        """Where traffic to the system comes from."""
        if not self.proxied:
            return HostDirect(self.service_url.format(namespace=system.namespace, service=system.service))
        return ApiServerProxy(
            server=self.cluster.facts.server,
            namespace=system.namespace,
            service=system.service,
            port=str(system.port),
            credentials=Credentials(**self.cluster.transport.identity()),
        )

    def client_command(self, command: list[str]) -> list[str]:
        """The command that runs the given one where traffic is sent from."""
        return command

    def load_image(self) -> str:
        """The image of load pods, where the nodes find it. Raises `UsageError` without one."""
        if not self.load_image_name:
            raise UsageError(
                "load from inside the cluster needs an image that its nodes can pull",
                "build it as docs/load.md says, then --gameday-load-image IMAGE, or image under [load] in gameday.toml",
            )
        return self.load_image_name

    def grant(self, rights: Sequence[Right]) -> None:
        """Give the suite just these rights, where the cluster is ours to do so."""

    def begin(self) -> bool:
        """Before a trial that is not skipped. Raises `ClusterRefused` if another run is at work here.

        Say whether a run before it was waited for or undone, so that the system may read otherwise than before.
        """
        return False

    def claim(self, *, nodes: bool = False) -> bool:  # noqa: ARG002  # the role's shape
        """Before anything is done to the system, or to `nodes`: take the lease, if it is one that others respect.

        Say whether it was taken only now. Raises `ClusterRefused` if another run has it.
        """
        return False

    def stop_reason(self) -> str:
        """Why a trial must not go on; empty while it may."""
        return ""

    def unallowed(self, activities: Iterable[Activity]) -> Iterable[str]:  # noqa: ARG002  # the role's shape
        """What speaks against a trial that deploys its system and does this, with the command that would allow it."""
        return ()

    def consent(self, adopted: Adopted | None, *, load_action: str = LOAD.name) -> Consent:
        """Who is asked before each action of a trial, and until its end. What we deploy is ours.

        `load_action` is the action that allows a load that rises.
        """
        del adopted
        return Consent(load=load_action)

    def blast_radius(
        self, spec: SystemSpec, namespace: str, pods_max: int | None, *, wanted: int, nodes: int
    ) -> BlastRadius:
        """How much may be down at once because of us, of so many replicas and nodes as are wanted and there now.

        `pods_max` as the user gave it, None for the usual.
        """
        most = max(spec.replicas_floor, wanted) if pods_max is None else pods_max
        # At least one node stays, or nothing could ever come back.
        return BlastRadius(namespace, pods_max=most, nodes_max=max(1, nodes - 1))

    def lacks(self, need: str) -> str:
        """Why scenarios that need this cannot run here, and what would help; empty if they can.

        Raises `UsageError` for a need that is not known.
        """
        kind, _, name = need.partition(":")
        if kind == "node-infrastructure":
            return "" if self.infrastructure.nodes else NO_NODE_INFRASTRUCTURE
        if kind == "cluster-upgrade":
            upgrade = self.infrastructure.upgrade
            return NO_CLUSTER_UPGRADE if upgrade is None else upgrade.objection()
        if kind == "metrics-path" and name in ("", *METRICS_PROGRAMS):
            path = self.infrastructure.metrics
            return NO_METRICS_PATH if path is None else path.objection(name) if name else ""
        if kind == "storage-class" and name:
            try:
                there = self.cluster.get("StorageClass", None, name) is not None
            except ClusterRefused as refused:
                return f"StorageClass {name} cannot be looked up: {refused.what}"
            return "" if there else f"there is no StorageClass {name}: name yours with --gameday-system-field volumes=…"
        raise UsageError(
            f"@pytest.mark.needs: {need!r} is not known",
            "known: cluster-upgrade, data, metrics-path:PROGRAM, node-infrastructure, storage-class:NAME",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEnvironment(Environment):
    """A cluster that is others' too: its nodes are hit as their owners allow, and by one run at a time.

    `until_end` gives the lease back at the session's end.
    """

    shared: ClassVar[bool] = True

    lease: RunLease
    until_end: ExitStack

    @override
    def claim(self, *, nodes: bool = False) -> bool:
        if not nodes or self.lease.taken:
            return False
        self.until_end.enter_context(self.lease)
        return True

    @override
    def stop_reason(self) -> str:
        return self.lease.lost if self.lease.taken else ""

    @override
    def unallowed(self, activities: Iterable[Activity]) -> Iterable[str]:
        return unallowed_on_nodes(self.cluster, activities)

    @override
    def consent(self, adopted: Adopted | None, *, load_action: str = LOAD.name) -> Consent:
        return Consent(owners_of_nodes(self.cluster), load=load_action)


@contextmanager
def context_environment(
    *,
    kubeconfig: Path | None,
    context: str,
    image: str,
    service_url: str,
    infrastructure: Infrastructure = NO_INFRASTRUCTURE,
    load_image: str = "",
    dry_run: bool = False,
    uid: str = "",
    uid_option: str = "--gameday-cluster-uid",
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[SharedEnvironment]:
    """The cluster of a kubeconfig's context. Raises `UsageError` or `ClusterRefused` before anything is written.

    What dead runs left stays as it is in a `dry_run`. `uid` is that of the cluster's namespace kube-system, given by
    `uid_option`.
    """
    with connect(kubeconfig=kubeconfig, context=context) as cluster, ExitStack() as until_end:
        pinned(cluster, uid, pin=uid_option, write=f"give {uid_option} {{uid}}")
        require_served(cluster, DEPLOYED_KINDS)
        if told := rules_of(cluster.facts.version)[1]:
            say(told)
        if not dry_run:
            _clean_up(cluster, infrastructure, say)
        holder = Owner.this_process().holder(time.time_ns())
        yield SharedEnvironment(
            cluster=cluster,
            reference_image=image,
            service_url=service_url,
            load_image_name=load_image,
            infrastructure=infrastructure,
            # Each trial has a namespace of its own, but all have the same nodes.
            lease=RunLease(cluster, unrecorded_executor(cluster), HOME, holder, say=say),
            until_end=until_end,
        )


def _clean_up(cluster: Cluster, infrastructure: Infrastructure, say: Callable[[str], None]) -> None:
    """Undo and sweep away what dead runs left of the systems that they deployed.

    What stays is told, and refuses no trial: each has a system of its own, and what is out of the nodes is counted.
    """
    # First what they did beyond their namespaces: their record of it goes with the namespace.
    for done in undo_of_deployed(cluster, infrastructure):
        say(f"of the dead run {done.run}: {done.words}")
    try:
        sweep(cluster, unrecorded_executor(cluster), say)
    except (ClusterRefused, TimedOut) as refused:
        say(f"what a dead run left is still there: {refused.what}")


def reference_spec(environment: Environment) -> SystemSpec:
    """SmolLM2 on llama.cpp. Raises `UsageError` where the cluster has no image of it."""
    if not environment.reference_image:
        raise UsageError(
            f"context {environment.cluster.facts.context} has no image of the reference model",
            "build chaos/lab/images/model_server with its Dockerfile, push it, and name it: --gameday-image IMAGE",
        )
    on_lab = environment.kind == "lab"
    return SystemSpec(
        name="model",
        image=environment.reference_image,
        image_pull_policy="Never" if on_lab else "IfNotPresent",
        profile="openai-chat",
    )


def reference_profile() -> Profile:
    """Give a short chat, streamed."""
    return OpenAiChatProfile(model="smollm2", prompts=("Say hello.", "Name a colour.", "Count to three."), max_tokens=6)
