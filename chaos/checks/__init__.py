"""Claims about a system under trouble, each a pure function from a history to a finding."""

from chaos.checks.completed import Completed
from chaos.checks.faults_landed import FaultsLanded
from chaos.checks.recovered import Recovered
from chaos.checks.slo_met import SloMet
from chaos.checks.steady_before import SteadyBefore
from chaos.checks.witnessed import Witnessed

__all__ = ["Completed", "FaultsLanded", "Recovered", "SloMet", "SteadyBefore", "Witnessed"]
