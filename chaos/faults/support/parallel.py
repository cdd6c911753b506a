"""Do the same to several victims at the same time, as a fault that hits them together has to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chaos.objects.base import Ref

__all__ = ["each"]


def each(refs: Sequence[Ref], action: Callable[[Ref], str]) -> str:
    """Do it to all at once; what went wrong, in words."""
    with ThreadPoolExecutor(max_workers=max(1, len(refs))) as pool:
        return "; ".join(reason for reason in pool.map(action, refs) if reason)
