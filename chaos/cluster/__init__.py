"""The only hand on the Kubernetes API: connect, read, record, and do mutations that are journalled."""

from chaos.cluster import mutations
from chaos.cluster.client import Cluster, ClusterFacts, NodeFacts
from chaos.cluster.connect import connect
from chaos.cluster.execute import Command, Ran, execute
from chaos.cluster.hand import LEASHED, Hand, LeashedHand, OpenHand
from chaos.cluster.journal import Entry, Journal, NullJournal
from chaos.cluster.kinds import KINDS, Kind, path_of, ref_of, resource_of, selector_of
from chaos.cluster.mutations import Mutation
from chaos.cluster.outcome import Done
from chaos.cluster.patience import PatientHand, unrecorded_hand
from chaos.cluster.recorder import Recorder
from chaos.cluster.sampler import Sampling
from chaos.cluster.scope import WATCHED, Limits, Scope

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
