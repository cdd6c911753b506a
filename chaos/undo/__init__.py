"""Undoing what a dead run left: found in the cluster, done by any later process, verified by state."""

from chaos.undo.found import Left, find_left
from chaos.undo.heal import Undone, undo_all

__all__ = ["Left", "Undone", "find_left", "undo_all"]
