"""What the lab can do to containers and to its metrics path, for a system that somebody deployed on this host's lab."""

from chaos.cluster import Cluster, connect
from chaos.errors import GamedayError
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.lab import Lab
from chaos.lab.metrics_path import LabMetricsPath
from chaos.lab.nodes.containers import LabContainers
from chaos.lab.nodes.probes import LabProbes

__all__ = ["means_of_nodes"]


def means_of_nodes(cluster: Cluster) -> Infrastructure:
    """What can be done to containers, probes and metrics if this cluster is this host's lab; of any other, nothing.

    Nodes are not switched off by it: for a system of somebody's that takes his own commands.
    """
    try:
        facts = Lab().facts()  # root's alone, as is what its nodes can do
        if cluster.facts.server not in facts.kubeconfig.read_text():
            return NO_INFRASTRUCTURE
        with connect(kubeconfig=facts.kubeconfig, context=facts.context) as lab:
            same = lab.facts.uid == cluster.facts.uid
    except (GamedayError, OSError):
        return NO_INFRASTRUCTURE
    if not same:
        return NO_INFRASTRUCTURE
    return Infrastructure(containers=LabContainers(), probes=LabProbes(), metrics=LabMetricsPath())
