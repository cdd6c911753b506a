"""Names for processes, so that a fault inside the container can find its victim: `pidof model-engine`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["name_process"]


def name_process(name: str) -> None:
    """Name this process as `ps` and `pidof` show it; at most 15 characters are kept."""
    Path("/proc/self/comm").write_text(name)
