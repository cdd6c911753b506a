"""Trouble made on purpose: one fault a module."""

from chaos.faults.base import Fault, Field
from chaos.faults.pod_kill import PodKill

__all__ = ["Fault", "Field", "PodKill"]
