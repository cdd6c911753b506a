"""API versions that are not served any more, and what else changes with them.

Source: Kubernetes' "Deprecated API Migration Guide", release by release.
"""

from collections.abc import Iterator

from chaos.review.manifest_set import ManifestSet
from chaos.review.violation import Violation

__all__ = ["versions"]

APPS_CHANGES = "apps/v1 needs a selector, which cannot be changed afterwards, and its defaults of the rollout differ"
INGRESS_CHANGES = "the backend's form changes (service.name, service.port), and each path needs a pathType"

GONE: dict[tuple[str, str], tuple[str, str, str]] = {
    **{
        (version, kind): ("apps/v1", "1.16", APPS_CHANGES if kind == "Deployment" else "apps/v1 needs a selector")
        for version in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    },
    ("extensions/v1beta1", "NetworkPolicy"): ("networking.k8s.io/v1", "1.16", ""),
    ("extensions/v1beta1", "Ingress"): ("networking.k8s.io/v1", "1.22", INGRESS_CHANGES),
    ("networking.k8s.io/v1beta1", "Ingress"): ("networking.k8s.io/v1", "1.22", INGRESS_CHANGES),
    ("policy/v1beta1", "PodDisruptionBudget"): (
        "policy/v1",
        "1.25",
        "an empty selector selects no pod in v1beta1, and every pod of the namespace in v1",
    ),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): (
        "autoscaling/v2",
        "1.25",
        "the metric's form changes too: metricName becomes metric.name, targetAverageValue and the like become target",
    ),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): ("autoscaling/v2", "1.26", ""),
    ("batch/v1beta1", "CronJob"): ("batch/v1", "1.25", ""),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): ("discovery.k8s.io/v1", "1.25", ""),
    ("node.k8s.io/v1beta1", "RuntimeClass"): ("node.k8s.io/v1", "1.25", ""),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): ("scheduling.k8s.io/v1", "1.22", ""),
    ("storage.k8s.io/v1beta1", "StorageClass"): ("storage.k8s.io/v1", "1.22", ""),
    ("coordination.k8s.io/v1beta1", "Lease"): ("coordination.k8s.io/v1", "1.22", ""),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): ("apiextensions.k8s.io/v1", "1.22", ""),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema"): ("flowcontrol.apiserver.k8s.io/v1", "1.29", ""),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema"): ("flowcontrol.apiserver.k8s.io/v1", "1.32", ""),
    **{
        ("admissionregistration.k8s.io/v1beta1", kind): ("admissionregistration.k8s.io/v1", "1.34", "")
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    },
    ("storage.k8s.io/v1beta1", "VolumeAttributesClass"): ("storage.k8s.io/v1", "1.37", ""),
    **{
        ("networking.k8s.io/v1beta1", kind): ("networking.k8s.io/v1", "1.37", "")
        for kind in ("IPAddress", "ServiceCIDR")
    },
    **{
        ("rbac.authorization.k8s.io/v1beta1", kind): ("rbac.authorization.k8s.io/v1", "1.22", "")
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    },
}
"""By version and kind: what to write, the release that took the old one away, and what else changes."""

SERVED = {
    "Deployment": ("apps/v1",),
    "StatefulSet": ("apps/v1",),
    "Service": ("v1",),
    "PodDisruptionBudget": ("policy/v1",),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "autoscaling/v1"),
}
"""Versions of the kinds that rules are about."""


def versions(known: ManifestSet) -> Iterator[Violation]:
    """Every object whose version is not served."""
    for one in known.manifests:
        version, kind = str(one.raw.get("apiVersion", "")), str(one.raw.get("kind"))
        if (version, kind) in GONE:
            wanted, release, changes = GONE[version, kind]
            sentence = f"{version} is not served since Kubernetes {release}: write {wanted}"
            yield Violation("version-not-served", one, sentence, (changes,) if changes else ())
        elif version not in (served := SERVED.get(one.kind, (version,))):
            sentence = f"{kind} has no version {version or '(none)'}: write {served[0]}"
            yield Violation("version-not-served", one, sentence)
