"""The fields of the SystemSpec that a scenario asks for by its markers."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system import SystemSpec

__all__ = ["deployed_fields", "marked", "wanted_fields"]


def marked(request: pytest.FixtureRequest, spec: SystemSpec, fields: Mapping[str, Any]) -> SystemSpec:
    """Apply the scenario's markers, the outermost first, and then the session's own `fields`."""
    spec = spec.having(**deployed_fields(request.node))
    return spec.having(**fields) if fields else spec


def wanted_fields(node: pytest.Item) -> dict[str, Any]:
    """The fields of the spec that a scenario asks of any system, whoever deployed it."""
    return _fields(node, "system")


def deployed_fields(node: pytest.Item) -> dict[str, Any]:
    """Those, and the ones by which it deploys a system that is so."""
    return _fields(node, "system", "deployed")


def _fields(node: pytest.Item, *names: str) -> dict[str, Any]:
    """The fields of the spec that the scenario's markers of these names give; the innermost marker wins."""
    given: dict[str, Any] = {}
    for marker in reversed([one for one in node.iter_markers() if one.name in names]):
        if marker.args:
            name = marker.name
            raise UsageError(
                f"@pytest.mark.{name}: {marker.args[0]!r} has no name", f"name a field: {name}(replicas=4)"
            )
        given |= marker.kwargs
    return given
