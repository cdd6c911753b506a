"""Whether a system that already runs is what a scenario asks for. Pure.

A scenario's marker names fields of the spec. An adopted system is not changed to fit; a field that it has otherwise is
reported, and the scenario is left out. Where a marker names a part of a field (a rollout's deadline), only that
part counts. Of volumes it counts whose they are, and whether files on them must survive: not where, nor how large.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from chaos.errors import UsageError
from chaos.review.shapes import share
from chaos.system.spec.parts import DisruptionBudget, Volume
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["NAME_DATA", "NO_DATA", "may_go", "refuse_fields", "unmet"]

NO_DATA = "no volume of the system is said to hold files that must survive"
NAME_DATA = "name them as system.data"


def unmet(live: SystemSpec, wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """Say, a line a field, how a live system differs from the fields that are wanted; empty if it does not.

    More replicas than wanted are as good, but where the disruption budget is a number made for just so many. A
    disruption budget is the same if as many pods may go by it. Raises `UsageError` for a field that does not exist.
    """
    needed = _wanted(live, wanted)
    return tuple(line for name in wanted for line in _differs(name, live, needed))


def _wanted(live: SystemSpec, wanted: Mapping[str, Any]) -> SystemSpec:
    # A plain spec, so that what the live one is cannot stand in the way of a marker that is right by itself.
    given = {key: value for key, value in wanted.items() if key != "tolerance"}
    needed = SystemSpec(name=live.name, image=live.image).having(**given)
    return needed.model_copy(update={"tolerance": wanted["tolerance"]}) if "tolerance" in wanted else needed


def _differs(name: str, live: SystemSpec, needed: SystemSpec) -> Iterator[str]:
    has, wants = getattr(live, name), getattr(needed, name)
    if name == "replicas":
        yield from _replicas(live, needed)
    elif name == "disruption_budget":
        yield from _budget(live, needed)
    elif name == "volumes":
        yield from dict.fromkeys(_volumes(live, needed))
    elif isinstance(wants, BaseModel):
        yield from _parts(name, has, wants)
    elif isinstance(wants, Mapping):
        for key, value in wants.items():
            if has.get(key) != value:
                yield f"{name} has {key}={has.get(key, '(nothing)')}, the scenario needs {value}"
    elif has != wants:
        yield f"{name} is {has}, the scenario needs {wants}"


def _parts(name: str, has: BaseModel | None, wants: BaseModel) -> Iterator[str]:
    """Compare the parts that the scenario names."""
    if has is None:
        yield f"the scenario needs {name}, which the system does not have"
        return
    for part in sorted(wants.model_fields_set):
        if getattr(has, part) != getattr(wants, part):
            yield f"{name}.{part} is {getattr(has, part)}, the scenario needs {getattr(wants, part)}"


def _replicas(live: SystemSpec, needed: SystemSpec) -> Iterator[str]:
    has, wants = live.replicas_floor, needed.replicas
    budget = needed.disruption_budget
    exact = budget is not None and isinstance(budget.min_available, int)
    if has < wants or (exact and has != wants):
        yield f"the system has {has} replicas, the scenario needs {'just' if exact else 'at least'} {wants}"


def _budget(live: SystemSpec, needed: SystemSpec) -> Iterator[str]:
    has, wants = live.disruption_budget, needed.disruption_budget
    if has is None or wants is None:
        if has is not wants:
            owned = "has no disruption budget" if has is None else "has a disruption budget"
            needs = "needs none" if wants is None else f"needs {_words(wants)}"
            yield f"the system {owned}, the scenario {needs}"
        return
    if may_go(has, live.replicas_floor) != may_go(wants, needed.replicas_floor):
        yield f"the disruption budget is {_words(has)}, the scenario needs {_words(wants)}"
    if wants.unhealthy_pod_eviction_policy not in (None, has.unhealthy_pod_eviction_policy):
        yield (
            f"the disruption budget's unhealthyPodEvictionPolicy is {has.unhealthy_pod_eviction_policy}, "
            f"the scenario needs {wants.unhealthy_pod_eviction_policy}"
        )


def _volumes(live: SystemSpec, needed: SystemSpec) -> Iterator[str]:
    """Find a volume for each that is wanted; those with files choose first."""
    left = list(live.volumes)
    for wants in sorted(needed.volumes, key=lambda one: not one.kept_files):
        files = bool(wants.kept_files)
        fit = [one for one in left if _whose(one) == _whose(wants) and (one.kept_files or not files)]
        if fit:
            left.remove(min(fit, key=lambda one: bool(one.kept_files)))
        elif files and not live.kept_files:
            yield f"{NO_DATA}: {NAME_DATA}"
        else:
            extra = " with files that must survive" if files else ""
            yield f"the scenario needs {_whose(wants)}{extra}, which the system does not have"


def _whose(volume: Volume) -> str:
    if volume.shared_claim:
        return "a claim that all replicas share"
    return "a claim for each replica" if volume.per_replica else "a folder that goes with its pod"


def may_go(budget: DisruptionBudget, replicas: int) -> int:
    """How many of so many pods may go at once; percentages are rounded up (kubernetes.md A.2)."""
    bound = share(budget.max_unavailable if budget.min_available is None else budget.min_available, replicas)
    assert bound is not None
    return max(0, min(replicas, bound if budget.min_available is None else replicas - bound))


def _words(budget: DisruptionBudget) -> str:
    if budget.min_available is not None:
        return f"min_available {budget.min_available}"
    return f"max_unavailable {budget.max_unavailable}"


def refuse_fields(fields: Mapping[str, Any]) -> None:
    """Refuse fields that a session would change. Raises `UsageError`: an adopted system is left as it is."""
    if fields:
        raise UsageError(
            f"--gameday-system-field {', '.join(fields)}: an adopted system is not changed", "leave the option out"
        )
