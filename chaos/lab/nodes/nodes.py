"""Nodes, each with its own containerd, kubelet and kube-proxy in its own network and mount namespace; and the client.

A node's mounts exist only in its mount namespace. They vanish with its last process, so the host never sees them and
nothing is ever deleted through one.
"""

import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.control_plane.components import ControlPlane
from chaos.lab.control_plane.pki import private_folder
from chaos.lab.host.cgroups import CLIENT_GROUP
from chaos.lab.host.changes import MOUNT_POINTS
from chaos.lab.host.network import NAMESPACES, Machine, run_tool
from chaos.lab.host.processes import Launcher, Process, await_components, in_netns
from chaos.lab.images.containerd_root import clone_golden
from chaos.lab.nodes.files import KERNEL_SETTINGS, cni_config, containerd_config, kube_proxy_config, kubelet_config

__all__ = [
    "await_proxy",
    "node_namespaces",
    "nodes_ready",
    "prepare_node",
    "start_client",
    "start_kubelet",
    "start_proxy",
    "takes_pods",
]

CNI_PLUGINS = Path("/usr/lib/cni")
MACHINE_DEADLINE_S, CONTAINERD_DEADLINE_S, PROXY_DEADLINE_S = 10.0, 20.0, 40.0
# For how many seconds the kernel remembers which pod an attempt to connect, or a connection that has ended, was led to.
# Linux's 120 s outlast a trial: whoever has the same port again would be led to a pod that is long gone.
CONNECTIONS = "/proc/sys/net/netfilter/nf_conntrack"
REMEMBERED_S = {"syn_sent": 10, "fin_wait": 30, "time_wait": 30}
# $1 is touched when the mounts are made; then come pairs: a file or folder of the node, and where the node sees it.
# -n, because mount would otherwise write into the host's /run.
MACHINE = """
mount -n --make-rshared /
ready=$1; shift
while [ $# -gt 0 ]; do mount -n --bind "$1" "$2"; shift 2; done
touch "$ready"
exec sleep infinity
"""


def prepare_node(node: Machine, *, launcher: Launcher, golden: Path, pause: str) -> Process:
    """Make a node's namespaces and start its containerd, with the images of `golden`; return its keeper.

    The keeper is a process that does nothing: its mount namespace is the node's. Raises LabError.
    """
    paths = launcher.paths
    folder, run = paths.node(node.name), paths.node_sockets(node.name)
    for made in (folder / "cni", folder / "pod-logs", folder / "volume-plugins", run):
        private_folder(made)
    for group in ("system", "pods"):
        launcher.cgroups.make(f"{node.name}/{group}")
    keeper = _start_keeper(node, launcher)
    clone_golden(golden, folder / "containerd")
    (folder / "cni" / "10-gameday.conflist").write_text(cni_config(node, folder=folder))
    config = folder / "containerd.toml"
    config.write_text(
        containerd_config(
            root=folder / "containerd",
            state=run / "containerd",
            socket=paths.containerd_socket(node.name),
            cni=folder / "cni",
            plugins=CNI_PLUGINS,
            pause=pause,
        )
    )
    containerd = _run(launcher, "containerd", ["containerd", "--config", config], node, keeper)
    await_components(
        lambda: _answers(paths.containerd_socket(node.name)),
        components=[containerd],
        awaited=f"containerd of {node.name} to answer",
        deadline_s=CONTAINERD_DEADLINE_S,
    )
    return keeper


def start_kubelet(node: Machine, keeper: Process, *, launcher: Launcher, control: ControlPlane) -> Process:
    """Start a node's kubelet, with its certificates. Raises LabError."""
    paths = launcher.paths
    folder = paths.node(node.name)
    kubeconfig = control.kubeconfig(f"kubelet-{node.name}", user=f"system:node:{node.name}", groups=["system:nodes"])
    serving = control.authority.issue(
        f"kubelet-{node.name}-serving", user=f"system:node:{node.name}", addresses=[node.address], hosts=[node.name]
    )
    config = folder / "kubelet.json"
    config.write_text(
        kubelet_config(
            folder=folder,
            socket=paths.containerd_socket(node.name),
            cgroup=launcher.cgroups.absolute(f"{node.name}/pods"),
            authority=control.authority.certificate,
            serving=serving,
            timings=control.timings,
        )
    )
    labels = ",".join(f"{key}={value}" for key, value in node.labels.items())
    argv: list[str | Path] = [
        launcher.node_kube,
        "kubelet",
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={folder / 'kubelet'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={labels}",
    ]
    return _run(launcher, "kubelet", argv, node, keeper)


def start_proxy(machine: Machine, *, launcher: Launcher, kubeconfig: Path, group: str) -> Process:
    """Start a machine's kube-proxy. Raises LabError."""
    config = launcher.paths.state / f"kube-proxy-{machine.name}.json"
    config.write_text(kube_proxy_config(machine, kubeconfig=kubeconfig))
    return launcher.run(
        f"kube-proxy-{machine.name}",
        [launcher.node_kube, "kube-proxy", f"--config={config}"],
        group=group,
        namespaces=in_netns(machine.netns),
    )


def await_proxy(machine: Machine, proxy: Process, *, address: str) -> None:
    """Wait until a machine's kube-proxy leads a Service's `address` somewhere, to each new connection's own pod.

    Raises LabError.
    """
    argv = ["nsenter", *in_netns(machine.netns), "--", "nft", "list", "map", "ip", "kube-proxy", "service-ips"]

    def led() -> bool:
        shown = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
        return address in shown.stdout

    await_components(
        led, components=[proxy], awaited=f"kube-proxy of {machine.name} to be in force", deadline_s=PROXY_DEADLINE_S
    )
    limits = [f"echo {limit_s} > {CONNECTIONS}_tcp_timeout_{state}" for state, limit_s in REMEMBERED_S.items()]
    run_tool(["nsenter", *in_netns(machine.netns), "--", "sh", "-ec", "\n".join(limits)])


def _start_keeper(node: Machine, launcher: Launcher) -> Process:
    folder = launcher.paths.node(node.name)
    pairs: list[str | Path] = []
    for place in MOUNT_POINTS:
        own = private_folder(folder / "own" / place.relative_to("/"))
        pairs += [own, place]
    for name, value in KERNEL_SETTINGS.items():
        shown = folder / "own" / "kernel" / name.replace("/", ".")
        shown.parent.mkdir(exist_ok=True)
        shown.write_text(value)
        pairs += [shown, Path("/proc/sys") / name]
    ready = folder / "mounted"
    own_mounts = ["unshare", "--mount", "--propagation", "slave", "--"]
    argv = [*own_mounts, "sh", "-ec", MACHINE, "sh", ready, *pairs]
    keeper = launcher.run(f"machine-{node.name}", argv, group=f"{node.name}/system", namespaces=in_netns(node.netns))
    await_components(
        ready.exists,
        components=[keeper],
        awaited=f"the mounts of {node.name}",
        deadline_s=MACHINE_DEADLINE_S,
    )
    return keeper


def _run(launcher: Launcher, program: str, argv: list[str | Path], node: Machine, keeper: Process) -> Process:
    namespaces = node_namespaces(node, keeper)
    return launcher.run(f"{program}-{node.name}", argv, group=f"{node.name}/system", namespaces=namespaces)


def node_namespaces(node: Machine, keeper: Process) -> tuple[str, ...]:
    """The namespaces of a node's own programs, as arguments of nsenter."""
    return (f"--mount=/proc/{keeper.pid}/ns/mnt", f"--net={NAMESPACES / node.netns}")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.connect(str(path))
        except OSError:
            return False
    return True


def nodes_ready(api: Api) -> dict[str, bool]:
    """Of each node whether it is Ready and takes pods. Raises LabError."""
    return {node["metadata"]["name"]: takes_pods(node) for node in api.get("/api/v1/nodes")["items"]}


def takes_pods(node: Mapping[str, Any]) -> bool:
    """Whether a node is Ready and has no taint that keeps pods away."""
    conditions = node["status"].get("conditions", ())
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not any(taint["effect"] != "PreferNoSchedule" for taint in node["spec"].get("taints", ()))


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
