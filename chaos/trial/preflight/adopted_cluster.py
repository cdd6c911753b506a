"""The system that already runs, as gameday.toml names it: which cluster, and which workload on it.

An adopted cluster is always named and pinned: by its context, and by the UID of its namespace kube-system, so that a
context that was pointed elsewhere meanwhile is noticed before anything is written. Namespaces that a cluster itself
lives in are never touched.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from chaos.cluster import Cluster, connect
from chaos.errors import UsageError
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.system.adopt.find import Adopted, adopt
from chaos.trial.config import GamedayConfig
from chaos.trial.preflight.lab_means import means_of_nodes

__all__ = ["Adoption", "is_protected", "open_adoption", "pinned"]

OWN_PREFIX = "kube-"
"""Namespaces that begin so are Kubernetes' own (kube-system, kube-public, kube-node-lease)."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """A file, and the cluster that it names. `of_nodes` is what the cluster's nodes can do to containers."""

    path: Path
    config: GamedayConfig
    cluster: Cluster
    of_nodes: Infrastructure = NO_INFRASTRUCTURE
    answers: dict[tuple[str, str, str | None, str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def infrastructure(self) -> Infrastructure:
        """What there is beside the API: what the file names, and what the nodes can do."""
        nodes = self.config.node_infrastructure
        switch = nodes.infrastructure() if nodes else None
        return replace(self.of_nodes, nodes=switch, own=self.config.system.own_means())

    def may(self, verb: str, kind: str, namespace: str | None, subresource: str, name: str) -> bool:
        """Whether this user has a right; the API server is asked once a session for each."""
        key = (verb, kind, namespace, subresource, name)
        if key not in self.answers:
            self.answers[key] = self.cluster.may(verb, kind, namespace, subresource=subresource, name=name)
        return self.answers[key]

    def pods_max(self, replicas: int, tolerated: int) -> int:
        """How many pods may be down at once because of us: the file's number, or the tolerance, within its share.

        A share of less than one pod is none.
        """
        safety = self.config.safety
        share = replicas * safety.percent_max // 100
        return min(safety.pods_max or max(1, tolerated), share)

    def find(self) -> Adopted:
        """Find the system as it is now. Raises `UsageError` in words if it is not there as the file says."""
        return adopt(self.cluster, self.config.system.query())

    def find_roles(self) -> dict[str, Adopted]:
        """The other workloads of the system as they are now, by role. Raises as `find` does."""
        return {role: adopt(self.cluster, query) for role, query in self.config.system.role_queries().items()}


def is_protected(namespace: str) -> bool:
    """Whether it is one of Kubernetes' own."""
    return namespace.startswith(OWN_PREFIX)


def open_adoption(
    path: Path, config: GamedayConfig, *, kubeconfig: Path | None = None, context: str = "", uid: str = ""
) -> Adoption:
    """Connect to the cluster of a file, and make sure that it is the one that is meant. Nothing is written.

    `kubeconfig`, `context` and `uid` are what the command line says over the file. Raises `UsageError` for a cluster
    that is not named, not pinned or not the pinned one, and for a namespace that is never touched.
    """
    named = context or config.cluster.context
    if not named:
        raise UsageError(
            f"{path}: cluster.context is missing: a cluster of others is never taken from the current context",
            "name it in the file, or with --gameday-kube-context NAME",
        )
    namespace = config.system.namespace
    if is_protected(namespace) or namespace in config.safety.protected:
        raise UsageError(f"{path}: namespace {namespace} is protected", "name the namespace of your service")
    given = Path(config.cluster.kubeconfig).expanduser() if config.cluster.kubeconfig else None
    if given is not None and not given.is_absolute():
        given = path.parent / given
    cluster = connect(kubeconfig=kubeconfig or given, context=named)
    try:
        pin, write = f"{path}: cluster.uid", 'write uid = "{uid}" under [cluster]'
        pinned(cluster, uid or config.cluster.uid, pin=pin, write=write)
    except UsageError:
        cluster.close()
        raise
    return Adoption(path, config, cluster, means_of_nodes(cluster))


def pinned(cluster: Cluster, uid: str | None, *, pin: str, write: str) -> None:
    """Compare the cluster's identity with the pin. Raises `UsageError` unless they are the same.

    `pin` is where it was to be given, `write` how, with `{uid}` for it.
    """
    facts = cluster.facts
    if not uid:
        raise UsageError(
            f"{pin} is missing, so another cluster under the name {facts.context} would not be noticed",
            f"see that {facts.server} is the one you mean, then {write.format(uid=facts.uid)}",
        )
    if uid != facts.uid:
        raise UsageError(
            f"{pin}: context {facts.context} ({facts.server}) is another cluster than the one that was written down: "
            f"its kube-system has the UID {facts.uid}, not {uid}",
            "correct the context, or the UID if the cluster was made anew",
        )
