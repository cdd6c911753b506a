"""Chaos and resilience verification for replicated model services on Kubernetes: what a scenario's author needs.

Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos import checks as checks
    from chaos import faults as faults
    from chaos.faults import targets as targets
    from chaos.slo import Slo as Slo
    from chaos.system import Autoscale as Autoscale
    from chaos.system import Keda as Keda
    from chaos.system import SystemSpec as SystemSpec
    from chaos.trial import conditions as conditions
    from loadgen import profiles as profiles
    from loadgen import shapes as shapes

__all__ = ["Autoscale", "Keda", "Slo", "SystemSpec", "checks", "conditions", "faults", "profiles", "shapes", "targets"]

_MODULES = {
    "checks": "chaos.checks",
    "conditions": "chaos.trial.conditions",
    "faults": "chaos.faults",
    "profiles": "loadgen.profiles",
    "shapes": "loadgen.shapes",
    "targets": "chaos.faults.targets",
}
_CLASSES = {
    "Autoscale": "chaos.system",
    "Keda": "chaos.system",
    "Slo": "chaos.slo",
    "SystemSpec": "chaos.system",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _CLASSES:
        return getattr(import_module(_CLASSES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
