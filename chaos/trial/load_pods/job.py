"""The Job of load pods: pure.

One Indexed Job and nothing else: a pod gets its plan from the driver, so there is no ConfigMap to go stale, and it
needs no rights of its own. A failed index leaves the others at work (`backoffLimitPerIndex`): with `backoffLimit: 0`
alone the Job's controller would end every pod as soon as one is lost.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.objects.base import Ref
from chaos.system.manifests.names import MANAGED_BY, MANAGER, RUN_LABEL, label_value
from loadgen.pod.contract import FOLDER, PORT, TOKEN_DIGEST

__all__ = ["CORES", "INDEX", "LoadPods", "address_range", "job_manifest", "pod_selector", "policy_manifest"]

CORES = 0.5
MEMORY = "256Mi"
"""Requests and limits of a load pod: enough for some hundred requests a second."""

GRACE_S = 10
"""For a pod that is told to end: its generator records what it can, and the driver reads it."""

TTL_S = 600
"""A Job that nobody removed goes by itself so long after its end."""

INDEX = "batch.kubernetes.io/job-completion-index"
LOAD_LABEL = "gameday.dev/load-job"
HOST_KEY = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPods:
    """`workers` pods in `namespace`, made from `image`, that end by themselves `lasts_s` after their start.

    `target_namespace` and `target_labels` are of the pods under test, whose nodes they keep away from where they can.
    `aliases` are addresses by name, for a cluster without a name service. `ingress` as for `LoadSettings`.
    """

    namespace: str
    run: str
    image: str
    workers: int
    lasts_s: float
    target_namespace: str
    target_labels: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    ingress: tuple[str, ...] = ()

    @property
    def job(self) -> Ref:
        """The Job."""
        return Ref("Job", self.namespace, job_name(self.run))


def address_range(text: str) -> str:
    """A range of addresses as a NetworkPolicy takes it. Raises `ValueError` for what is none."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError(f"must be a range of addresses like 10.0.0.0/28, not {text!r}") from None


def job_name(run: str) -> str:
    """The name of a run's Job."""
    return f"gameday-load-{hashlib.sha256(run.encode()).hexdigest()[:10]}"


def pod_selector(pods: LoadPods) -> str:
    """The selector of the Job's pods."""
    return f"{LOAD_LABEL}={pods.job.name}"


def job_manifest(pods: LoadPods, token_digest: str) -> dict[str, Any]:
    """The Job. `token_digest` is the SHA-256 of the token that a pod obeys, as hex."""
    labels = {MANAGED_BY: MANAGER, "app.kubernetes.io/component": "load", LOAD_LABEL: pods.job.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": pods.job.name,
            "namespace": pods.namespace,
            "labels": {**labels, RUN_LABEL: label_value(pods.run)},
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": pods.workers,
            "parallelism": pods.workers,
            "backoffLimitPerIndex": 0,
            "backoffLimit": pods.workers,
            "activeDeadlineSeconds": round(pods.lasts_s),
            "ttlSecondsAfterFinished": TTL_S,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod_spec(pods, labels, token_digest),
            },
        },
    }


def policy_manifest(pods: LoadPods, job_uid: str) -> dict[str, Any]:
    """A NetworkPolicy that goes with the Job: the pods take connections from `ingress` alone, on one port.

    It has to name the API server's side by addresses, since its proxy is no pod that a selector could find. What the
    pods' own nodes send, such as probes, is let through by every network plugin
    (https://kubernetes.io/docs/concepts/services-networking/network-policies/).
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": pods.job.name,
            "namespace": pods.namespace,
            "labels": {MANAGED_BY: MANAGER, RUN_LABEL: label_value(pods.run)},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": pods.job.name, "uid": job_uid}],
        },
        "spec": {
            "podSelector": {"matchLabels": {LOAD_LABEL: pods.job.name}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"ipBlock": {"cidr": one}} for one in pods.ingress],
                    "ports": [{"protocol": "TCP", "port": PORT}],
                }
            ],
        },
    }


def _pod_spec(pods: LoadPods, labels: Mapping[str, str], token_digest: str) -> dict[str, Any]:
    aliases = [{"ip": ip, "hostnames": [name]} for name, ip in pods.aliases.items()]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": _apart(pods, labels)}},
        "containers": [_container(pods, token_digest)],
        "volumes": [{"name": "records", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        **({"hostAliases": aliases} if aliases else {}),
    }


def _apart(pods: LoadPods, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Away from the pods under test before all, then away from each other."""
    target = {"labelSelector": {"matchLabels": dict(pods.target_labels)}, "namespaces": [pods.target_namespace]}
    return [
        {"weight": 100, "podAffinityTerm": {**target, "topologyKey": HOST_KEY}},
        {"weight": 10, "podAffinityTerm": {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": HOST_KEY}},
    ]


def _container(pods: LoadPods, token_digest: str) -> dict[str, Any]:
    amounts = {"cpu": f"{round(CORES * 1000)}m", "memory": MEMORY}
    return {
        "name": "load",
        "image": pods.image,
        "ports": [{"name": "driver", "containerPort": PORT}],
        "env": [{"name": TOKEN_DIGEST, "value": token_digest}, {"name": FOLDER, "value": "/records"}],
        "resources": {"requests": amounts, "limits": amounts},
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 1},
        "volumeMounts": [{"name": "records", "mountPath": "/records"}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  # in the pod
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
