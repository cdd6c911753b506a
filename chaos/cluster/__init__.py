"""The only hand on the Kubernetes API: connect, read, record, and do mutations that are journalled."""

from chaos.cluster import mutations
from chaos.cluster.client import Cluster, ClusterFacts, NodeFacts
from chaos.cluster.connect import connect
from chaos.cluster.executor import LEASHED, Hand, LeashedHand, OpenHand
from chaos.cluster.mutations import Mutation
from chaos.cluster.pod_exec import Command, Ran, execute
from chaos.cluster.resources import KINDS, Kind, path_of, ref_of, resource_of, selector_of
from chaos.cluster.result import Done
from chaos.cluster.retrying import PatientHand, unrecorded_hand
from chaos.cluster.watch.metrics_sampler import Sampling
from chaos.cluster.watch.recorder import Recorder
from chaos.cluster.watch.scope import WATCHED, Limits, Scope
from chaos.history.writing.action_log import Entry, Journal, NullJournal

__all__ = [
    "KINDS",
    "LEASHED",
    "WATCHED",
    "Cluster",
    "ClusterFacts",
    "Command",
    "Done",
    "Entry",
    "Hand",
    "Journal",
    "Kind",
    "LeashedHand",
    "Limits",
    "Mutation",
    "NodeFacts",
    "NullJournal",
    "OpenHand",
    "PatientHand",
    "Ran",
    "Recorder",
    "Sampling",
    "Scope",
    "connect",
    "execute",
    "mutations",
    "path_of",
    "ref_of",
    "resource_of",
    "selector_of",
    "unrecorded_hand",
]
