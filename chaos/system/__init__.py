"""The system under test: what people write about it, the objects that follow, and getting it to run."""

from chaos.objects.readiness_blockers import Blocker, blockers, in_words
from chaos.system.deploy.apply import deploy
from chaos.system.deploy.namespace import delete_namespace, namespace_of_trial, sweep, trial_namespace
from chaos.system.deploy.seed_volumes import fill_claims
from chaos.system.deploy.wait import NeverAvailable, wait_available
from chaos.system.manifests.names import selector
from chaos.system.manifests.render import manifests
from chaos.system.spec.parts import (
    Autoscale,
    DisruptionBudget,
    Fill,
    Keda,
    ProbeSpec,
    Rollout,
    Security,
    Spread,
    Toleration,
    Volume,
)
from chaos.system.spec.system_spec import SystemSpec
from chaos.system.system import System

__all__ = [
    "Autoscale",
    "Blocker",
    "DisruptionBudget",
    "Fill",
    "Keda",
    "NeverAvailable",
    "ProbeSpec",
    "Rollout",
    "Security",
    "Spread",
    "System",
    "SystemSpec",
    "Toleration",
    "Volume",
    "blockers",
    "delete_namespace",
    "deploy",
    "fill_claims",
    "in_words",
    "manifests",
    "namespace_of_trial",
    "selector",
    "sweep",
    "trial_namespace",
    "wait_available",
]
