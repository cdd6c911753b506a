"""Claims about a system under faults, each a pure function from a history to a finding."""

from chaos.checks.autoscaling.cold_start import ColdStart
from chaos.checks.autoscaling.decisions_recomputed import DecisionsRecomputed
from chaos.checks.autoscaling.held_at_maximum import HeldAtMaximum
from chaos.checks.autoscaling.held_blind import HeldBlind
from chaos.checks.autoscaling.no_flapping import NoFlapping
from chaos.checks.autoscaling.scaled_down import ScaledDown
from chaos.checks.autoscaling.scaled_to_zero import ScaledToZero
from chaos.checks.autoscaling.scaled_up import ScaledUp
from chaos.checks.autoscaling.within_limits import WithinLimits
from chaos.checks.budgets.budget_held import BudgetHeld
from chaos.checks.budgets.drained import Drained
from chaos.checks.budgets.nothing_evicted import NothingEvicted
from chaos.checks.placement.spread import Spread
from chaos.checks.placement.stayed_in_pool import StayedInPool
from chaos.checks.probes.no_needless_restart import NoNeedlessRestart, NoRestartLoop
from chaos.checks.probes.restarted_by_liveness import RestartedByLiveness
from chaos.checks.probes.unready_leaves_endpoints import UnreadyLeavesEndpoints
from chaos.checks.probes.zombie_found import ZombieFound
from chaos.checks.recovery.recovered import Recovered
from chaos.checks.recovery.recovered_in_time import RecoveredInTime
from chaos.checks.recovery.rescheduled import Rescheduled
from chaos.checks.rollouts.rollback_safe import RollbackSafe
from chaos.checks.rollouts.rolled_out import RolledOut
from chaos.checks.termination.graceful_termination import GracefulTermination
from chaos.checks.traffic.answers_right import AnswersRight
from chaos.checks.traffic.capacity_found import CapacityFound
from chaos.checks.traffic.engine_agrees import EngineAgrees
from chaos.checks.traffic.generator_healthy import GeneratorHealthy
from chaos.checks.traffic.lost_while_away import LostWhileAway
from chaos.checks.traffic.rate_offered import RateOffered
from chaos.checks.traffic.routed_to_ready import RoutedToReady
from chaos.checks.traffic.slo_met import SloMet
from chaos.checks.traffic.slots_freed import SlotsFreed
from chaos.checks.traffic.windows import InPhase, WhileRaised
from chaos.checks.trial.completed import Completed
from chaos.checks.trial.data_survived import DataSurvived
from chaos.checks.trial.end_state import EndState
from chaos.checks.trial.faults_landed import FaultsLanded
from chaos.checks.trial.in_role import InRole
from chaos.checks.trial.steady_state import SteadyBefore
from chaos.checks.trial.witnessed import Witnessed

__all__ = [
    "AnswersRight",
    "BudgetHeld",
    "CapacityFound",
    "ColdStart",
    "Completed",
    "DataSurvived",
    "DecisionsRecomputed",
    "Drained",
    "EndState",
    "EngineAgrees",
    "FaultsLanded",
    "GeneratorHealthy",
    "GracefulTermination",
    "HeldAtMaximum",
    "HeldBlind",
    "InPhase",
    "InRole",
    "LostWhileAway",
    "NoFlapping",
    "NoNeedlessRestart",
    "NoRestartLoop",
    "NothingEvicted",
    "RateOffered",
    "Recovered",
    "RecoveredInTime",
    "Rescheduled",
    "RestartedByLiveness",
    "RollbackSafe",
    "RolledOut",
    "RoutedToReady",
    "ScaledDown",
    "ScaledToZero",
    "ScaledUp",
    "SloMet",
    "SlotsFreed",
    "Spread",
    "StayedInPool",
    "SteadyBefore",
    "UnreadyLeavesEndpoints",
    "WhileRaised",
    "WithinLimits",
    "Witnessed",
    "ZombieFound",
]
