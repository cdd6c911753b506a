"""What to change: for causes that findings name, a patch with its arithmetic. Pure: from a judged history to advice."""

from chaos.checks.remediation.advise import advise
from chaos.checks.remediation.model import Advice

__all__ = ["Advice", "advise"]
