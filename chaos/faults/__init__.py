"""Faults: what is done to a system on purpose, one kind a module."""

from chaos.faults.autoscaler_restart import AutoscalerRestart
from chaos.faults.base import Awaited, Disruption, Fault, Injection, Until
from chaos.faults.budget_change import BudgetChange
from chaos.faults.cluster_upgrade import ClusterUpgrade
from chaos.faults.context import FaultContext
from chaos.faults.evict import Evict
from chaos.faults.infrastructure import (
    ClusterUpgrader,
    CommandInfrastructure,
    Infrastructure,
    MetricsPath,
    NodeInfrastructure,
    PodNetwork,
)
from chaos.faults.memory_hog import MemoryHog
from chaos.faults.metrics_down import MetricsDown
from chaos.faults.network_partition import NetworkPartition
from chaos.faults.node_down import NodeDown
from chaos.faults.node_drain import NodeDrain
from chaos.faults.not_ready import NotReady
from chaos.faults.permissions import Right, rights
from chaos.faults.pod_kill import PodKill
from chaos.faults.processes import ProcessCrash, ProcessHang
from chaos.faults.rolling_pool_drain import RollingPoolDrain
from chaos.faults.rollouts import BadRollout, RollingUpdate
from chaos.faults.scale import Scale

__all__ = [
    "ALL_FAULTS",
    "AutoscalerRestart",
    "Awaited",
    "BadRollout",
    "BudgetChange",
    "ClusterUpgrade",
    "ClusterUpgrader",
    "CommandInfrastructure",
    "Disruption",
    "Evict",
    "Fault",
    "FaultContext",
    "Infrastructure",
    "Injection",
    "MemoryHog",
    "MetricsDown",
    "MetricsPath",
    "NetworkPartition",
    "NodeDown",
    "NodeDrain",
    "NodeInfrastructure",
    "NotReady",
    "PodKill",
    "PodNetwork",
    "ProcessCrash",
    "ProcessHang",
    "Right",
    "RollingPoolDrain",
    "RollingUpdate",
    "Scale",
    "Until",
    "rights",
]

ALL_FAULTS: tuple[type[Fault], ...] = (
    PodKill,
    Evict,
    NodeDrain,
    RollingPoolDrain,
    ClusterUpgrade,
    RollingUpdate,
    BadRollout,
    Scale,
    BudgetChange,
    ProcessHang,
    ProcessCrash,
    NotReady,
    MemoryHog,
    NetworkPartition,
    NodeDown,
    MetricsDown,
    AutoscalerRestart,
)
"""Every kind of fault that the suite has."""
