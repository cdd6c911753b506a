"""Where the lab keeps what it writes. Both folders are removed with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LabPaths"]


@dataclass(frozen=True, slots=True)
class LabPaths:
    """`state` holds data, credentials and logs; `sockets` holds sockets, whose paths must be short.

    `sockets` is a name that only the lab uses, and is cleared when the machine starts: what tells the next command
    about this one lies there.
    """

    state: Path
    sockets: Path = Path("/run/gameday")

    @classmethod
    def usual(cls) -> LabPaths:
        """Where the lab of this host is, if there is any; otherwise where this user's would be.

        That is `$XDG_STATE_HOME/gameday/lab`, by default `~/.local/state/gameday/lab`.
        """
        if (link := cls(state=Path()).state_link).is_symlink():
            return cls(state=link.readlink())
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return cls(state=home.absolute() / "gameday" / "lab")

    @property
    def control(self) -> Path:
        """The control plane's data and credentials."""
        return self.state / "control"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the lab's administrator."""
        return self.control / "pki" / "admin.kubeconfig"

    @property
    def audit(self) -> Path:
        """The API server's log of what the suite's accounts asked for."""
        return self.control / "audit.log"

    @property
    def logs(self) -> Path:
        """One log a component."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One file a component: which process it is."""
        return self.state / "processes"

    @property
    def volumes(self) -> Path:
        """One folder a volume."""
        return self.state / "volumes"

    @property
    def facts(self) -> Path:
        """What a running lab is; written last, so its presence means that the lab came up."""
        return self.state / "facts.json"

    @property
    def host_record(self) -> Path:
        """What of the host was changed, and is put back."""
        return self.sockets / "host.json"

    @property
    def state_link(self) -> Path:
        """A link to `state`: the lab is found by it, whoever's home the state is in."""
        return self.sockets / "state"

    @property
    def uses(self) -> Path:
        """One file a user of the lab, locked while it is used."""
        return self.sockets / "uses"

    def node(self, name: str) -> Path:
        """A node's data."""
        return self.state / "nodes" / name

    def node_sockets(self, name: str) -> Path:
        """A node's sockets and containerd's run-time state."""
        return self.sockets / name

    def containerd_socket(self, name: str) -> Path:
        """The socket of a node's containerd."""
        return self.node_sockets(name) / "containerd.sock"
