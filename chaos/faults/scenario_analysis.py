"""What a scenario does, read from its function before it runs: its faults, readings, and whether the load rises.

So what it lacks of rights or consent is known before any of it runs. What it really does is held against the same
consent when it does it.
"""

import dis
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from chaos.faults.base import Fault
from chaos.faults.permissions import READ_DATA, Activity

__all__ = ["activities_of", "activity_of", "names_load", "raises_load"]

STREAMS = frozenset({"steady", "spike", "shape"})
"""The methods of a scenario's `traffic` that begin a stream."""

NOT_FOLLOWED = sys.stdlib_module_names | {"chaos", "loadgen", "reports", "pytest", "_pytest"}
"""Packages whose functions make no fault of a scenario's."""

READINGS: Mapping[str, Activity] = {"read_data": READ_DATA}
"""By the name of the trial's method."""


def activity_of(fault: type[Fault]) -> Activity:
    """A kind of fault as plain data."""
    return Activity(
        fault.name,
        fault.permissions,
        fault.hits_nodes,
        fault.evicts,
        fault.workload_kind,
        if_run_dies=fault.if_run_dies,
        hits_none=fault.hits_none,
    )


def activities_of(scenario: Callable[..., Any]) -> tuple[Activity, ...]:
    """The faults and readings that a scenario names, by name.

    Read are its code and what is defined in it, its marks and fixtures, and the helpers and tables of its module that
    it names; nothing of our own packages but their faults.
    """
    found: set[type[Fault] | str] = set()
    for value in _reached(scenario):
        if isinstance(value, type) and issubclass(value, Fault):
            found.add(value)
        elif isinstance(value, CodeType):
            found |= READINGS.keys() & set(value.co_names)
    activities = {READINGS[one] if isinstance(one, str) else activity_of(one) for one in found}
    return tuple(sorted(activities, key=lambda activity: activity.name))


def raises_load(scenario: Callable[..., Any]) -> bool:
    """Whether a scenario lets the load rise, as far as its code shows: it has a shape of it, or a second stream."""
    begun = [
        str(one.argval)
        for value in _reached(scenario)
        if isinstance(value, CodeType)
        for one in dis.get_instructions(value)
        if one.opname in ("LOAD_ATTR", "LOAD_METHOD") and one.argval in STREAMS
    ]
    return len(begun) > 1 or bool({"shape", "spike"} & set(begun))


def names_load(scenario: Callable[..., Any]) -> bool:
    """Whether a scenario tells a load as a share of what a replica carries, as far as its code shows."""
    codes = [value for value in _reached(scenario) if isinstance(value, CodeType) and STREAMS & set(value.co_names)]
    # The names of keywords of a call are a tuple among the constants.
    return any({"load", "relative"} & set(one) for code in codes for one in code.co_consts if isinstance(one, tuple))


def _reached(scenario: Callable[..., Any]) -> Iterator[object]:
    """Every piece of code and every fault's class that a scenario leads to, each once."""
    seen: set[int] = set()
    left: list[object] = [scenario]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, CodeType) or (isinstance(value, type) and issubclass(value, Fault)):
            yield value
        left += _next(value)


def _next(value: object) -> list[object]:
    """What a value leads to."""
    if isinstance(value, Fault):
        return [type(value)]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType) and str(value.__module__).partition(".")[0] not in NOT_FOLLOWED:
        codes = list(_codes(value.__code__))
        names = [name for code in codes for name in (*code.co_names, *code.co_varnames[: code.co_argcount])]
        cells = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        marks = [(mark.args, mark.kwargs) for mark in getattr(value, "pytestmark", ())]
        return [*codes, *_named(names, value.__globals__), *cells, *marks]
    # A fixture, or what another decorator made.
    wrapped = getattr(value, "__wrapped__", None)
    return [wrapped] if isinstance(wrapped, FunctionType) else []


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A piece of code, and what is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _named(names: list[str], known: Mapping[str, object]) -> Iterator[object]:
    """What names stand for in a module, and attributes of the modules that they name, e.g. `faults.PodKill`."""
    left = [known.get(name) or sys.modules.get(name) for name in names]
    modules: set[str] = set()
    while left:
        value = left.pop()
        if isinstance(value, ModuleType) and value.__name__ not in modules:
            modules.add(value.__name__)
            left += [getattr(value, name) for name in names if hasattr(value, name)]
        elif value is not None:
            yield value
