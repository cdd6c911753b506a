"""Which of the plugin's options do not go together, or have a value that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.plugin.options import Options

__all__ = ["objection_to"]


def objection_to(options: Options) -> str:
    """Why these options cannot be, in words that name them; empty if they can."""
    return _objection(options) or _objection_to_place(options) or _objection_to_load(options)


def _objection(options: Options) -> str:
    """Which options do not go together, or have a value that cannot be; empty if none."""
    if options.manifests and options.config_file:
        return "--gameday-manifests and --gameday-config: a system is deployed or adopted, not both"
    if options.lab_nodes < 1:
        return f"--gameday-lab-nodes {options.lab_nodes}: give at least 1"
    if options.pods_max is not None and options.pods_max < 1:
        return f"--gameday-pods-max {options.pods_max}: give at least 1"
    if options.replica_rps is not None and not 0 < options.replica_rps < float("inf"):
        return f"--gameday-replica-rps {options.replica_rps:g}: is no rate above 0"
    return ""


def _objection_to_place(options: Options) -> str:
    """The same of the options about where scenarios run."""
    elsewhere = options.context or options.config_file
    if elsewhere and options.lab_release:
        return (
            "--gameday-lab-kubernetes and --gameday-lab-kubelet are of the lab: a cluster of yours has its own version"
        )
    if options.kubeconfig and not elsewhere:
        return "--gameday-kubeconfig goes with --gameday-kube-context NAME: without it scenarios run on the lab"
    if options.cluster_uid and not elsewhere:
        return "--gameday-cluster-uid goes with --gameday-kube-context or --gameday-config: the lab is this host's own"
    if bool(options.node_off) != bool(options.node_on):
        return "--gameday-node-off and --gameday-node-on go together: whoever switches a node off switches it on again"
    if options.node_off and not elsewhere:
        return "--gameday-node-off goes with --gameday-kube-context or --gameday-config: the lab has its own means"
    return ""


def _objection_to_load(options: Options) -> str:
    """The same of the options about load."""
    if options.load_workers is not None:
        from loadgen.driver.workers import WORKERS_MAX

        if not 1 <= options.load_workers <= WORKERS_MAX:
            return f"--gameday-load-workers {options.load_workers}: is not in 1..{WORKERS_MAX}"
    if options.load_image and not (options.context or options.config_file):
        return (
            "--gameday-load-image goes with --gameday-kube-context NAME or --gameday-config FILE: the lab makes its own"
        )
    if options.load_ingress:
        from chaos.trial.load_pods.job import address_range

        if not (options.context or options.config_file):
            return "--gameday-load-ingress goes with --gameday-kube-context NAME or --gameday-config FILE"
        try:
            list(map(address_range, options.load_ingress))
        except ValueError as wrong:
            return f"--gameday-load-ingress: {wrong}"
    if options.load_in_cluster and options.dry_run and options.config_file:
        return "--gameday-dry-run changes nothing, and load pods are a change: leave --gameday-load-in-cluster out"
    return ""
