"""When requests arrive: pure functions of time, each built from plain data."""

from loadgen.shapes.patterns import (
    RATE_MAX_RPS,
    Poisson,
    Ramp,
    Replay,
    Shape,
    Spike,
    Steady,
    Step,
    Users,
    shape_from_plain,
)

__all__ = ["RATE_MAX_RPS", "Poisson", "Ramp", "Replay", "Shape", "Spike", "Steady", "Step", "Users", "shape_from_plain"]
