"""The reference model as a team deploys it: nothing of ours on it, in a namespace that the suite did not make."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from plain_claim import LOADED_S, loading_job

from chaos.cluster import Cluster
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.objects.kinds import DeploymentView
from chaos.system import SystemSpec
from chaos.system.manifests.names import MANAGED_BY, RUN_LABEL
from chaos.system.manifests.render import manifests
from chaos.wait import until

__all__ = [
    "AVAILABLE_S",
    "NAME",
    "Change",
    "consent",
    "deploy_plainly",
    "kubectl",
    "settled",
    "spec_with",
    "spread_again",
]

NAME = "chat"
AVAILABLE_S = 120.0

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Makes of the objects of the plain service those of another."""

KUBECTL_S = 60.0
MEASURED_S = 90.0


def spec_with(fields: dict[str, Any]) -> SystemSpec:
    """What the team wants to run."""
    plain = SystemSpec(name=NAME, image=MODEL_IMAGE, image_pull_policy="Never", profile="openai-chat")
    return plain.having(**fields)


def kubectl(kubeconfig: Path, *argv: str, stdin: str = "") -> str:
    """What kubectl says, as a person runs it. Fails with its words."""
    command = ["kubectl", f"--kubeconfig={kubeconfig}", *argv]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=KUBECTL_S)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout


def deploy_plainly(
    kubeconfig: Path,
    admin: Cluster,
    spec: SystemSpec,
    namespace: str,
    *,
    change: Change = list,
    kind: str = "Deployment",
    within_s: float = AVAILABLE_S,
) -> None:
    """Apply its objects, changed as a team has them, once its claims are filled; wait until all are available."""
    kubectl(kubeconfig, "create", "namespace", namespace)
    objects = change([_without_ours(one) for one in manifests(spec, namespace, run="none")])
    claims = [one for one in objects if one["kind"] == "PersistentVolumeClaim"]
    jobs = [loading_job(spec, volume, namespace) for volume in spec.volumes if volume.fill and volume.shared_claim]
    for job in jobs:
        name = f"job/{job['metadata']['name']}"
        kubectl(kubeconfig, "apply", "-f", "-", stdin=yaml.safe_dump_all([*claims, job]))
        kubectl(kubeconfig, "wait", "--for=condition=complete", name, "-n", namespace, f"--timeout={LOADED_S}s")
        kubectl(kubeconfig, "delete", name, "-n", namespace)
    kubectl(kubeconfig, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    settled(admin, namespace, kind, within_s=within_s)
    if spec.autoscale:
        until(lambda: _measured(admin, namespace), deadline_s=MEASURED_S, awaited=f"metrics of {NAME} in {namespace}")


def _measured(admin: Cluster, namespace: str) -> bool:
    """Whether the autoscaler has its metric."""
    scaler = admin.get("HorizontalPodAutoscaler", namespace, NAME) or {}
    conditions = scaler.get("status", {}).get("conditions") or ()
    return any(one["type"] == "ScalingActive" and one["status"] == "True" for one in conditions)


def settled(admin: Cluster, namespace: str, kind: str = "Deployment", *, within_s: float = AVAILABLE_S) -> None:
    """Wait until every replica that is wanted is there, no pod is on its way out, and no node is closed."""

    def still() -> bool:
        # What is read here is written alike in both kinds.
        view = DeploymentView(admin.get(kind, namespace, NAME) or {})
        leaving = [one for one in admin.list("Pod", namespace) if "deletionTimestamp" in one["metadata"]]
        closed = [one for one in admin.list("Node") if one["spec"].get("unschedulable") or one["spec"].get("taints")]
        return view.rolled_out and view.ready_replicas >= view.replicas and not leaving and not closed

    until(still, deadline_s=within_s, awaited=f"{NAME} in {namespace} and the nodes to stand still")


def spread_again(kubeconfig: Path, admin: Cluster, namespace: str, kind: str = "Deployment") -> None:
    """Do as owners do after nodes were drained: make every replica anew, so that they stand on all nodes."""
    kubectl(kubeconfig, "rollout", "restart", f"{kind.lower()}/{NAME}", "-n", namespace)
    settled(admin, namespace, kind)


def consent(kubeconfig: Path, namespace: str, *, pods: str, nodes: str, kind: str = "deployment") -> None:
    """Consent as the owners give it: for the namespace, the workload, and every node."""
    kubectl(kubeconfig, "annotate", "namespace", namespace, "gameday.dev/adopt=enabled")
    kubectl(kubeconfig, "annotate", kind, NAME, "-n", namespace, f"gameday.dev/allow={pods},load")
    kubectl(kubeconfig, "annotate", "nodes", "--all", "--overwrite", f"gameday.dev/allow={nodes}")


def _without_ours(value: Any) -> Any:
    """The same without the labels by which gameday finds what is its own."""
    if isinstance(value, dict):
        return {key: _without_ours(one) for key, one in value.items() if key not in (MANAGED_BY, RUN_LABEL)}
    return [_without_ours(one) for one in value] if isinstance(value, list) else value
