"""NetworkPolicies that hold: kube-network-policies beside each node, which judges the first packet of each connection.

It leads packets to its queue by nftables. Where the kernel has no nft `queue` (CONFIG_NFT_QUEUE), iptables' own target
NFQUEUE leads the same packets there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.addons.addon import MODULES, Addon, AddonProgram, Site
from chaos.lab.control_plane.aggregated import Collected
from chaos.lab.control_plane.authorization import RBAC, access_review, cluster_role, cluster_role_binding
from chaos.lab.control_plane.build import module_version
from chaos.lab.host.cache import cached
from chaos.lab.host.network import POD_RANGE, run_tool, tables
from chaos.lab.host.processes import Process, in_netns
from chaos.lab.host.toolchain import GoProgram, compile_key, compile_program
from chaos.progress import Progress

__all__ = ["NETWORK_POLICIES", "RULES"]

MODULE = MODULES / "network_policies"
PATH = "sigs.k8s.io/kube-network-policies"
USER = "gameday:network-policies"
QUEUE = 100
TABLE = "kube-network-policies"
"""Its own table, which it makes as a whole or not at all."""

RULES = f"""*mangle
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A POSTROUTING -m owner --uid-owner 0 -j ACCEPT
-A POSTROUTING -s {POD_RANGE} -j NFQUEUE --queue-num {QUEUE}
-A POSTROUTING -d {POD_RANGE} -j NFQUEUE --queue-num {QUEUE}
COMMIT
"""
"""What its own rules say (syncNFTablesRules of the release), of all pods: it lets pass what no policy is about.

What the node's own programs send passes, so probes do. After the translation to a pod's address, before that of the
source, as its own chain. A queue that nobody serves drops.
"""

PASSING = "*mangle\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
RESTORE = "iptables-nft-restore"


def _make(progress: Progress) -> Path:
    version = module_version(MODULE, PATH)
    program = GoProgram(f"kube-network-policies {version}", MODULE, ".", cold_s=60, link_s=4)

    def build(folder: Path) -> None:
        compile_program(program, folder / "network-policies", progress)

    return cached(f"network-policies-{version}", compile_key(program), build)


def _programs(site: Site) -> Sequence[AddonProgram]:
    kubeconfig = site.kubeconfig("network-policies", user=USER)
    return [
        AddonProgram(
            f"network-policies-{node.name}",
            [site.made / "network-policies", f"--kubeconfig={kubeconfig}", f"--node={node.name}", f"--queue={QUEUE}"],
            group=f"{node.name}/system",
            netns=node.netns,
        )
        for node in site.nodes
    ]


def _objects(_site: Site) -> Sequence[Collected]:
    """Its rights are those of its own manifest (install.yaml of the release)."""
    verbs = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": verbs},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs},
    ]
    return (
        (f"/apis/{RBAC}/v1/clusterroles", cluster_role(USER, rules)),
        (f"/apis/{RBAC}/v1/clusterrolebindings", cluster_role_binding(USER, role=USER, kind="User", subject=USER)),
    )


def _awaited(processes: Sequence[Process]) -> str:
    """Each has its queue in its network namespace (the first word of a line of nfnetlink_queue is its number)."""
    without = []
    for process in processes:
        queues = Path(f"/proc/{process.pid}/net/netfilter/nfnetlink_queue")
        try:
            numbers = [line.split()[0] for line in queues.read_text().splitlines()]
        except OSError:
            numbers = []
        if str(QUEUE) not in numbers:
            without.append(process.name)
    return f"no queue yet: {', '.join(without)}" if without else ""


def _settle(site: Site) -> None:
    """Lead packets to the queue on each node whose kernel would not take the program's own rules; on all or none."""
    lacking = [["nsenter", *in_netns(node.netns), "--"] for node in site.nodes if TABLE not in tables(node.netns)]
    if lacking and shutil.which(RESTORE) is None:
        raise LabError(f"this kernel has no nft queue, and there is no {RESTORE}", "apt-get install iptables")
    led: list[list[str]] = []
    try:
        for enter in lacking:
            led.append(enter)
            run_tool([*enter, RESTORE], RULES)
    except BaseException:
        # The programs end now, and a queue that nobody serves drops.
        for enter in led:
            run_tool([*enter, RESTORE], PASSING)
        raise


NETWORK_POLICIES = Addon(
    name="network-policies",
    title="kube-network-policies",
    told="NetworkPolicies hold on all nodes, for connections that are made from now on",
    make=_make,
    objects=_objects,
    reviews=(access_review(USER, "list", "networkpolicies", group="networking.k8s.io"),),
    programs=_programs,
    awaited=_awaited,
    settle=_settle,
)
