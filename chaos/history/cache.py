"""Observations are worked out once for each history, however many checks and charts ask for them."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from chaos.history.model import History

__all__ = ["once"]

T = TypeVar("T")


def once(observe: Callable[[History], T]) -> Callable[[History], T]:
    """Let a pure function of a history keep its answer beside the history, for as long as that lives."""
    name = f"{observe.__module__}.{observe.__qualname__}"

    @wraps(observe)
    def kept(history: History) -> T:
        if name not in history.memo:
            history.memo[name] = observe(history)
        return cast("T", history.memo[name])

    return kept
