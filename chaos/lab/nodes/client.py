"""The client: the machine that users' requests come from. It has a kube-proxy of its own, and is no node.

So it sees the endpoints of a Service come and go as a client inside the cluster does.
"""

from __future__ import annotations

from pathlib import Path

from chaos.lab.control_plane.admin import suite_api
from chaos.lab.host.addresses import Machine
from chaos.lab.host.cgroups import CLIENT_GROUP
from chaos.lab.host.launcher import Launcher
from chaos.lab.nodes.nodes import await_proxy, start_proxy

__all__ = ["start_client"]


def start_client(client: Machine, *, launcher: Launcher, kubeconfig: Path, service: str) -> None:
    """Start the client's kube-proxy and wait until it leads the Service at address `service`. Raises LabError."""
    # kube-proxy waits half a minute for a Node of its name before it begins (NewNodeManager in pkg/proxy/node.go), and
    # does not mind when that Node is deleted later. So there is one, which takes no pod, until it has begun.
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": client.netns},
        "spec": {"unschedulable": True},
        "status": {"addresses": [{"type": "InternalIP", "address": client.address}]},
    }
    with suite_api(launcher.paths) as api:
        api.create("/api/v1/nodes", node)
        proxy = start_proxy(client, launcher=launcher, kubeconfig=kubeconfig, group=CLIENT_GROUP)
        await_proxy(client, proxy, address=service)
        api.delete(f"/api/v1/nodes/{client.netns}")
