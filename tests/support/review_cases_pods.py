"""Rules of the review about pods, each with what breaks it, a variant, and what does not."""

from typing import Any

from review_stories import Case

__all__ = ["POD_CASES"]

HTTP = {"httpGet": {"path": "/health", "port": "http"}}
MODELS = {"httpGet": {"path": "/v1/models", "port": "http"}}
TCP = {"tcpSocket": {"port": "http"}}
GRPC = {"grpc": {"port": 8000}}
EXEC = {"exec": {"command": ["sh", "-c", "server status"]}}
NO_PROBES = {"startupProbe": None, "readinessProbe": None, "livenessProbe": None}
HOST, ZONE, REGION = "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


def container(**fields: Any) -> dict[str, Any]:
    """With these fields of the container."""
    return {"container": fields}


def pod(**fields: Any) -> dict[str, Any]:
    """With these fields of the pods' spec."""
    return {"pod": fields}


def hook(seconds: int | list[str], grace_s: int | None) -> dict[str, Any]:
    """With a preStop hook that sleeps, or runs a program, and this grace."""
    does = {"sleep": {"seconds": seconds}} if isinstance(seconds, int) else {"exec": {"command": seconds}}
    return container(lifecycle={"preStop": does}) | pod(terminationGracePeriodSeconds=grace_s)


def apart(key: str) -> dict[str, Any]:
    """An anti-affinity of the replicas."""
    term = {"labelSelector": {"matchLabels": {"app": "chat"}}, "topologyKey": key}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def spread(selector: dict[str, Any] | None) -> dict[str, Any]:
    """A spread over hosts that counts these pods."""
    rule: dict[str, Any] = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule"}
    rule |= {"labelSelector": selector} if selector is not None else {}
    return pod(topologySpreadConstraints=[rule])


def mounted(name: str, path: str, source: dict[str, Any]) -> dict[str, Any]:
    """With a volume."""
    return pod(volumes=[{"name": name, **source}]) | container(volumeMounts=[{"name": name, "mountPath": path}])


def spot_affinity(value: str) -> dict[str, Any]:
    """Held to nodes of a capacity type."""
    asked = {"key": "eks.amazonaws.com/capacityType", "operator": "In", "values": [value]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [asked]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


INIT = {"name": "fetch", "image": "registry.example/tools:1", "command": ["wget", "https://models.example/m"]}

POD_CASES = (
    Case(
        "probes-missing",
        container(**NO_PROBES),
        container(**NO_PROBES, ports=None) | {"service": {"ports": [{"port": 80, "targetPort": 8000}]}},
        container(startupProbe=None, livenessProbe=None),
        "only sees whether the port is open",
    ),
    Case("readiness-probe-missing", container(readinessProbe=None), container(readinessProbe=None, livenessProbe=None)),
    Case("liveness-probe-missing", container(livenessProbe=None), container(livenessProbe=None, startupProbe=None)),
    Case(
        "startup-probe-missing",
        container(startupProbe=None, livenessProbe={**TCP, "initialDelaySeconds": 30}),
        container(startupProbe=None, livenessProbe={**EXEC, "periodSeconds": 30, "timeoutSeconds": 5}),
        container(startupProbe=None, livenessProbe={**HTTP, "initialDelaySeconds": 900}),
        "ends a start that takes over 50 s",
    ),
    Case(
        "startup-window-short",
        container(startupProbe={**HTTP, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 3}),
        container(startupProbe=HTTP),
        container(startupProbe={**HTTP, "periodSeconds": 1, "failureThreshold": 60}),
        "over 20 s never succeeds",
    ),
    Case(
        "liveness-one-failure",
        container(livenessProbe={**HTTP, "failureThreshold": 1}),
        container(livenessProbe={**TCP, "failureThreshold": 1, "periodSeconds": 60}),
        container(livenessProbe={**HTTP, "failureThreshold": 2}),
    ),
    Case(
        "liveness-asks-readiness",
        container(livenessProbe={**MODELS, "periodSeconds": 1, "failureThreshold": 5}),
        container(livenessProbe=GRPC, readinessProbe=GRPC),
        container(livenessProbe={**MODELS, "failureThreshold": 6}),
        "5 failures * 1 s = 5 s of a busy server end it",
    ),
    Case(
        "liveness-exec-timeout",
        container(livenessProbe=EXEC),
        container(livenessProbe={**EXEC, "timeoutSeconds": 0}),
        container(livenessProbe={**EXEC, "timeoutSeconds": 5}),
    ),
    Case(
        "readiness-asks-port",
        container(readinessProbe=TCP, startupProbe={**TCP, "failureThreshold": 60}),
        container(readinessProbe=TCP, startupProbe=None),
        container(readinessProbe=TCP),
    ),
    Case(
        "readiness-delayed",
        container(readinessProbe={**MODELS, "initialDelaySeconds": 400}),
        container(readinessProbe={**TCP, "initialDelaySeconds": 120}, startupProbe=None),
        container(readinessProbe={**MODELS, "initialDelaySeconds": 60}),
        "6.7 min",
    ),
    Case(
        "probe-success-threshold",
        container(livenessProbe={**HTTP, "successThreshold": 2}),
        container(startupProbe={**HTTP, "failureThreshold": 60, "successThreshold": 3}),
        container(readinessProbe={**MODELS, "successThreshold": 2}),
    ),
    Case(
        "probe-port-unnamed",
        container(readinessProbe={"httpGet": {"path": "/v1/models", "port": "web"}}),
        container(livenessProbe={"tcpSocket": {"port": "htpp"}}),
    ),
    Case(
        "probe-port-undeclared",
        container(readinessProbe={"httpGet": {"path": "/v1/models", "port": 8080}}),
        container(livenessProbe={"grpc": {"port": 9000}}),
        container(readinessProbe={"httpGet": {"path": "/ready", "port": 8080}}, args=["--health-port=8080"]),
        "readiness probe asks 8080, no container port of it",
    ),
    Case(
        "prestop-missing",
        container(lifecycle=None) | pod(terminationGracePeriodSeconds=None),
        container(lifecycle={"postStart": {"exec": {"command": ["true"]}}}) | pod(terminationGracePeriodSeconds=20),
        container(lifecycle=None),
        "grace 30 s and no preStop sleep",
    ),
    Case(
        "prestop-uses-grace",
        hook(60, None),
        hook(["sleep", "30"], 30),
        hook(["sh", "-c", "sleep 25"], 75),
        "it is cut at 30 s, SIGTERM leaves 2 s",
    ),
    Case("grace-nearly-used", hook(25, 30), hook(["sh", "-c", "/bin/sleep 1m"], 65), hook(20, 30), "5 s are left"),
    Case(
        "image-unpinned",
        container(image="registry.example:5000/chat"),
        container(image="chat:latest"),
        container(image="registry.example/chat@sha256:00"),
    ),
    Case(
        "requests-missing",
        container(resources={"limits": {"nvidia.com/gpu": "1"}}),
        container(resources={"requests": {"cpu": "1"}}),
        container(resources={"limits": {"cpu": "4", "memory": "16Gi"}}),
        "no cpu and memory request",
    ),
    Case(
        "model-not-kept",
        mounted("models", "/data", {"emptyDir": {}}),
        mounted("v", "/root/.cache/huggingface", {"emptyDir": {"sizeLimit": "50Gi"}}),
        mounted("models", "/dev/shm", {"emptyDir": {"medium": "Memory"}}),  # noqa: S108  # a mount, no file of ours
        "600 s = 10 min",
    ),
    Case(
        "download-unbounded",
        pod(initContainers=[INIT]),
        pod(initContainers=[{"name": "download-model", "image": "registry.example/tools:1"}]),
        pod(initContainers=[{**INIT, "restartPolicy": "Always"}]),
    ),
    Case(
        "value-not-text",
        container(env=[{"name": "PORT", "value": 8000}, {"name": "DEBUG", "value": True}]),
        container(args=["--port", 8000]),
        container(env=[{"name": "PORT", "value": "8000"}]),
        "PORT: 8000, DEBUG: true",
    ),
    Case(
        "field-unknown",
        container(lifecycle={"preStopHook": {"exec": {"command": ["sh", "-c", "sleep 20s"]}}}),
        pod(readinessProbe=MODELS),
        words="`preStopHook` is no field of lifecycle",
    ),
    Case(
        "node-pinned",
        pod(nodeSelector={HOST: "gpu-1"}),
        pod(nodeName="gpu-1"),
        pod(nodeSelector={"accelerator": "l4"}),
    ),
    Case(
        "spot-notice-short",
        pod(nodeSelector={"cloud.google.com/gke-spot": "true"}),
        pod(affinity=spot_affinity("SPOT"), terminationGracePeriodSeconds=180),
        pod(affinity=spot_affinity("ON_DEMAND")),
        "about 15 s, not its grace of 120 s",
    ),
    Case(
        "spread-binds-nobody",
        spread({"matchLabels": {"app": "other"}}),
        spread(None),
        spread({"matchLabels": {"app": "chat"}}),
    ),
    Case(
        "anti-affinity-impossible",
        pod(affinity=apart(ZONE)) | {"spec": {"replicas": 5}},
        pod(affinity=apart(REGION)),
        pod(affinity=apart(ZONE)),
        "5 replicas need 5 zones",
    ),
)
