"""What Kubernetes' minor versions differ in, of all that this suite judges; and which version a cluster counts as.

Source: pkg/features/kube_features.go of each release, and the KEP that is named.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FEATURES", "NEWEST_KNOWN", "OLDEST_KNOWN", "Feature", "minor_of", "on_between", "rules_of"]

OLDEST_KNOWN, NEWEST_KNOWN = 33, 37


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature gate: from which minor version on it is on unless somebody turns it off, and what it changes.

    `kep` is the number of the enhancement proposal, 0 where there is none. `fields` are the keys by which an object
    makes use of it, at any depth; without any, all objects of `kinds` behave otherwise.
    """

    gate: str
    kep: int
    on_since: int
    kinds: tuple[str, ...]
    fields: tuple[str, ...]
    words: str

    @property
    def source(self) -> str:
        """Where it is described."""
        return f"KEP-{self.kep}" if self.kep else f"the feature gate {self.gate}"


FEATURES = (
    Feature(
        "PodLevelResources",
        2837,
        34,
        ("Pod",),
        (),
        "resources of the whole pod count for scheduling and for the autoscaler's utilization",
    ),
    Feature(
        "HPAConfigurableTolerance",
        4951,
        35,
        ("HorizontalPodAutoscaler",),
        ("tolerance",),
        "behavior.scaleUp.tolerance and scaleDown.tolerance replace the controller's own tolerance",
    ),
    Feature(
        "DeploymentReplicaSetTerminatingReplicas",
        3973,
        35,
        ("Deployment", "ReplicaSet"),
        (),
        "status.terminatingReplicas counts the pods that are ending",
    ),
    Feature(
        "ContainerRestartRules",
        5307,
        35,
        ("Pod",),
        ("restartPolicyRules",),
        "a container's own restartPolicy and restartPolicyRules decide whether it is restarted",
    ),
    Feature(
        "KubeletCrashLoopBackOffMax",
        5593,
        35,
        ("Node",),
        (),
        "a kubelet's crashLoopBackOff.maxContainerRestartPeriod may shorten the five minutes of a back-off",
    ),
    Feature(
        "ChangeContainerStatusOnKubeletRestart (off)",
        0,
        35,
        ("Node",),
        (),
        "a kubelet that restarts no longer makes running containers unready until they are probed again",
    ),
    Feature(
        "RestartAllContainersOnContainerExits",
        5532,
        36,
        ("Pod",),
        ("restartPolicyRules",),
        "a container's exit may restart all containers of its pod in place",
    ),
    Feature(
        "InPlacePodLevelResourcesVerticalScaling",
        5419,
        36,
        ("Pod",),
        (),
        "resources of a whole pod may change while it runs",
    ),
    Feature(
        "MaxUnavailableStatefulSet",
        961,
        37,
        ("StatefulSet",),
        ("maxUnavailable",),
        "updateStrategy.rollingUpdate.maxUnavailable lets a release take several members at once",
    ),
    Feature(
        "HPAScaleToZero",
        2021,
        37,
        ("HorizontalPodAutoscaler",),
        (),
        "minReplicas may be 0 with an Object or External metric",
    ),
    Feature(
        "HPAGeneration",
        0,
        37,
        ("HorizontalPodAutoscaler",),
        (),
        "a new or changed autoscaler is looked at once, not at the next sync",
    ),
)
"""By the version that turned them on."""


def minor_of(version: str) -> int | None:
    """The minor version of `v1.36.3`, `1.36` or `v1.33.5-eks-1`; None for what is no version of Kubernetes 1."""
    match = re.match(r"v?1\.(\d+)(?:\D|$)", version)
    return int(match[1]) if match else None


def rules_of(version: str) -> tuple[int, str]:
    """By which minor version's rules a cluster is judged, and what to tell of it; empty where that is its own.

    A newer one is taken as the newest known, an older one as the oldest, and one that cannot be read as the newest.
    """
    minor = minor_of(version)
    if minor is None:
        return NEWEST_KNOWN, f"the cluster calls its version {version!r}: it is judged by the rules of 1.{NEWEST_KNOWN}"
    known = min(max(minor, OLDEST_KNOWN), NEWEST_KNOWN)
    if known == minor:
        return minor, ""
    side = "newer" if minor > known else "older"
    return known, f"Kubernetes {version} is {side} than all that are known here: it is judged by the rules of 1.{known}"


def on_between(before: int, after: int) -> Sequence[Feature]:
    """The features that an upgrade from one minor version to another turns on."""
    return tuple(feature for feature in FEATURES if before < feature.on_since <= after)
