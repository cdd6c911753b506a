"""How long `gameday plan` takes for a thousand nodes and five thousand pods, reading included.

    python tests/bench/plan_scale.py [--nodes N] [--pods N]

The control plane is real, the nodes are simulated. A hundred Deployments, each with a disruption budget; a third of
them spread hard over zones, a third apart by host, one that may lose no pod. Then the plan is made as the command makes
it: every node, every pool, every pair. It fails if that takes longer than ten seconds.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster

from chaos.cli.plan.listing import gather
from chaos.cli.plan.planner import make_plan
from chaos.cli.plan.results import Answer
from chaos.cluster import Cluster, connect
from chaos.cluster.resources import path_of
from chaos.lab.control_plane.build import kube_program
from chaos.progress import Terminal
from chaos.semantics import DrainOptions
from chaos.semantics.timings import KUBERNETES
from chaos.wait import until

REACH_S = 10.0
APPS = 100
NAMESPACE = "default"
ZONES = 3
POOLS = 10


def main() -> int:
    """Build the cluster, make the plan three times, print the median, and fail if it is too slow."""
    parser = argparse.ArgumentParser(description="gameday plan at scale")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    options = parser.parse_args()
    progress = Terminal()
    say = sys.stdout.write
    # While the cluster is built the machine is busier than the lab's short graces for nodes forgive.
    kube, kwok = kube_program(progress), kwok_program(progress)
    with SimulatedCluster(kube=kube, kwok=kwok, timings=KUBERNETES) as simulated:
        began = time.monotonic()
        for zone in range(ZONES):
            for pool in range(POOLS):
                labels = {"zone": f"z{zone}", "gameday.dev/pool": f"p{pool}"}
                simulated.add_nodes(_share(options.nodes, zone, pool), prefix=f"n{zone}-{pool}", labels=labels)
        with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster:
            _fill(cluster, options.pods)
            say(f"{options.nodes} nodes and {options.pods} pods stand after {time.monotonic() - began:.0f} s\n")
            took = sorted(_planned(cluster) for _ in range(3))
    median = took[1]
    say(f"plan         {median[0]:6.2f} s   reading {median[1]:.2f} s, the rest is thinking\n")
    say(f"to reach     {REACH_S:6.2f} s\n")
    return 0 if median[0] <= REACH_S else 1


def _share(total: int, zone: int, pool: int) -> int:
    """How many of the nodes go to this zone and pool."""
    part, whole = zone * POOLS + pool, ZONES * POOLS
    return total // whole + (part < total % whole)


def _planned(cluster: Cluster) -> tuple[float, float]:
    """Make the whole plan; how long it took, and the reading of it."""
    began = time.perf_counter()
    listing = gather(cluster)
    read = time.perf_counter() - began
    plan = make_plan(listing, options=DrainOptions(ignore_daemonsets=True))
    took = time.perf_counter() - began
    counted = ", ".join(f"{plan.pairs.counted[answer]} {answer.words}" for answer in Answer)
    sys.stdout.write(
        f"  {took:.2f} s: {len(plan.nodes)} nodes, {len(plan.pools)} pools, {plan.pairs.total} pairs ({counted}), "
        f"{plan.pairs.simulated} of them played, {plan.pairs.not_played} left open\n"
    )
    return took, read


# --- building ---------------------------------------------------------------------------------------------------


def _fill(cluster: Cluster, pods: int) -> None:
    """Deployments, their pods by the real controllers and scheduler, and disruption budgets."""
    each = pods // APPS
    _create(cluster, "Deployment", (_deployment(number, each) for number in range(APPS)))

    def ready() -> int:
        status = [obj.get("status") or {} for obj in cluster.list("Deployment", NAMESPACE)]
        return sum(int(one.get("readyReplicas", 0)) for one in status)

    seen = [0]

    def all_ready() -> bool:
        seen[0] = ready()
        return seen[0] >= each * APPS

    until(all_ready, deadline_s=900, poll_s=2, awaited="all pods Ready", last_seen=lambda: f"{seen[0]} are")
    _create(cluster, "PodDisruptionBudget", (_budget(number) for number in range(APPS)))

    def counted() -> bool:
        found = cluster.list("PodDisruptionBudget", NAMESPACE)
        return all((obj.get("status") or {}).get("expectedPods") == each for obj in found)

    until(counted, deadline_s=60, poll_s=0.5, awaited="a count of every disruption budget")


def _create(cluster: Cluster, kind: str, objects: Iterable[dict[str, Any]]) -> None:
    def create(obj: dict[str, Any]) -> None:
        answer = cluster.transport.call("POST", path_of(kind, NAMESPACE), body=obj)
        assert answer.ok, answer.words()

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(create, objects))


def _deployment(number: int, replicas: int) -> dict[str, Any]:
    labels = {"app": f"app-{number}"}
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    spec = {"containers": [container], "automountServiceAccountToken": False, **_rule(number, labels)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _rule(number: int, labels: dict[str, str]) -> dict[str, Any]:
    term: dict[str, Any] = {"labelSelector": {"matchLabels": labels}}
    if number % 3 == 0:
        even: dict[str, Any] = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
        return {"topologySpreadConstraints": [term | even]}
    if number % 3 == 1:
        apart: list[dict[str, Any]] = [term | {"topologyKey": "kubernetes.io/hostname"}]
        return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}}
    return {}


def _budget(number: int) -> dict[str, Any]:
    bounds: list[dict[str, Any]] = [
        {"maxUnavailable": 1},
        {"maxUnavailable": "10%"},
        {"minAvailable": "90%"},
        {"minAvailable": 1},
    ]
    bound = {"maxUnavailable": 0} if number == 7 else bounds[number % len(bounds)]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"app-{number}"},
        "spec": {"selector": {"matchLabels": {"app": f"app-{number}"}}, **bound},
    }


if __name__ == "__main__":
    sys.exit(main())
