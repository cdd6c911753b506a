"""The ordered, immutable record of a trial, and the observations derived from it."""

from chaos.history.load import load_history
from chaos.history.model import (
    REQUEST_SCHEMA,
    Action,
    Fault,
    Gap,
    GeneratorSample,
    History,
    LoadPoint,
    LoadWorker,
    MetricsSample,
    Note,
    Outcome,
    Phase,
    PodUsage,
    Ref,
    Stream,
    TrialFacts,
    WatchEvent,
)

__all__ = [
    "REQUEST_SCHEMA",
    "Action",
    "Fault",
    "Gap",
    "GeneratorSample",
    "History",
    "LoadPoint",
    "LoadWorker",
    "MetricsSample",
    "Note",
    "Outcome",
    "Phase",
    "PodUsage",
    "Ref",
    "Stream",
    "TrialFacts",
    "WatchEvent",
    "load_history",
]
