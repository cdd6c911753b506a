"""Objects as plain data, and the fields that say something."""

from collections.abc import Mapping
from typing import Any

__all__ = ["Manifest", "unless_empty", "unless_none"]

Manifest = dict[str, Any]


def unless_none(**fields: Any) -> Manifest:
    """Give the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def unless_empty(**fields: Mapping[str, Any] | list[Any]) -> Manifest:
    """Give the fields that hold something."""
    return {name: value for name, value in fields.items() if value}
