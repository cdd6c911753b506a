"""How long each blocker has stood, and whether that is longer than makes sense to wait."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.system.diagnosis.blocker import Blocker

__all__ = ["Patience"]


class Patience:
    """Remembers since when each blocker has stood; one that went away starts anew if it comes back."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}

    def lost(self, found: Sequence[Blocker], now_s: float) -> Blocker | None:
        """Take what is in the way at `now_s`, and give an blocker that has outlasted its patience, if there is one."""
        self._since = {(one.kind, one.who): self._since.get((one.kind, one.who), now_s) for one in found}
        for one in found:
            if one.patience_s is not None and now_s - self._since[one.kind, one.who] >= one.patience_s:
                return one
        return None
