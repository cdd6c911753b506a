"""The ordered, immutable record of a trial, and the observations derived from it."""

from chaos.history.canary import Canary, CanaryRequest
from chaos.history.metrics import MetricsSample, MetricValues, PodUsage
from chaos.history.model import (
    REQUEST_SCHEMA,
    Action,
    Fault,
    Gap,
    GeneratorSample,
    History,
    LoadPoint,
    LoadWorker,
    Note,
    Outcome,
    Phase,
    Stream,
    TrialFacts,
    WatchEvent,
)
from chaos.history.reading.run_folder import load_history
from chaos.history.samples import ContainerLog, EngineNames, EngineRecord, EngineSample

__all__ = [
    "REQUEST_SCHEMA",
    "Action",
    "Canary",
    "CanaryRequest",
    "ContainerLog",
    "EngineNames",
    "EngineRecord",
    "EngineSample",
    "Fault",
    "Gap",
    "GeneratorSample",
    "History",
    "LoadPoint",
    "LoadWorker",
    "MetricValues",
    "MetricsSample",
    "Note",
    "Outcome",
    "Phase",
    "PodUsage",
    "Stream",
    "TrialFacts",
    "WatchEvent",
    "load_history",
]
