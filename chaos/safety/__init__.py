"""Bounds on what may be touched, checked before anything is."""

from chaos.safety.blast_radius import BlastRadius

__all__ = ["BlastRadius"]
