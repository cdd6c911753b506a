"""A trial's context of which a test uses only some parts."""

from dataclasses import fields
from typing import Any

from chaos.trial.context import TrialContext

__all__ = ["context_with"]

OPTIONAL = {"timings", "means", "workload_kind", "adopted", "undo", "active", "witnesses", "role", "roles"}


def context_with(**parts: Any) -> TrialContext:
    """A context with these parts; the others that have no default are None."""
    absent = {one.name: None for one in fields(TrialContext) if one.init and one.name not in OPTIONAL}
    return TrialContext(**{**absent, **parts})  # type: ignore[arg-type]  # a test uses what it gives
