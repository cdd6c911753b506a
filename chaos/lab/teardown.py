"""Take down whatever there is of a lab, also when the one who made it was killed half-way.

Nothing is remembered for it but the host's own settings: everything is found by names that only the lab uses.
"""

import shutil
from pathlib import Path

from chaos.lab.control_plane.pki import private_folder
from chaos.lab.host.cache import cache_root, discard
from chaos.lab.host.cgroups import CLIENT_GROUP, Cgroups
from chaos.lab.host.changes import restore_host
from chaos.lab.host.network import namespaces_left, remove_network
from chaos.lab.host.paths import LabPaths
from chaos.progress import Progress

__all__ = ["anything_left", "keep_logs", "take_down"]


def take_down(paths: LabPaths, progress: Progress) -> None:
    """End the lab's processes and remove what it made. Raises LabError if something does not go away."""
    cgroups = Cgroups()
    with progress.step("ending the lab's processes"):
        # A load generator has lines to write yet. Everything else keeps only what is thrown away now.
        cgroups.ask_to_end(CLIENT_GROUP)
        cgroups.kill_all()
    with progress.step("removing the lab"):
        remove_network()
        cgroups.remove()
        _discard(paths.state)
        restore_host(paths.host_record)
        _discard(paths.sockets)


def keep_logs(paths: LabPaths) -> Path:
    """Keep the logs of a start that failed, in place of those of the one before; return the folder."""
    kept = private_folder(cache_root() / "failed-start")
    for old in kept.iterdir():
        old.unlink()
    for log in paths.logs.glob("*.log"):
        shutil.copy2(log, kept)
    return kept


def anything_left(paths: LabPaths) -> bool:
    """Whether there is anything of a lab on this host, whole or not."""
    files = (paths.state, paths.sockets, paths.host_record)
    return bool(any(path.exists() for path in files) or namespaces_left() or Cgroups().folders())


def _discard(folder: Path) -> None:
    if folder.exists():
        discard(folder)
