"""Undoing what a dead run left: found in the cluster, done by any later process, verified by state."""

from chaos.faults.undo.discovery import Left, find_left
from chaos.faults.undo.restore import Undone, undo_all

__all__ = ["Left", "Undone", "find_left", "undo_all"]
