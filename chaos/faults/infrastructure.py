"""What there is below the API, and beside it: what nodes do to machines, pods and containers; the user's own means.

Nodes are known by name alone, because that is all that a hypervisor or a cloud knows of one.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chaos.errors import UsageError
from chaos.history.writing.redaction import redacted_output, redacted_words
from chaos.objects.process import ProcessView

__all__ = [
    "NO_CLUSTER_UPGRADE",
    "NO_INFRASTRUCTURE",
    "NO_METRICS_PATH",
    "NO_NODE_INFRASTRUCTURE",
    "ClusterUpgrader",
    "CommandInfrastructure",
    "Infrastructure",
    "MetricsPath",
    "NodeContainers",
    "NodeInfrastructure",
    "OwnMeans",
    "PodNetwork",
    "ProbeFilter",
]

NO_NODE_INFRASTRUCTURE = "nothing here can switch a node off: give --gameday-node-off and --gameday-node-on"

NO_CLUSTER_UPGRADE = "nothing here can upgrade the cluster: only the lab's own infrastructure can"

NO_METRICS_PATH = (
    "what autoscalers see and who scales serves the whole cluster, and only the lab's may be stopped: name an adapter "
    "or a Prometheus of the service's own namespace under [system.roles], and have ProcessHang stop that"
)

COMMAND_S = 180.0
"""A cloud takes a minute or two to stop a machine."""

PLACE = "{node}"
OUTPUT_MAX = 300


class NodeInfrastructure(Protocol):
    """Switches nodes off and on, e.g. a hypervisor. Both may be called again, and then change nothing."""

    @property
    def words(self) -> str:
        """What it is, for people."""

    def off(self, node: str) -> str:
        """Switch a node off. Return an empty string, or why it is not off."""

    def on(self, node: str) -> str:
        """Switch it on. Return an empty string, or why it is not on."""

    def seen_off(self, node: str) -> str:
        """Return in words that the node is off, as the infrastructure sees it; empty if it cannot tell or it runs.

        Where it cannot tell, the API server's report that the node is not Ready has to do.
        """

    def manual_on(self, node: str) -> str:
        """The command by which a person switches the node on."""


class PodNetwork(Protocol):
    """Cuts pods off by their addresses, and lets them be reached again. Both may be called again."""

    @property
    def words(self) -> str:
        """What it is, for people."""

    def cut(self, node: str, address: str) -> str:
        """Drop what a node forwards to or from a pod. Return an empty string, or why that is not done."""

    def restore(self, node: str, address: str) -> str:
        """Forward it again. Return an empty string, or why that is not done."""


class NodeContainers(Protocol):
    """What a node does to a container that runs on it, from outside: process 1 is a process like any other there.

    Containers are known by the runtime's id, as the API server has it (`containerd://…`). All may be called again.
    """

    @property
    def words(self) -> str:
        """What it is, for people."""

    def processes(self, node: str, container_id: str) -> tuple[ProcessView, ...]:
        """See a container's processes, by their numbers in it; none if it is not there, or nobody can look."""

    def freeze(self, node: str, container_id: str) -> str:
        """Have all its processes stand still. Return an empty string, or why they do not."""

    def thaw(self, node: str, container_id: str) -> str:
        """Let them go on; what is gone is. Return an empty string, or why they do not."""

    def frozen(self, node: str, container_id: str) -> bool:
        """Whether the kernel says that all of them stand still."""

    def kill(self, node: str, container_id: str, processes: Sequence[ProcessView], signal: str) -> str:
        """Send these very processes a signal, e.g. `KILL`. Return an empty string, or why one did not get it."""

    def fill(self, node: str, container_id: str, script: str, words: Sequence[str], *, timeout_s: float) -> str:
        """Run a shell script whose memory counts as the container's. Return an empty string, or why it did not run.

        It ends with whatever the kernel ends for the container's memory, and at the latest after that time.
        """


class ProbeFilter(Protocol):
    """Drops requests that a node's kubelet sends to a pod, and nobody else's. Both may be called again."""

    @property
    def words(self) -> str:
        """What it is, for people."""

    def drop(self, node: str, address: str, port: int, head: str) -> str:
        """Drop those to a port that begin with `head`, all if it is empty. Return an empty string, or why not."""

    def let_pass(self, node: str, address: str, port: int) -> str:
        """Drop none to that port any more. Return an empty string, or why not."""


@dataclass(frozen=True, slots=True)
class OwnMeans:
    """What the user's own file says of the server, for faults that have to fit it.

    Attributes:
        process: The process that hangs or crashes where a scenario names none; empty: the largest of the container.
        not_ready: The command, run in the container, by which the server says that it is not ready.
        ready: The one that takes it back.
        debug_image: The image of an ephemeral container with a shell, for images that have none.
    """

    process: str = ""
    not_ready: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    debug_image: str = ""


class ClusterUpgrader(Protocol):
    """Brings a cluster to the next minor version, part by part. What is done already is not done again."""

    @property
    def version(self) -> str:
        """The version that it brings the cluster to, e.g. `v1.37.2`."""

    def objection(self) -> str:
        """Why it cannot be done now; empty if it can."""

    def start_api_server(self) -> str:
        """Have the new API server answer, beside the former one. Return an empty string, or why it does not."""

    def end_api_server(self) -> str:
        """End the former API server, and with it what is connected to it. Return an empty string, or why not."""

    def controllers(self) -> str:
        """Replace the controller manager and the scheduler. Return an empty string, or why that is not done."""

    def node(self, node: str) -> str:
        """Replace what Kubernetes runs on a drained node, and wait until it is Ready. Return as the others do."""


class MetricsPath(Protocol):
    """What autoscalers see by, program by program, and the controller that scales. All may be called again."""

    def objection(self, program: str) -> str:
        """Why a program cannot be stopped here, with what would help; empty if it can."""

    def stop(self, program: str) -> str:
        """Have it stand still. Return an empty string, or why it does not."""

    def go_on(self, program: str) -> str:
        """Let it go on. Return an empty string, or why it does not."""

    def stands_still(self, program: str) -> bool:
        """Whether the kernel says that it does."""

    def autoscaler(self) -> str:
        """Which process the autoscaler's controller is, in words that no other has; empty if it does not run."""

    def restart_autoscaler(self) -> str:
        """End that controller and start it anew. Return an empty string, or why it does not run."""


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """What there is of a cluster beside its API.

    Attributes:
        nodes: Switches nodes off and on; None where nothing can.
        pod_network: Cuts pods off; None where a NetworkPolicy has to do it.
        containers: What nodes do to containers; None where only the containers' own means are left.
        probes: Drops kubelets' requests; None where nothing can.
        own: What the user's file says of the server.
        upgrade: Upgrades the cluster; None where nothing can.
        metrics: Stops what autoscalers see by; None where nothing may.
    """

    nodes: NodeInfrastructure | None = None
    pod_network: PodNetwork | None = None
    containers: NodeContainers | None = None
    probes: ProbeFilter | None = None
    own: OwnMeans = OwnMeans()
    upgrade: ClusterUpgrader | None = None
    metrics: MetricsPath | None = None


NO_INFRASTRUCTURE = Infrastructure()


@dataclass(frozen=True, slots=True)
class CommandInfrastructure:
    """The user's own commands, e.g. `virsh suspend {node}` and `virsh resume {node}`; `{node}` is the node's name.

    No shell is involved. A command must return when the action is done, with 0, and may be run again. Raises
    `UsageError` for a template that does not name the node; what stands in it may be a password.
    """

    off_command: str = field(repr=False)
    on_command: str = field(repr=False)

    def __post_init__(self) -> None:
        for way, template in (("off", self.off_command), ("on", self.on_command)):
            try:
                words = shlex.split(template)
            except ValueError as error:
                raise UsageError(f"the node command {way!r} cannot be read: {error}") from None
            if not any(PLACE in word for word in words):
                raise UsageError(
                    f"the node command {way!r} does not say which node", f"put {PLACE} where its name belongs"
                )

    @property
    def words(self) -> str:
        """The command, for people."""
        return f"the command {_shown(shlex.split(self.off_command))!r}"

    def off(self, node: str) -> str:
        """Run the command that stops a node."""
        return _run(self.off_command, node, ends_with_us=True)

    def on(self, node: str) -> str:
        """Run the command that starts it."""
        return _run(self.on_command, node, ends_with_us=False)

    def seen_off(self, node: str) -> str:  # noqa: ARG002  # the role's shape
        """A command only reports that it ended."""
        return ""

    def manual_on(self, node: str) -> str:
        """The command that starts it."""
        return _shown(_argv(self.on_command, node))


def _shown(argv: list[str]) -> str:
    """A command for people and for evidence, without its passwords."""
    return shlex.join(redacted_words(argv))


def _argv(template: str, node: str) -> list[str]:
    return [word.replace(PLACE, node) for word in shlex.split(template)]


def _run(template: str, node: str, *, ends_with_us: bool) -> str:
    """Run a command in its time. `ends_with_us`: what is too late ends with all that it began, or it would act later.

    Otherwise that goes on: it may be the node itself.
    """
    argv = _argv(template, node)
    named = _shown(argv)
    try:
        # A session of its own: an interrupt at the terminal ends no healing, so it is not to end the command either.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        return f"{named}: {error.strerror}"
    with process:
        try:
            out, err = process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            if ends_with_us:
                os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so its number is still its own
            process.kill()
            return f"{named}: not done within {COMMAND_S:g} s"
    if process.returncode == 0:
        return ""
    output = redacted_output((err or out).decode(errors="replace"), argv)[-OUTPUT_MAX:]
    return f"{named}: exit code {process.returncode}{': ' + output if output else ''}"
