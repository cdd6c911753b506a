"""Undoing what a fault or a dead run left: found in the cluster, done by any process, verified by state."""

from chaos.faults.undo.restore import find_left, heal, undo_all, undo_leftovers, undo_of_deployed

__all__ = ["find_left", "heal", "undo_all", "undo_leftovers", "undo_of_deployed"]
