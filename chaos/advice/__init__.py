"""What to change: for causes that findings name, a patch with its arithmetic. Pure: from a judged history to advice."""

from chaos.advice.advise import advise
from chaos.advice.model import Advice

__all__ = ["Advice", "advise"]
