"""The only access to the Kubernetes API: connect, read, record, and do mutations that are journalled."""

from chaos.cluster import mutations
from chaos.cluster.client import Cluster, ClusterFacts
from chaos.cluster.connect import IN_CLUSTER, connect
from chaos.cluster.executor import (
    DRY_RUN,
    Done,
    DryRunExecutor,
    Executor,
    LiveExecutor,
    RetryingExecutor,
    unrecorded_executor,
)
from chaos.cluster.mutations import Mutation
from chaos.cluster.pod_exec import Command, Ran, execute
from chaos.cluster.resources import KINDS, Kind, path_of, proxy_path, ref_of, resource_of, selector_of
from chaos.cluster.watch.custom_sampler import MetricsReader, questions_of
from chaos.cluster.watch.metrics_sampler import Sampling
from chaos.cluster.watch.recorder import Recorder
from chaos.cluster.watch.store import WATCHED, Limits, Scope
from chaos.history.writing.action_log import Journal, NullJournal

__all__ = [
    "DRY_RUN",
    "IN_CLUSTER",
    "KINDS",
    "WATCHED",
    "Cluster",
    "ClusterFacts",
    "Command",
    "Done",
    "DryRunExecutor",
    "Executor",
    "Journal",
    "Kind",
    "Limits",
    "LiveExecutor",
    "MetricsReader",
    "Mutation",
    "NullJournal",
    "Ran",
    "Recorder",
    "RetryingExecutor",
    "Sampling",
    "Scope",
    "connect",
    "execute",
    "mutations",
    "path_of",
    "proxy_path",
    "questions_of",
    "ref_of",
    "resource_of",
    "selector_of",
    "unrecorded_executor",
]
