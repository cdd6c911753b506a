"""Bounds on what may be touched, checked before anything is; and the promise to undo it, written before it is done."""

from chaos.safety.blast_radius import BlastRadius
from chaos.safety.undo_entry import Inverse, Promise
from chaos.safety.undo_journal import ClusterUndoLog, NoUndoLog, UndoLog

__all__ = ["BlastRadius", "ClusterUndoLog", "Inverse", "NoUndoLog", "Promise", "UndoLog"]
