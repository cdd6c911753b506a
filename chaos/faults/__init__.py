"""Trouble made on purpose: one fault a module."""

from chaos.faults.bad_rollout import BadRollout
from chaos.faults.base import Fault, Field, Trouble, Until
from chaos.faults.budget_change import BudgetChange
from chaos.faults.evict import Evict
from chaos.faults.memory_hog import MemoryHog
from chaos.faults.network_partition import NetworkPartition
from chaos.faults.node_down import NodeDown
from chaos.faults.node_drain import NodeDrain
from chaos.faults.not_ready import NotReady
from chaos.faults.pod_kill import PodKill
from chaos.faults.process_hang import ProcessCrash, ProcessHang
from chaos.faults.rolling_pool_drain import RollingPoolDrain
from chaos.faults.rolling_update import RollingUpdate
from chaos.faults.scale import Scale
from chaos.faults.support.infrastructure import CommandPower, Means, NodePower, PodNetwork

__all__ = [
    "BadRollout",
    "BudgetChange",
    "CommandPower",
    "Evict",
    "Fault",
    "Field",
    "Means",
    "MemoryHog",
    "NetworkPartition",
    "NodeDown",
    "NodeDrain",
    "NodePower",
    "NotReady",
    "PodKill",
    "PodNetwork",
    "ProcessCrash",
    "ProcessHang",
    "RollingPoolDrain",
    "RollingUpdate",
    "Scale",
    "Trouble",
    "Until",
]
