"""How far the trial's clock is ahead of the API server's, as the objects tell that were made meanwhile."""

from datetime import datetime

from chaos.clock import NS
from chaos.history.cache import once
from chaos.history.facts.revisions import DELIVERY_NS
from chaos.history.model import History
from chaos.objects.base import View

__all__ = ["clocks_apart_ns"]

OBJECTS_MIN = 2
"""A single one may be older: a watch may tell of it as new when it only comes into its scope."""


@once
def clocks_apart_ns(history: History) -> tuple[int, ...]:
    """By how much the trial's clock is ahead of the API server's: the least and the most; 0 where they may agree.

    The server stamps each object as it makes it, in whole seconds, and word of it comes later: none tells of less than
    the difference, and the quickest of hardly more.
    """
    added = (event for event in history.watch if event.type == "ADDED")
    made = ((event.at_ns, View(event.object).created) for event in added)
    after_ns = [at_ns - round(datetime.fromisoformat(text).timestamp()) * NS for at_ns, text in made if text]
    most_ns = min(after_ns, default=0)
    least_ns = most_ns - NS - DELIVERY_NS
    few = len(after_ns) < OBJECTS_MIN
    return (0,) if few or least_ns <= 0 <= most_ns else (least_ns, most_ns)
