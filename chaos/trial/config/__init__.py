"""What people write about a system that already runs: gameday.toml, or `[tool.gameday]` in pyproject.toml."""

from chaos.trial.config.model import ClusterPart, GamedayConfig, LoadPart, SafetyPart, SloPart, SystemPart, TrafficPart
from chaos.trial.config.read import CONFIG_NAME, find_config, read_config

__all__ = [
    "CONFIG_NAME",
    "ClusterPart",
    "GamedayConfig",
    "LoadPart",
    "SafetyPart",
    "SloPart",
    "SystemPart",
    "TrafficPart",
    "find_config",
    "read_config",
]
