"""The system under test: what people write about it, the objects that follow, and getting it to run."""

from chaos.system.labels import selector
from chaos.system.manifests import manifests
from chaos.system.obstacles import Obstacle, in_words, obstacles
from chaos.system.parts import (
    Autoscale,
    DisruptionBudget,
    ProbeSpec,
    Rollout,
    Security,
    Spread,
    Toleration,
    Volume,
)
from chaos.system.spec import SystemSpec

__all__ = [
    "Autoscale",
    "DisruptionBudget",
    "Obstacle",
    "ProbeSpec",
    "Rollout",
    "Security",
    "Spread",
    "SystemSpec",
    "Toleration",
    "Volume",
    "in_words",
    "manifests",
    "obstacles",
    "selector",
]
