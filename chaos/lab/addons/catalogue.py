"""All add-ons of the lab, and which can be together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chaos.errors import UsageError
from chaos.lab.addons.addon import Addon
from chaos.lab.addons.keda import KEDA
from chaos.lab.addons.network_policies import NETWORK_POLICIES
from chaos.lab.addons.prometheus import PROMETHEUS
from chaos.lab.addons.prometheus_adapter import PROMETHEUS_ADAPTER

__all__ = ["ADDONS", "refuse_clash", "wanted"]

ADDONS: Mapping[str, Addon] = {addon.name: addon for addon in (PROMETHEUS, PROMETHEUS_ADAPTER, KEDA, NETWORK_POLICIES)}


def wanted(names: Iterable[str]) -> tuple[Addon, ...]:
    """The add-ons of these names, each once, after those that it needs.

    Raises UsageError for a name that there is not, and for two that cannot be in one lab.
    """
    found: dict[str, Addon] = {}
    for name in names:
        if name not in ADDONS:
            raise UsageError(f"the lab has no add-on {name}", f"there are {', '.join(ADDONS)}")
        for one in (*ADDONS[name].needs, name):
            found[one] = ADDONS[one]
    refuse_clash(tuple(found.values()), ())
    return tuple(found.values())


def refuse_clash(asked: Sequence[Addon], there: Iterable[str]) -> None:
    """Refuse two add-ons that register the same API: Kubernetes leads a group's version to one server.

    `there` are the names of those that the lab has. Raises UsageError.
    """
    server: dict[str, Addon] = {}
    for addon in (*(ADDONS[name] for name in there if name in ADDONS), *asked):
        for name in addon.api_services:
            other = server.setdefault(name, addon)
            if other.name != addon.name:
                raise UsageError(
                    f"{other.name} and {addon.name} cannot be in one lab: both serve {name.partition('.')[2]}, "
                    "and Kubernetes asks one server for it",
                    f"for {addon.name} start the lab anew: gameday lab down, gameday lab up, "
                    f"gameday lab add {addon.name}",
                )
