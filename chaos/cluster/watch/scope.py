"""What a recorder watches, and how patiently."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WATCHED", "Limits", "Scope"]

WATCHED = ("Pod", "ReplicaSet", "EndpointSlice", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Event")
"""What every trial watches in its system's namespace, beside the workload itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to watch: a kind, in one namespace or (None) in all, narrowed by a label selector or to one name."""

    kind: str
    namespace: str | None = None
    selector: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a watch is.

    `silence_max_s`: a watch that brings nothing for longer is taken for broken. Bookmarks come once a minute (an idle
    kind's first one was seen after two). `outage_max_s`: how long the API server may be away before the recorder gives
    up and the trial ends. `pulse_s`: how often what the server lists is held against what the watch brought, so that a
    connection that stands and is dead is noticed sooner than by its silence.
    """

    silence_max_s: float = 180.0
    outage_max_s: float = 120.0
    pulse_s: float = 5.0
