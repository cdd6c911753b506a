"""Claims about a system under trouble, each a pure function from a history to a finding."""

from chaos.checks.budget_held import BudgetHeld
from chaos.checks.capacity_found import CapacityFound
from chaos.checks.completed import Completed
from chaos.checks.data_survived import DataSurvived
from chaos.checks.decisions_recomputed import DecisionsRecomputed
from chaos.checks.drained import Drained
from chaos.checks.faults_landed import FaultsLanded
from chaos.checks.generator_sound import GeneratorSound
from chaos.checks.graceful_termination import GracefulTermination
from chaos.checks.held_at_maximum import HeldAtMaximum
from chaos.checks.no_flapping import NoFlapping
from chaos.checks.no_needless_restart import NoNeedlessRestart
from chaos.checks.no_restart_loop import NoRestartLoop
from chaos.checks.nothing_evicted import NothingEvicted
from chaos.checks.rate_offered import RateOffered
from chaos.checks.recovered import Recovered
from chaos.checks.recovered_in_time import RecoveredInTime
from chaos.checks.rescheduled import Rescheduled
from chaos.checks.restarted_by_liveness import RestartedByLiveness
from chaos.checks.rollback_safe import RollbackSafe
from chaos.checks.rolled_out import RolledOut
from chaos.checks.scaled_down import ScaledDown
from chaos.checks.scaled_up import ScaledUp
from chaos.checks.slo_met import SloMet
from chaos.checks.spread import Spread
from chaos.checks.stayed_in_pool import StayedInPool
from chaos.checks.steady_before import SteadyBefore
from chaos.checks.unready_leaves_endpoints import UnreadyLeavesEndpoints
from chaos.checks.within_limits import WithinLimits
from chaos.checks.witnessed import Witnessed
from chaos.checks.zombie_found import ZombieFound

__all__ = [
    "BudgetHeld",
    "CapacityFound",
    "Completed",
    "DataSurvived",
    "DecisionsRecomputed",
    "Drained",
    "FaultsLanded",
    "GeneratorSound",
    "GracefulTermination",
    "HeldAtMaximum",
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
    "ScaledDown",
    "ScaledUp",
    "SloMet",
    "Spread",
    "StayedInPool",
    "SteadyBefore",
    "UnreadyLeavesEndpoints",
    "WithinLimits",
    "Witnessed",
    "ZombieFound",
]
