"""Bring the lab that runs to the next minor version of Kubernetes, part by part, as an operator upgrades a cluster.

The API server is replaced as in a cluster with several: the new one starts beside the former on a port of its own, new
connections are led to it, and the former ends when it is asked to. etcd and metrics-server stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chaos.errors import LabError, TimedOut
from chaos.lab.control_plane.api import suite_api
from chaos.lab.control_plane.build import MINORS, Release, kube_built, kube_program, kubernetes_version
from chaos.lab.control_plane.components import Ports
from chaos.lab.host.cgroups import CONTROL_GROUP, Cgroups
from chaos.lab.host.network import API_ADDRESS, CONTROL, nft
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import Launcher, Process, await_components, in_netns, processes_recorded
from chaos.lab.nodes.infrastructure import machine_of
from chaos.lab.nodes.nodes import node_namespaces
from chaos.lab.status import LabFacts, read_facts, write_facts
from chaos.objects.kinds import NodeView
from chaos.progress import Silent
from chaos.wait import until

__all__ = ["LabUpgrader"]

API_SERVER, CONTROLLERS = "kube-apiserver", ("kube-controller-manager", "kube-scheduler")
PORT_FLAG = "--secure-port="
READY_S, NODE_S = 90.0, 60.0
# The API server lets requests that are under way end, for a minute at most (--request-timeout).
END_S = 75.0

# Chains of one's own, so that doing it again replaces the rule. Connections that stand go on: the first packet that is
# tracked of one may be any, and only the first of all is led elsewhere. -100 is dstnat, which no output chain knows.
LED = """
table ip gameday-upgrade
delete table ip gameday-upgrade
table ip gameday-upgrade {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr {address} tcp dport {served} tcp flags & (syn | ack) == syn dnat to {address}:{port}
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    ip daddr {address} tcp dport {served} tcp flags & (syn | ack) == syn dnat to {address}:{port}
  }}
}}
"""


class LabUpgrader:
    """The lab's own means to upgrade it."""

    @property
    def _paths(self) -> LabPaths:
        """Those of the lab that is up now."""
        return LabPaths.usual()

    @property
    def version(self) -> str:
        """The version that the lab is brought to; empty if there is none newer."""
        target = self._target()
        return kubernetes_version(target) if target else ""

    def objection(self) -> str:
        """Why the lab cannot be upgraded now; empty if it can."""
        facts = read_facts(self._paths.facts)
        if facts is None:
            return "there is no lab on this host"
        target = self._target()
        if target is None:
            return f"the lab is {facts.release} already, the newest: start an older one, gameday lab up --kubernetes …"
        if not kube_built(target):
            return f"Kubernetes {target} is not compiled yet: gameday lab prepare --kubernetes {target}"
        return ""

    def start_api_server(self) -> str:
        """Start the new API server beside the former, and lead new connections to it."""
        return _said(self._start_api_server)

    def end_api_server(self) -> str:
        """End the API servers of former versions."""
        return _said(self._end_api_servers)

    def controllers(self) -> str:
        """Replace the controller manager and the scheduler, and note the control plane's new version."""
        return _said(self._replace_controllers)

    def node(self, node: str) -> str:
        """Replace a node's kubelet and kube-proxy, and wait until the node is Ready in its new version."""
        return _said(lambda: self._replace_node(node))

    def _target(self) -> str | None:
        facts = read_facts(self._paths.facts)
        if facts is None:
            return None
        # Nodes come last: amid an upgrade the control plane is there already.
        following = MINORS.index(facts.release.nodes) + 1
        return MINORS[following] if following < len(MINORS) else None

    def _facts(self) -> tuple[LabFacts, str]:
        facts, target = read_facts(self._paths.facts), self._target()
        if facts is None or target is None:
            raise LabError(self.objection())
        return facts, target

    def _launcher(self, target: str) -> Launcher:
        program = kube_program(Silent(), target)
        return Launcher(self._paths, Cgroups(), program, program)

    def _start_api_server(self) -> None:
        _, target = self._facts()
        name, launcher = f"{API_SERVER}-{target}", self._launcher(target)
        if any(process.name == name for process in processes_recorded(self._paths.processes)):
            return
        former = self._api_servers()[-1]
        argv = former.argv()
        ports = [int(word.removeprefix(PORT_FLAG)) for word in argv if word.startswith(PORT_FLAG)]
        port = max(ports) + 1
        own = [f"{PORT_FLAG}{port}" if word.startswith(PORT_FLAG) else word for word in argv]
        started = launcher.run(name, [launcher.kube, *own], group=CONTROL_GROUP, namespaces=in_netns(CONTROL))
        try:
            with suite_api(self._paths, port) as api:
                await_components(
                    api.ready,
                    components=[started],
                    awaited=f"the API server of Kubernetes {target} to be ready",
                    deadline_s=READY_S,
                )
            nft(CONTROL, LED.format(address=API_ADDRESS, served=Ports().api, port=port))
        except BaseException:
            self._end(started)
            raise

    def _end_api_servers(self) -> None:
        for former in self._api_servers()[:-1]:
            self._end(former)
        with suite_api(self._paths) as api:
            until(api.ready, deadline_s=READY_S, awaited="the new API server to answer")

    def _replace_controllers(self) -> None:
        facts, target = self._facts()
        launcher = self._launcher(target)
        for name in CONTROLLERS:
            former = self._recorded(name)
            argv = former.argv()
            self._end(former)
            launcher.run(name, [launcher.kube, *argv], group=CONTROL_GROUP, namespaces=in_netns(CONTROL))
        write_facts(replace(facts, release=Release(target, facts.release.nodes)), self._paths.facts)

    def _replace_node(self, node: str) -> None:
        facts, target = self._facts()
        launcher, machine = self._launcher(target), machine_of(node)
        keeper = self._recorded(f"machine-{node}")
        places = {"kubelet": node_namespaces(machine, keeper), "kube-proxy": in_netns(machine.netns)}
        for program, namespaces in places.items():
            former = self._recorded(f"{program}-{node}")
            argv = former.argv()
            self._end(former)
            launcher.run(former.name, [launcher.node_kube, *argv], group=f"{node}/system", namespaces=namespaces)
        version = kubernetes_version(target)
        with suite_api(self._paths) as api:

            def versions() -> dict[str, str]:
                return {one.name: _version_of(one) for one in map(NodeView, api.get("/api/v1/nodes")["items"])}

            def replaced() -> bool:
                return versions().get(node) == version and NodeView(api.get(f"/api/v1/nodes/{node}")).ready

            until(replaced, deadline_s=NODE_S, awaited=f"node {node} to be Ready as {version}")
            if set(versions().values()) == {version}:
                write_facts(replace(facts, release=Release(target, target)), self._paths.facts)

    def _api_servers(self) -> list[Process]:
        """Those that run, in the order in which they were started."""
        found = [one for one in processes_recorded(self._paths.processes) if one.name.startswith(API_SERVER)]
        if not found:
            raise LabError("the lab has no API server", "gameday lab status")
        return sorted(found, key=lambda one: one.started_ticks)

    def _recorded(self, name: str) -> Process:
        for process in processes_recorded(self._paths.processes):
            if process.name == name:
                return process
        raise LabError(f"the lab has no program {name}", "gameday lab status")

    def _end(self, process: Process) -> None:
        """End a program. Its record goes first: a lab whose programs are not all alive reads as broken."""
        (self._paths.processes / f"{process.name}.json").unlink(missing_ok=True)
        process.end(END_S)


def _said(action: Callable[[], None]) -> str:
    """Do it; return an empty string, or what went wrong."""
    try:
        action()
    except (LabError, TimedOut, OSError) as error:
        return str(error)
    return ""


def _version_of(node: NodeView) -> str:
    return str((node.status.get("nodeInfo") or {}).get("kubeletVersion") or "")
