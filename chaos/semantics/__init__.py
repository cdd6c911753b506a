"""What Kubernetes promises, as pure functions."""

from chaos.semantics.budgets import BudgetStatus, Scales, ScaleUnknown, bound_by, budget_status
from chaos.semantics.eviction import BudgetState, Decision, decide_eviction
from chaos.semantics.kubectl_drain import Batch, DrainOptions, DrainSet, drain_bound, drain_set
from chaos.semantics.liveness_restarts import backoff_s, restart_bound, restarts_remembered
from chaos.semantics.node_loss import (
    LOSS_TAINTS,
    Detection,
    LostNode,
    eviction_rates,
    node_loss_detection,
    tainted_within_s,
    toleration_s,
    zone_state,
)
from chaos.semantics.probes import (
    Probe,
    Stage,
    Unpromised,
    container_probes,
    ready_bound_s,
    unpromised_start,
)
from chaos.semantics.recovery_bounds import (
    Bound,
    Part,
    endpoint_bound,
    node_loss_bound,
    power_loss_bound,
    recovery_bound,
    removal_bound,
)
from chaos.semantics.recovery_stages import RecoveryPath, StageName, StageRule, stage_rules
from chaos.semantics.termination import Between, Termination, grace_needed, pre_stop_needed_s, termination
from chaos.semantics.timings import KUBERNETES, LAB, Timings

__all__ = [
    "KUBERNETES",
    "LAB",
    "LOSS_TAINTS",
    "Batch",
    "Between",
    "Bound",
    "BudgetState",
    "BudgetStatus",
    "Decision",
    "Detection",
    "DrainOptions",
    "DrainSet",
    "LostNode",
    "Part",
    "Probe",
    "RecoveryPath",
    "ScaleUnknown",
    "Scales",
    "Stage",
    "StageName",
    "StageRule",
    "Termination",
    "Timings",
    "Unpromised",
    "backoff_s",
    "bound_by",
    "budget_status",
    "container_probes",
    "decide_eviction",
    "drain_bound",
    "drain_set",
    "endpoint_bound",
    "eviction_rates",
    "grace_needed",
    "node_loss_bound",
    "node_loss_detection",
    "power_loss_bound",
    "pre_stop_needed_s",
    "ready_bound_s",
    "recovery_bound",
    "removal_bound",
    "restart_bound",
    "restarts_remembered",
    "stage_rules",
    "tainted_within_s",
    "termination",
    "toleration_s",
    "unpromised_start",
    "zone_state",
]
