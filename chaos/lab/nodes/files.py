"""What a node's programs are configured with: containerd, kubelet, kube-proxy and the pods' network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.network import POD_RANGE, Machine
from chaos.semantics.timings import Timings

__all__ = ["KERNEL_SETTINGS", "cni_config", "containerd_config", "kube_proxy_config", "kubelet_config"]

# What the kubelet wants the kernel to be set to. It would set the whole host so; it is shown files that say it is done.
# Source: pkg/kubelet/cm/container_manager_linux.go and component-helpers/node/util/sysctl.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
UNUSED_PLUGINS = ("internal.v1.opt", "snapshotter.v1.aufs", "snapshotter.v1.btrfs", "snapshotter.v1.zfs")


def containerd_config(*, root: Path, state: Path, socket: Path, cni: Path, plugins: Path, pause: str) -> str:
    """TOML for containerd. `pause` is the image that holds a pod's namespaces; `plugins` the CNI programs' folder."""
    unused = ", ".join(json.dumps(f"io.containerd.{name}") for name in UNUSED_PLUGINS)
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = {_quoted(root)}
state = {_quoted(state)}
disabled_plugins = [{unused}]

[grpc]
  address = {_quoted(socket)}

[{cri}]
  sandbox_image = {json.dumps(pause)}
  disable_apparmor = true
  # Otherwise the pods' namespaces lie among the host's own, and outlive the lab.
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE nobody may lower an OOM score, and runc would die of the attempt.
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true

[{cri}.cni]
  bin_dir = {_quoted(plugins)}
  conf_dir = {_quoted(cni)}

[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def kubelet_config(
    *, folder: Path, socket: Path, cgroup: str, authority: Path, serving: Credential, timings: Timings
) -> str:
    """The KubeletConfiguration, as JSON. `cgroup` is the group below which the pods' groups are made."""
    config: Mapping[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": f"unix://{socket}",
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "resolvConf": "",
        # The disk is the host's, and how full it is says nothing about a node.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "nodeStatusUpdateFrequency": f"{timings.node_status_update_s}s",
        "nodeLeaseDurationSeconds": timings.node_lease_s,
        "crashLoopBackOff": {"maxContainerRestartPeriod": f"{timings.restart_backoff_cap_s}s"},
    }
    return json.dumps(config, indent=1) + "\n"


def cni_config(node: Machine, *, folder: Path) -> str:
    """The pods' network: a link from each pod to its node, addresses from the node's own range, no masquerading."""
    addresses = {
        "type": "host-local",
        "dataDir": str(folder / "addresses"),
        "ranges": [[{"subnet": node.pod_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "1.0.0", "name": "gameday", "plugins": plugins}, indent=1) + "\n"


def kube_proxy_config(machine: Machine, *, kubeconfig: Path) -> str:
    """The KubeProxyConfiguration, as JSON."""
    config: Mapping[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": machine.netns if not machine.index else machine.name,
        "bindAddress": machine.address,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The limits of connection tracking belong to the host; a network namespace may not set them.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
            "udpTimeout": "0s",
            "udpStreamTimeout": "0s",
        },
    }
    return json.dumps(config, indent=1) + "\n"


def _quoted(path: Path) -> str:
    return json.dumps(str(path))
