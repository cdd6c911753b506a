"""Finding and reading gameday.toml. A mistake is told with the file and the key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from chaos.errors import UsageError
from chaos.trial.config.model import GamedayConfig

__all__ = ["CONFIG_NAME", "find_config", "read_config"]

CONFIG_NAME = "gameday.toml"
PYPROJECT = "pyproject.toml"


def find_config(root: Path) -> Path | None:
    """Find the file of a repository: gameday.toml, or a pyproject.toml that has `[tool.gameday]`; None without one."""
    if (root / CONFIG_NAME).is_file():
        return root / CONFIG_NAME
    pyproject = root / PYPROJECT
    return pyproject if pyproject.is_file() and "gameday" in (_parsed(pyproject).get("tool") or {}) else None


def read_config(path: Path) -> GamedayConfig:
    """Read a file. Raises `UsageError` that names the file and the key."""
    parsed = _parsed(path)
    where = str(path)
    if path.name == PYPROJECT:
        parsed = (parsed.get("tool") or {}).get("gameday") or {}
        where = f"{path} [tool.gameday]"
    try:
        return GamedayConfig.model_validate(parsed)
    except UsageError as wrong:
        told = wrong.what.removeprefix(GamedayConfig.__name__)
        raise UsageError(f"{where}: {told.lstrip('.: ')}", wrong.fix) from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "name the file with --gameday-config, or --system of the command gameday"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
