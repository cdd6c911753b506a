"""Brings the ready-made scenarios into the wheel, as the package `gameday_scenarios`."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ScenariosHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own configuration
    """Adds the scenarios."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them, but to an editable install: copies there would grow old."""
        if version != "editable":
            build_data["force_include"]["scenarios"] = "gameday_scenarios"
