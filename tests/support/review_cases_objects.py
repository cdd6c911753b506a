"""Rules of the review about what stands beside pods, each with what breaks it, a variant, and what does not."""

from typing import Any

from review_cases_pods import HOST, NO_PROBES, apart, container, mounted, pod
from review_stories import SCALER, Case, workload_of

__all__ = ["OBJECT_CASES"]


def spec(**fields: Any) -> dict[str, Any]:
    """With these fields of the workload's spec."""
    return {"spec": fields}


def budget(**fields: Any) -> dict[str, Any]:
    """With these fields of the disruption budget."""
    return {"budget": fields}


def scaler(**fields: Any) -> dict[str, Any]:
    """With an autoscaler, and these fields of it."""
    return {"scaler": fields}


def rolling(surge: Any, unavailable: Any) -> dict[str, Any]:
    """With these bounds of a release."""
    bounds = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": bounds}}


def another(kind: str, api: str, own: dict[str, Any], name: str = "other", **metadata: Any) -> dict[str, Any]:
    """One more object."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **metadata}, "spec": own}


def claim(mode: str) -> dict[str, Any]:
    """With a claim of this mode that all replicas mount."""
    made = another("PersistentVolumeClaim", "v1", {"accessModes": [mode]}, "models")
    return mounted("m", "/data", {"persistentVolumeClaim": {"claimName": "models"}}) | {"others": [made]}


def with_pod(given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same with more fields of the pods' spec."""
    return {**given, "pod": {**given["pod"], **fields}}


def resource(name: str, kind: str = "Utilization", **target: Any) -> dict[str, Any]:
    """A metric of an autoscaler."""
    return {"type": "Resource", "resource": {"name": name, "target": {"type": kind, **target}}}


CANARY = workload_of("chat-canary", labels={"app": "chat", "track": "canary"})
SET_BESIDE = workload_of("chat-set", kind="StatefulSet", labels={"app": "chat", "tier": "set"})
WIDE = another("PodDisruptionBudget", "policy/v1", {"maxUnavailable": 1, "selector": {}})
ELSEWHERE = another("PodDisruptionBudget", "policy/v1", {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}})
SECOND = another("HorizontalPodAutoscaler", "autoscaling/v2", SCALER)
KEDA = another(
    "ScaledObject", "keda.sh/v1alpha1", {"scaleTargetRef": {"name": "chat"}, "minReplicaCount": 2, "triggers": []}
)
OWNER = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "other", "controller": True}
OF_KEDA = another("HorizontalPodAutoscaler", "autoscaling/v2", SCALER, ownerReferences=[OWNER])
POOL = another("InferencePool", "inference.networking.k8s.io/v1", {})
PROXY = {"name": "proxy", "image": "registry.example/proxy:1", "restartPolicy": "Always"}
ZMQ = {"name": "zmq", "port": 5555}


def named(service: str) -> dict[str, Any]:
    """With a Service of this name beside it, and an image that holds the word."""
    made = another(
        "Service", "v1", {"selector": {"app": "chat"}, "ports": [{"port": 80, "targetPort": "http"}]}, service
    )
    return container(image=f"registry.example/{service}-openai:v1") | {"others": [made]}


OBJECT_CASES = (
    Case(
        "budget-missing",
        {"without": ["PodDisruptionBudget"]},
        {"without": ["PodDisruptionBudget"], "kind": "StatefulSet"},
        words="3 of 3 may go at once",
    ),
    Case(
        "budget-binds-nobody",
        budget(selector={"matchLabels": {"app.kubernetes.io/name": "chat"}}),
        budget(selector=None),
        budget(selector={}),
        "it selects app.kubernetes.io/name=chat",
    ),
    Case(
        "budget-blocks-drains",
        budget(maxUnavailable=None, minAvailable="75%"),
        budget(maxUnavailable="0%"),
        budget(maxUnavailable="10%"),
        "75% of 3 = 2.25, rounded up to 3",
    ),
    Case(
        "budget-lets-all-go",
        budget(maxUnavailable=None, minAvailable=0),
        budget(maxUnavailable="100%"),
        budget(maxUnavailable=2),
    ),
    Case(
        "budgets-overlap",
        {
            "others": [
                another(
                    "PodDisruptionBudget",
                    "policy/v1",
                    {"minAvailable": 1, "selector": {"matchLabels": {"app": "chat"}}},
                )
            ]
        },
        {"others": [WIDE]},
        {"others": [ELSEWHERE]},
        "2 disruption budgets bind each pod (chat, other)",
    ),
    Case(
        "budget-spans-workloads",
        {"others": [CANARY]},
        {"others": [SET_BESIDE]},
        words="chat and Deployment chat-canary",
    ),
    Case(
        "budget-bound-invalid",
        budget(maxUnavailable=None, minAvailable="1"),
        budget(maxUnavailable="50 %"),
        budget(maxUnavailable="50%"),
    ),
    Case("budget-two-bounds", budget(minAvailable=1), budget(maxUnavailable="50%", minAvailable="50%")),
    Case("rollout-impossible", spec(**rolling(0, 0)), spec(**rolling("0%", 0)), spec(**rolling(0, "25%"))),
    Case(
        "rollout-takes-all",
        spec(**rolling("25%", "100%")),
        spec(**rolling(0, 1), replicas=1),
        spec(replicas=1),
        "all 3 replicas at once",
    ),
    Case(
        "rollout-recreates",
        spec(strategy={"type": "Recreate"}),
        spec(strategy={"type": "Recreate"}, replicas=1),
        spec(strategy={"type": "RollingUpdate"}),
    ),
    Case(
        "rollout-on-delete",
        spec(updateStrategy={"type": "OnDelete"}) | {"kind": "StatefulSet"},
        spec(updateStrategy={"type": "OnDelete"}, podManagementPolicy="Parallel") | {"kind": "StatefulSet"},
        spec(updateStrategy={"type": "RollingUpdate"}) | {"kind": "StatefulSet"},
    ),
    Case(
        "rollout-needs-node",
        pod(affinity=apart(HOST)),
        pod(affinity=apart(HOST)) | spec(replicas=1),
        pod(affinity=apart(HOST)) | spec(**rolling(0, 1)),
        "3 + 1 = 4 nodes",
    ),
    Case(
        "rollout-needs-devices",
        container(resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": "8"}}),
        container(resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"amd.com/gpu": 4}}),
        words="8 more of nvidia.com/gpu",
    ),
    Case("claim-on-one-node", claim("ReadWriteOnce"), claim("ReadWriteOnce") | scaler(), claim("ReadWriteMany")),
    Case(
        "claim-on-many-nodes",
        with_pod(claim("ReadWriteOnce"), affinity=apart(HOST)),
        with_pod(claim("ReadWriteOncePod"), affinity=apart(HOST)),
        with_pod(claim("ReadWriteMany"), affinity=apart(HOST)),
    ),
    Case(
        "claim-bars-scaling",
        claim("ReadWriteOnce") | spec(replicas=1),
        claim("ReadWriteOncePod") | spec(replicas=1),
        claim("ReadWriteOnce"),
    ),
    Case("replicas-one", spec(replicas=1), scaler(minReplicas=1), spec(replicas=2), "any loss is an outage"),
    Case("replicas-zero", spec(replicas=0), scaler(minReplicas=0), words="the first request waits for a model load"),
    Case("replicas-beside-autoscaler", scaler() | spec(replicas=3), spec() | {"others": [KEDA]}, scaler()),
    Case(
        "autoscaler-without-request",
        scaler() | container(resources=None),
        scaler() | pod(initContainers=[PROXY]),
        scaler(metrics=[resource("cpu", "AverageValue", averageValue="2")]) | container(resources=None),
        "no CPU request in container server",
    ),
    Case("autoscaler-fixed", scaler(minReplicas=3, maxReplicas=3), scaler(minReplicas=1, maxReplicas=1), scaler()),
    Case("autoscaler-bounds-crossed", scaler(minReplicas=5, maxReplicas=3), scaler(maxReplicas=1), scaler()),
    Case(
        "autoscaler-aims-at-nothing",
        scaler(scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-server"}),
        scaler(scaleTargetRef={"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "chat"}),
        scaler(scaleTargetRef={"apiVersion": "serving.example.com/v1", "kind": "ModelSet", "name": "chat"}),
    ),
    Case(
        "autoscalers-compete",
        scaler() | {"others": [SECOND]},
        scaler() | {"others": [KEDA]},
        {"others": [KEDA, OF_KEDA]},
    ),
    Case(
        "autoscaler-on-memory",
        scaler(metrics=[resource("cpu", averageUtilization=60), resource("memory", averageUtilization=70)]),
        scaler(metrics=[resource("memory", "AverageValue", averageValue="8Gi")]),
        scaler(),
    ),
    Case(
        "scale-down-hasty",
        scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 30}}),
        scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 100}})
        | container(readinessProbe={"httpGet": {"path": "/ready", "port": "http"}, "initialDelaySeconds": 110}),
        scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 180}}),
    ),
    Case(
        "service-missing",
        {"without": ["Service"]},
        {"without": ["Service"], "kind": "StatefulSet"},
        {"without": ["Service"], "others": [POOL]},
    ),
    Case(
        "service-selects-nothing",
        {"service": {"selector": {"app": "chats"}}},
        {"service": {"selector": {"app": "chat", "tier": "web"}}},
    ),
    Case("service-spans-workloads", {"others": [CANARY]}, {"others": [SET_BESIDE]}),
    Case(
        "service-port-unnamed",
        {"service": {"ports": [{"port": 80, "targetPort": "web"}]}},
        container(ports=[{"containerPort": 8000}], **NO_PROBES),
        {"service": {"ports": [{"port": 80, "targetPort": 8000}]}},
        "targetPort `web` names no port",
    ),
    Case(
        "service-ports-several",
        {"service": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}, ZMQ]}},
        {"service": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}, ZMQ]}},
        words="2 ports (http 80, zmq 5555)",
    ),
    Case(
        "service-name-taken",
        named("vllm"),
        named("sglang"),
        named("vllm") | pod(enableServiceLinks=False),
        "makes VLLM_PORT a URI",
    ),
    Case(
        "version-not-served",
        {"versions": {"PodDisruptionBudget": "policy/v1beta1"}},
        {"versions": {"Deployment": "extensions/v1beta1"}},
        {"versions": {"HorizontalPodAutoscaler": "autoscaling/v1"}}
        | scaler(metrics=None, targetCPUUtilizationPercentage=60),
        "an empty selector selects no pod in v1beta1",
    ),
    Case("value-not-number", spec(replicas="3"), scaler(minReplicas="2"), spec(replicas="${REPLICAS}")),
    Case("selector-missing", spec(selector=None), spec(selector=None) | {"kind": "StatefulSet"}),
    Case(
        "selector-not-the-labels",
        spec(selector={"matchLabels": {"app": "chats"}}),
        spec(selector={"matchLabels": {"app": "chat", "tier": "web"}}),
        spec(selector={"matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]}),
    ),
)
