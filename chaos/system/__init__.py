"""The system under test: what people write about it, the objects that follow, and getting it to run."""

from chaos.system.availability import available_bound_s, shortfall
from chaos.system.deploy import deploy, teardown
from chaos.system.fill import fill_claims
from chaos.system.labels import selector
from chaos.system.leftovers import Decision
from chaos.system.manifests import manifests
from chaos.system.namespace import delete_namespace, namespace_of_trial, sweep, trial_namespace
from chaos.system.obstacle import Obstacle, in_words
from chaos.system.obstacles import obstacles
from chaos.system.parts import (
    Autoscale,
    DisruptionBudget,
    Fill,
    ProbeSpec,
    Rollout,
    Security,
    Spread,
    Toleration,
    Volume,
)
from chaos.system.spec import SystemSpec
from chaos.system.system import System
from chaos.system.waiting import NeverAvailable, wait_available

__all__ = [
    "Autoscale",
    "Decision",
    "DisruptionBudget",
    "Fill",
    "NeverAvailable",
    "Obstacle",
    "ProbeSpec",
    "Rollout",
    "Security",
    "Spread",
    "System",
    "SystemSpec",
    "Toleration",
    "Volume",
    "available_bound_s",
    "delete_namespace",
    "deploy",
    "fill_claims",
    "in_words",
    "manifests",
    "namespace_of_trial",
    "obstacles",
    "selector",
    "shortfall",
    "sweep",
    "teardown",
    "trial_namespace",
    "wait_available",
]
