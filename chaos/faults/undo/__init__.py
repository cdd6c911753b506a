"""Undoing what a fault or a dead run left: found in the cluster, done by any process, verified by state."""

from chaos.faults.undo.find import find_left
from chaos.faults.undo.restore import heal, undo_all, undo_leftovers, undo_of_deployed

__all__ = ["find_left", "heal", "undo_all", "undo_leftovers", "undo_of_deployed"]
