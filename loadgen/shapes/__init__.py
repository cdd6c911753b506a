"""When requests arrive: pure functions of time, each built from plain data.

A shape says how far after its begin arrival number k is intended; all else follows from that one function. Nothing
depends on what the service does, so a slow answer never delays the next arrival.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chaos.errors import UsageError
from loadgen.shapes.base import Shape
from loadgen.shapes.patterns import RATE_MAX_RPS, Poisson, Ramp, Spike, Steady, Step
from loadgen.shapes.trace import Replay
from loadgen.shapes.trace_files import read_trace
from loadgen.shapes.users import Users

__all__ = [
    "RATE_MAX_RPS",
    "Poisson",
    "Ramp",
    "Replay",
    "Shape",
    "Spike",
    "Steady",
    "Step",
    "Users",
    "read_trace",
    "shape_from_plain",
]

KINDS: Mapping[str, type[Any]] = {"steady": Steady, "ramp": Ramp, "step": Step, "spike": Spike}


def shape_from_plain(data: Mapping[str, Any]) -> Shape:
    """The shape that `Shape.plain` described. Raises `UsageError` for an unknown kind or a bad field."""
    match dict(data):
        case {"kind": "replay", **rest}:
            return Replay.from_plain(rest)
        case {"kind": "users", "locustfile": str(file), "users": int(users), "spawn_rate": rate, **others} if (
            not others
        ):
            return Users(file, users, rate)
        case {"kind": "poisson", "of": dict(of), "seed": int(seed), **others} if not others:
            return Poisson(shape_from_plain(of), seed)
        case {"kind": str(kind), **numbers} if kind in KINDS:
            if set(numbers) == {item.name for item in fields(KINDS[kind])} and all(map(_is_number, numbers.values())):
                shape: Shape = KINDS[kind](**numbers)
                return shape
            raise UsageError(f"shape: {kind} has other fields than {sorted(numbers)}, or one is no number")
        case {"kind": str(kind)}:
            raise UsageError(f"shape: {kind} with fields {sorted(set(data) - {'kind'})} is not known")
    raise UsageError(f"shape: {data!r} is not a shape", 'give {"kind": "steady", "rate_rps": 20}')


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
