"""Folders that may have something mounted in them, and their removal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from chaos.errors import LabError

__all__ = ["discard", "mounts_below"]


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below `folder`, the innermost first."""
    resolved = folder.resolve()
    points = []
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        point = Path(line.split()[4].encode(errors="surrogateescape").decode("unicode_escape"))
        if point.is_relative_to(resolved):
            points.append(point)
    # The kernel's list is not always outermost first.
    return sorted(points, key=lambda point: len(point.parts), reverse=True)


def discard(folder: Path) -> None:
    """Remove a folder of ours and all in it, after unmounting what a dead build left mounted there.

    Raises LabError rather than delete through a mount: it may show folders of the host.
    """
    for point in mounts_below(folder):
        subprocess.run(["umount", point], check=False, capture_output=True)
    if left := mounts_below(folder):
        raise LabError(f"still mounted, so {folder} was not removed: {left[0]}", f"umount {left[0]}")
    shutil.rmtree(folder)
