"""The lab's control groups: whatever runs in them is the lab's, whoever started it and however it came about.

    gameday/control          etcd, API server, controller manager, scheduler, metrics-server
    gameday/client           kube-proxy of the client, and the load generator
    gameday/NODE/system      containerd, its shims, kubelet, kube-proxy
    gameday/NODE/pods        the pods; the kubelet makes groups below it

On cgroup v1 the tree is made in every hierarchy that is mounted, on v2 in the one that there is.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import LabError, TimedOut
from chaos.lab.host.network import PREFIX
from chaos.wait import until

__all__ = ["CLIENT_GROUP", "CONTROL_GROUP", "OWN_NAMESPACE", "Cgroups", "Hierarchy", "hierarchies"]

TERM_GRACE_S, KILL_DEADLINE_S, FREEZE_DEADLINE_S = 2.0, 10.0, 5.0
# The control plane and the load generator get the processor first when pods would take it all, as they would on
# machines of their own. The kernel's default is 1024 (v1) and 100 (v2).
OWN_NAMESPACE = "start the container with --cgroupns=host: in a cgroup namespace of its own no group can be divided"
CONTROL_GROUP, CLIENT_GROUP = "control", "client"
FIRST_SERVED = (CONTROL_GROUP, CLIENT_GROUP)
SHARES, WEIGHT = "4096", "400"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted cgroup file system; `unified` is v2's."""

    mount: Path
    options: frozenset[str]
    unified: bool

    @property
    def confined(self) -> bool:
        """Whether it is only the part of a v2 tree that a cgroup namespace shows: the tree's own root has no type.

        Source: Documentation/admin-guide/cgroup-v2.rst of the kernel, cgroup.type ("exists on non-root cgroups").
        """
        return self.unified and (self.mount / "cgroup.type").exists()


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """The cgroup hierarchies in a text of the form of /proc/self/mountinfo, each once."""
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in {"cgroup", "cgroup2"} and left.split()[3] == "/":
            mount = Path(left.split()[4])
            found[mount] = Hierarchy(mount, frozenset(options.split(",")), unified=kind == "cgroup2")
    return tuple(found.values())


class Cgroups:
    """The tree of groups below `gameday` in every hierarchy of this host."""

    def __init__(self, mounted: Sequence[Hierarchy] | None = None) -> None:
        self._mounted = tuple(hierarchies(Path("/proc/self/mountinfo").read_text()) if mounted is None else mounted)

    def make(self, group: str) -> None:
        """Make a group and those above it, ready to be entered. Raises LabError if the host does not let us."""
        if not self._mounted:
            raise LabError("no cgroup file system is mounted on this host", "mount cgroup v2 at /sys/fs/cgroup")
        for hierarchy in self._mounted:
            try:
                self._make_in(hierarchy, group)
            except OSError as error:
                place = error.filename or hierarchy.mount / PREFIX  # a refused write names no file
                mend = OWN_NAMESPACE if hierarchy.confined else "the lab needs root"
                raise LabError(f"control group {place}: {error.strerror}", mend) from error

    def _make_in(self, hierarchy: Hierarchy, group: str) -> None:
        above = hierarchy.mount
        for part in (PREFIX, *group.split("/")):
            if hierarchy.unified:
                offered = (above / "cgroup.controllers").read_text().split()
                if offered:  # none in a hybrid host's v2 tree
                    (above / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in offered))
            here = above / part
            here.mkdir(exist_ok=True)
            for key in ("cpuset.cpus", "cpuset.mems"):  # v1 lets nobody enter while they are empty
                if not hierarchy.unified and (here / key).exists() and not (here / key).read_text().strip():
                    (here / key).write_text((above / key).read_text())
            above = here
        if group in FIRST_SERVED:
            for key, value in (("cpu.shares", SHARES), ("cpu.weight", WEIGHT)):
                if (above / key).exists():
                    (above / key).write_text(value)

    def folders(self, group: str = "") -> tuple[Path, ...]:
        """The folders of a group that exist, one a hierarchy; without a name, those of the whole lab."""
        folders = (hierarchy.mount / PREFIX / group for hierarchy in self._mounted)
        return tuple(folder for folder in folders if folder.exists())

    def absolute(self, group: str) -> str:
        """A group as a path from the root of the hierarchies, as the kubelet names it."""
        return f"/{PREFIX}/{group}"

    def members(self, group: str = "") -> frozenset[int]:
        """The processes in a group or below it; without a name, all of the lab's."""
        found: set[int] = set()
        for folder in self.folders(group):
            for path, _, _ in os.walk(folder):
                with contextlib.suppress(OSError):  # a group may vanish while we look
                    found.update(int(pid) for pid in Path(path, "cgroup.procs").read_text().split())
        return frozenset(found)

    def ask_to_end(self, group: str) -> None:
        """Ask every process in a group to end, and wait for that up to 2 s."""
        _signal(self.members(group), signal.SIGTERM)
        with contextlib.suppress(TimedOut):
            until(lambda: not self.members(group), deadline_s=TERM_GRACE_S, awaited="their end", poll_s=0.02)

    def kill_all(self) -> None:
        """Kill every process of the lab. Raises LabError if one is still there after 10 s."""
        self._thaw_everything()  # the frozen do not die

        def killed() -> bool:
            members = self.members()
            _signal(members, signal.SIGKILL)
            return not members

        try:
            until(killed, deadline_s=KILL_DEADLINE_S, awaited="the lab's processes to end", poll_s=0.02)
        except TimedOut as late:
            pids = " ".join(str(pid) for pid in sorted(self.members()))
            raise LabError(
                f"processes of the lab do not die: {pids}", "see their state with ps -o stat,wchan"
            ) from late

    def freeze(self, group: str) -> None:
        """Stop every process in a group at once, as if the machine stood still. Raises LabError if one goes on."""
        self._set_frozen(group, frozen=True)

    def thaw(self, group: str) -> None:
        """Let a frozen group go on, but not what was frozen by itself below it. Raises LabError if it does not."""
        self._set_frozen(group, frozen=False)

    def is_frozen(self, group: str) -> bool:
        """Whether every process in a group is stopped."""
        return _is_frozen(self._freezer / PREFIX / group)

    def below(self, group: str) -> tuple[str, ...]:
        """The groups below a group, by their paths from the lab's own."""
        top = self._freezer / PREFIX
        return tuple(
            str(Path(path, name).relative_to(top)) for path, names, _ in os.walk(top / group) for name in names
        )

    def holds_itself(self, group: str) -> bool:
        """Whether a group is to stand still by itself, and not just because one above it is."""
        folder = self._freezer / PREFIX / group
        try:
            if (folder / "freezer.self_freezing").exists():
                return (folder / "freezer.self_freezing").read_text().strip() == "1"
            return (folder / "cgroup.freeze").read_text().strip() == "1"
        except FileNotFoundError:  # it went meanwhile
            return False

    @property
    def _freezer(self) -> Path:
        """Where groups are frozen: what a v1 freezer froze never counts as frozen in a v2 tree beside it."""
        for hierarchy in self._mounted:
            if "freezer" in hierarchy.options:
                return hierarchy.mount
        for hierarchy in self._mounted:
            if hierarchy.unified:
                return hierarchy.mount
        raise LabError("this host's control groups cannot freeze processes", "mount the freezer, or cgroup v2")

    def _set_frozen(self, group: str, *, frozen: bool) -> None:
        folder = self._freezer / PREFIX / group
        word = "frozen" if frozen else "thawed"
        try:
            _write_frozen(folder, frozen=frozen)
            until(lambda: _is_frozen(folder) == frozen, deadline_s=FREEZE_DEADLINE_S, awaited=f"{folder} {word}")
        except (OSError, TimedOut) as error:
            raise LabError(f"{folder} could not be {word}: {error}", "gameday lab down") from error

    def _thaw_everything(self) -> None:
        for path, _, _ in os.walk(self._freezer / PREFIX):
            with contextlib.suppress(OSError):  # a group may vanish while we look
                _write_frozen(Path(path), frozen=False)

    def remove(self) -> None:
        """Remove the whole tree, which must hold no process. Raises LabError if it is still held."""

        def removed() -> bool:
            for folder in self.folders():
                for path, _, _ in os.walk(folder, topdown=False):
                    with contextlib.suppress(FileNotFoundError):
                        try:
                            Path(path).rmdir()
                        except OSError as error:
                            if error.errno != errno.EBUSY:  # a process of it is still being buried
                                raise
            return not self.folders()

        try:
            until(removed, deadline_s=KILL_DEADLINE_S, awaited="the lab's control groups to be empty", poll_s=0.05)
        except TimedOut as late:
            raise LabError(f"control groups are still in use: {self.folders()[0]}", "gameday lab down") from late


def _write_frozen(folder: Path, *, frozen: bool) -> None:
    if (folder / "freezer.state").exists():
        (folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
    else:
        (folder / "cgroup.freeze").write_text("1" if frozen else "0")


def _is_frozen(folder: Path) -> bool:
    if (folder / "freezer.state").exists():
        return (folder / "freezer.state").read_text().strip() == "FROZEN"
    return "frozen 1" in (folder / "cgroup.events").read_text().splitlines()


def _signal(pids: frozenset[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
