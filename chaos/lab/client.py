"""The client: the machine that users' requests come from. It has a kube-proxy of its own, and is no node.

So it sees the endpoints of a Service come and go as a client inside the cluster does.
"""

from __future__ import annotations

from chaos.lab.addresses import Machine
from chaos.lab.api import Api
from chaos.lab.launcher import Launcher
from chaos.lab.nodes import await_proxy, start_proxy
from chaos.lab.paths import LabPaths

__all__ = ["start_client"]

GROUP = "client"


def start_client(client: Machine, *, launcher: Launcher, api: Api, service: str) -> None:
    """Start the client's kube-proxy and wait until it leads the Service at address `service`. Raises LabError."""
    path = f"/api/v1/nodes/{client.netns}"
    # kube-proxy waits half a minute for a Node of its name before it begins (NewNodeManager in pkg/proxy/node.go), and
    # does not mind when that Node is deleted later. So there is one, which takes no pod, until it has begun.
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": client.netns},
        "spec": {"unschedulable": True},
        "status": {"addresses": [{"type": "InternalIP", "address": client.address}]},
    }
    api.create("/api/v1/nodes", node)
    proxy = start_proxy(client, launcher=launcher, kubeconfig=_kubeconfig(launcher.paths), group=GROUP)
    await_proxy(client, proxy, address=service)
    api.delete(path)


def _kubeconfig(paths: LabPaths):
    return paths.control / "pki" / "kube-proxy.kubeconfig"
