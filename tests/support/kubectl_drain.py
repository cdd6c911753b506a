"""`kubectl drain` as a fault, to stand beside our own drain: what it asked, what it was answered, how it ended."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from chaos.faults import Field, NodeDrain
from chaos.faults.base import Until
from chaos.faults.support.cordon import Cordon

__all__ = ["KubectlDrain"]

STOP_S = 10.0

# What kubectl says of each eviction at verbosity 6, in either of the forms that its versions have.
ASKED = re.compile(r'POST\S*\s+\S*/pods/([^/\s"]+)/eviction|"Response" verb="POST" url="\S+/pods/([^/"]+)/eviction"')
STATUS = re.compile(r'eviction(?:\?\S*)?"?\s+(?:status=")?(\d{3})')


@dataclass(slots=True)
class _Program:
    """The running kubectl, and where it writes."""

    process: subprocess.Popen[bytes] | None = None
    cordon: Cordon | None = None


@dataclass(frozen=True, slots=True)
class KubectlDrain(NodeDrain):
    """Drain the target node with kubectl instead of our own code.

    It is closed by us first, which changes nothing for kubectl, so that healing may open it.
    """

    kubeconfig: Path = Path()
    log: Path = Path()
    _program: _Program = field(default_factory=_Program, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Not ours: the checks of our own drains leave it alone."""
        return "kubectl-drain"

    @property
    def ended(self) -> Until:
        """The program ended, however it did."""
        return Until("kubectl drain ends", self._over, self.deadline_s + 10)

    def inject(self, field: Field) -> str:
        """Start the program."""
        (node,) = self._nodes
        self._program.cordon = Cordon(node)
        if reason := self._program.cordon.close(field):
            return reason
        argv = [
            "kubectl",
            f"--kubeconfig={self.kubeconfig}",
            "drain",
            node.name,
            "-v=6",
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            f"--timeout={self.deadline_s:g}s",
        ]
        with self.log.open("wb") as log:
            self._program.process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        return ""

    def landed(self, field: Field) -> str:  # noqa: ARG002  # the role's shape
        """Prove it: an eviction was answered."""
        return f"kubectl's first eviction: {answers[0]}" if (answers := self.answers()) else ""

    def heal(self, field: Field) -> str:
        """End the program if it still runs, and open the node."""
        process, cordon = self._program.process, self._program.cordon
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(STOP_S)
        return cordon.open(field) if cordon else ""

    def answers(self) -> list[tuple[str, int]]:
        """Each eviction that kubectl asked for: the pod's name and the status of the answer, in order."""
        found = []
        for line in self.log.read_text().splitlines() if self.log.exists() else ():
            asked, status = ASKED.search(line), STATUS.search(line)
            if asked and status:
                found.append((asked[1] or asked[2], int(status[1])))
        return found

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, None while it runs."""
        return self._program.process.poll() if self._program.process else None

    def _over(self) -> bool:
        return self.exit_code is not None
