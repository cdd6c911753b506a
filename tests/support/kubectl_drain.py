"""`kubectl drain` as a fault, to stand beside our own drain: what it did, what it was answered, how it ended."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from chaos.faults import FaultContext, Injection, NodeDrain, Until
from chaos.faults.support.node_eviction import cordon

__all__ = ["KubectlDrain"]

STOP_S = 10.0

# What kubectl prints of each eviction at verbosity 6, in either of the forms that its versions have.
ASKED = re.compile(r'POST\S*\s+\S*/pods/([^/\s"]+)/eviction|"Response" verb="POST" url="\S+/pods/([^/"]+)/eviction"')
STATUS = re.compile(r'eviction(?:\?\S*)?"?\s+(?:status=")?(\d{3})')


@dataclass(frozen=True, slots=True)
class KubectlDrain(NodeDrain):
    """Drain the target node with kubectl instead of our own code.

    It is closed by us first, which changes nothing for kubectl, so that healing may open it. Its name is not ours: the
    checks of our own drains leave it alone.
    """

    name: ClassVar[str] = "kubectl-drain"

    kubeconfig: Path = Path()
    log: Path = Path()

    def inject(self, context: FaultContext) -> Injection:
        """Start the program."""
        return _Kubectl(self, context)

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
        """The program's exit code, None before it ended."""
        file = _exit_file(self)
        return int(file.read_text()) if file.exists() else None


class _Kubectl(Injection):
    def __init__(self, fault: KubectlDrain, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        (node,) = fault.targets.nodes
        self.missed = cordon(context, node)
        argv = [
            "kubectl",
            f"--kubeconfig={fault.kubeconfig}",
            "drain",
            node.name,
            "-v=6",
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            f"--timeout={fault.deadline_s:g}s",
        ]
        with fault.log.open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)

    @property
    def ended(self) -> Until:
        """The program ended, however it did."""
        return Until("kubectl drain ends", self._over, self._fault.deadline_s + 10)

    def landed(self) -> str:
        """An eviction was answered."""
        answers = self._fault.answers()
        return f"kubectl's first eviction: {answers[0]}" if answers else ""

    def stop(self) -> str:
        """End the program if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(STOP_S)
        return ""

    def _over(self) -> bool:
        code = self._process.poll()
        if code is not None:
            _exit_file(self._fault).write_text(str(code))
        return code is not None


def _exit_file(fault: KubectlDrain) -> Path:
    return fault.log.with_suffix(".exit")
