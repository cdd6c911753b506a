"""What Kubernetes promises, as pure functions."""

from chaos.semantics.budgets import BudgetStatus, Scales, ScaleUnknown, bound_by, budget_status
from chaos.semantics.drain import Batch, DrainOptions, DrainSet, drain_bound, drain_set
from chaos.semantics.eviction import BudgetState, Cause, Decision, decide_eviction
from chaos.semantics.legs import LegName, LegRule, Way, leg_rules
from chaos.semantics.probes import (
    Probe,
    Stage,
    Unpromised,
    liveness_bound_s,
    ready_bound_s,
    unpromised_start,
    unready_bound_s,
)
from chaos.semantics.recovery import (
    Bound,
    Part,
    backoff_s,
    endpoint_bound,
    node_loss_bound,
    recovery_bound,
    restart_bound,
)
from chaos.semantics.timings import KUBERNETES, LAB, Timings

__all__ = [
    "KUBERNETES",
    "LAB",
    "Batch",
    "Bound",
    "BudgetState",
    "BudgetStatus",
    "Cause",
    "Decision",
    "DrainOptions",
    "DrainSet",
    "LegName",
    "LegRule",
    "Part",
    "Probe",
    "ScaleUnknown",
    "Scales",
    "Stage",
    "Timings",
    "Unpromised",
    "Way",
    "backoff_s",
    "bound_by",
    "budget_status",
    "decide_eviction",
    "drain_bound",
    "drain_set",
    "endpoint_bound",
    "leg_rules",
    "liveness_bound_s",
    "node_loss_bound",
    "ready_bound_s",
    "recovery_bound",
    "restart_bound",
    "unpromised_start",
    "unready_bound_s",
]
