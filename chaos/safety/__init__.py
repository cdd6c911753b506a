"""Bounds on what may be touched, checked before anything is; and what undoes it, written down before it is done."""

from chaos.safety.blast_radius import BlastRadius
from chaos.safety.undo_journal import ClusterUndoLog, NoUndoLog, UndoEntry, UndoLog

__all__ = ["BlastRadius", "ClusterUndoLog", "NoUndoLog", "UndoEntry", "UndoLog"]
