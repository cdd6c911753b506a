"""What Kubernetes promises, as pure functions."""

from chaos.semantics.probes import (
    Probe,
    Stage,
    Unpromised,
    liveness_bound_s,
    ready_bound_s,
    unpromised_start,
    unready_bound_s,
)
from chaos.semantics.recovery import Bound, Part, backoff_s, node_loss_bound, recovery_bound, restart_bound
from chaos.semantics.timings import KUBERNETES, LAB, Timings

__all__ = [
    "KUBERNETES",
    "LAB",
    "Bound",
    "Part",
    "Probe",
    "Stage",
    "Timings",
    "Unpromised",
    "backoff_s",
    "liveness_bound_s",
    "node_loss_bound",
    "ready_bound_s",
    "recovery_bound",
    "restart_bound",
    "unpromised_start",
    "unready_bound_s",
]
