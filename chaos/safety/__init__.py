"""Bounds on what may be touched, checked before anything is; and the promise to undo it, written before it is done."""

from chaos.safety.blast_radius import BlastRadius
from chaos.safety.inverse import Inverse, Promise
from chaos.safety.undo_log import ClusterUndoLog, NoUndoLog, UndoLog

__all__ = ["BlastRadius", "ClusterUndoLog", "Inverse", "NoUndoLog", "Promise", "UndoLog"]
