"""What the lab changes on the host beside its own namespaces and groups: written down first, put back at the end."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.network import NAMESPACES

__all__ = ["MOUNT_POINTS", "change_host", "restore_host"]

SYSCTLS = Path("/proc/sys")
# Each containerd and kubelet opens some; the usual 128 are used up by two nodes.
RAISED = {"fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 524288}
# Folders that containerd, the CNI plugins, the kubelet and mount write to whatever they are told. Each node sees a
# folder of its own in these places; the host needs only the empty folder to mount it on.
MOUNT_POINTS = (
    Path("/run/containerd"),
    Path("/run/mount"),
    Path("/var/lib/cni"),
    Path("/var/lib/kubelet"),
    Path("/var/log/containers"),
)


@dataclass(frozen=True, slots=True)
class HostRecord:
    """The host before us: settings that we raise, and folders that were not there."""

    sysctls: Mapping[str, int] = field(default_factory=dict)
    folders_made: tuple[str, ...] = ()
    namespaces_mounted: bool = False


def change_host(record: Path, *, state: Path) -> None:
    """Raise settings and make folders, after writing down in `record` how things were. Raises LabError.

    The folders above `state` that are missing are noted too; whoever makes `state` makes them.
    """
    before = {name: int((SYSCTLS / name).read_text()) for name in RAISED}
    missing = [folder for folder in MOUNT_POINTS if not folder.exists()]
    noted = HostRecord(
        sysctls={name: value for name, value in before.items() if value < RAISED[name]},
        folders_made=tuple(
            str(folder) for folder in (*missing, *(above for above in state.parents if not above.exists()))
        ),
        namespaces_mounted=not NAMESPACES.exists(),
    )
    record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    whole = record.with_suffix(".new")
    whole.write_text(json.dumps(asdict(noted)))
    whole.rename(record)
    try:
        for name in noted.sysctls:
            (SYSCTLS / name).write_text(str(RAISED[name]))
        for folder in missing:
            folder.mkdir(parents=True, mode=0o755)
    except OSError as error:
        raise LabError(f"{error.filename} cannot be set up: {error.strerror}", "the lab needs root") from error


def restore_host(record: Path) -> None:
    """Put back what `record` says, if there is one. What somebody else changed since is left alone."""
    try:
        noted = HostRecord(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError):
        return
    for name, value in noted.sysctls.items():
        if int((SYSCTLS / name).read_text()) == RAISED[name]:
            (SYSCTLS / name).write_text(str(value))
    record.unlink(missing_ok=True)  # it may be in the last of the folders
    for folder in noted.folders_made:
        if Path(folder).is_dir() and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
    if noted.namespaces_mounted and NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        subprocess.run(["umount", "-n", NAMESPACES], check=False, capture_output=True, timeout=10)
        NAMESPACES.rmdir()
