"""Where the lab keeps what it writes. Both folders are removed with it."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from chaos.errors import LabError

__all__ = ["LabPaths", "own_home", "refuse_shared"]


SOCKETS = Path("/run/gameday")


class LabPaths:
    """The lab's folders and files.

    Attributes:
        state: Data, credentials and logs.
        sockets: Sockets, whose paths must be short. A name that only the lab uses, and that is cleared when the
            machine starts: what tells the next command about this one lies there.
        control: The control plane's data and credentials.
        kubeconfig: The kubeconfig of the lab's administrator.
        audit: The API server's log of what the suite's ServiceAccounts asked for.
        logs: One log a component.
        processes: One file a component: which process it is.
        volumes: One folder a volume.
        addons: What add-ons keep, a folder each, and beside it a file that is there once the add-on came up.
        facts: What a running lab is; written last, so its presence means that the lab came up.
        host_record: What of the host was changed, and is put back; beside the state, as it has to outlast a reboot.
        state_link: A link to `state`: the lab is found by it, whoever's home the state is in.
        uses: One file a user of the lab, locked while it is used.
    """

    def __init__(self, state: Path) -> None:
        self.state, self.sockets = state, SOCKETS
        self.control = state / "control"
        self.kubeconfig = self.control / "pki" / "admin.kubeconfig"
        self.audit = self.control / "audit.log"
        self.logs = state / "logs"
        self.processes = state / "processes"
        self.volumes = state / "volumes"
        self.addons = state / "addons"
        self.facts = state / "facts.json"
        self.host_record = state.with_name("host.json")
        self.state_link = self.sockets / "state"
        self.uses = self.sockets / "uses"

    @classmethod
    def usual(cls) -> LabPaths:
        """Where the lab of this host is, if there is any; otherwise where this user's would be.

        That is `$XDG_STATE_HOME/gameday/lab`, by default `~/.local/state/gameday/lab`.
        """
        if (link := SOCKETS / "state").is_symlink():
            return cls(link.readlink())
        home = Path(os.environ.get("XDG_STATE_HOME") or own_home() / ".local" / "state")
        return cls(home.absolute() / "gameday" / "lab")

    def node(self, name: str) -> Path:
        """A node's data."""
        return self.state / "nodes" / name

    def node_sockets(self, name: str) -> Path:
        """A node's sockets and containerd's run-time state."""
        return self.sockets / name

    def containerd_socket(self, name: str) -> Path:
        """The socket of a node's containerd."""
        return self.node_sockets(name) / "containerd.sock"


def own_home() -> Path:
    """The home of the user as whom this process runs: `$HOME`, unless that is another's, as some `sudo` leave it."""
    home = Path.home()
    try:
        other = home.exists() and home.stat().st_uid != os.geteuid()
        return Path(pwd.getpwuid(os.geteuid()).pw_dir) if other else home
    except (OSError, KeyError):
        return home


def refuse_shared(folder: Path, fix: str) -> None:
    """Make sure that nobody but root can put anything in a folder's place, or in that of one above it.

    Raises LabError with `fix`. What is below such a folder of mode 0700 is out of the reach of others whatever its own
    modes are, so that root may run it without looking at each file. Links are followed if they are root's own.
    """
    waiting, seen = [folder.absolute()], set[Path]()
    while waiting:
        path = waiting.pop()
        for place in {path, *path.parents} - seen:
            seen.add(place)
            try:
                facts = place.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise LabError(f"{folder} is no place for root's files: {place}: {error.strerror}", fix) from error
            if facts.st_uid != 0:
                raise LabError(f"{folder} is no place for root's files: {place} belongs to user {facts.st_uid}", fix)
            if stat.S_ISLNK(facts.st_mode):
                waiting.append(place.parent / place.readlink())
            elif _others_write(facts):
                raise LabError(f"{folder} is no place for root's files: others may write to {place}", fix)


def _others_write(facts: os.stat_result) -> bool:
    """Whether others may replace what is in a folder. In a sticky one, like /tmp, they may not."""
    group = facts.st_mode & stat.S_IWGRP and facts.st_gid != 0
    return bool(group or facts.st_mode & stat.S_IWOTH) and not facts.st_mode & stat.S_ISVTX
