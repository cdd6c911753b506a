"""From a spec to the objects that the API server is asked for."""

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system import (
    Autoscale,
    DisruptionBudget,
    Fill,
    Keda,
    ProbeSpec,
    Rollout,
    Security,
    Spread,
    SystemSpec,
    Toleration,
    Volume,
    manifests,
    selector,
)
from chaos.system.deploy.seed_volumes import fill_job
from chaos.system.manifests.names import label_value

SMALL = SystemSpec(
    name="tiny",
    image="registry.example/tiny:1",
    startup=None,
    readiness=None,
    liveness=None,
    replicas=1,
    cpu_request=None,
    cpu_limit=None,
    memory_request=None,
    memory_limit=None,
    pre_stop_sleep_s=0,
    spread=Spread(hostname=None),
    disruption_budget=None,
)

FULL = SystemSpec(
    name="model",
    image="registry.example/model:2",
    image_pull_policy="Never",
    command=("/bin/serve",),
    args=("--threads", "1"),
    env={"MODEL": "small"},
    port=9000,
    service_port=8080,
    startup=ProbeSpec(path="/startup", period_s=2, timeout_s=3, failure_threshold=40, initial_delay_s=5),
    readiness=ProbeSpec(path="/ready", success_threshold=2),
    liveness=ProbeSpec(path="/live"),
    cpu_request="200m",
    cpu_limit="1",
    memory_request="128Mi",
    memory_limit="1Gi",
    grace_s=20,
    pre_stop_sleep_s=3,
    spread=Spread(hostname="DoNotSchedule", zone="ScheduleAnyway", max_skew=2),
    disruption_budget=DisruptionBudget(min_available="50%", unhealthy_pod_eviction_policy="AlwaysAllow"),
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=15, scale_up_pods=2),
    rollout=Rollout(max_surge="25%", max_unavailable=1, min_ready_s=4, progress_deadline_s=120),
    security=Security(user=1000, read_only_root=True),
    volumes=(
        Volume(name="scratch", mount_path="/tmp/work"),  # noqa: S108  # a path in the container
        Volume(name="weights", mount_path="/weights", storage="2Gi", storage_class="fast", access_mode="ReadWriteOnce"),
    ),
    labels={"team": "serving"},
    node_selector={"pool": "cpu"},
    tolerations=(Toleration(key="node.kubernetes.io/unreachable", effect="NoExecute", toleration_s=10),),
)

TINY_SELECTOR = {"app.kubernetes.io/name": "tiny", "app.kubernetes.io/managed-by": "gameday"}
MODEL_SELECTOR = {"app.kubernetes.io/name": "model", "app.kubernetes.io/managed-by": "gameday"}


def by_kind(spec: SystemSpec) -> dict[str, dict[str, Any]]:
    """The spec's objects, by kind."""
    return {one["kind"]: one for one in manifests(spec, "here", run="run-1")}


def test_a_small_spec_becomes_a_service_and_a_deployment_and_nothing_else() -> None:
    """What a spec leaves out is absent from the objects, down to the last field."""
    metadata = {"name": "tiny", "namespace": "here", "labels": {**TINY_SELECTOR, "gameday.dev/run": "run-1"}}
    container = {
        "name": "tiny",
        "image": "registry.example/tiny:1",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    assert manifests(SMALL, "here", run="run-1") == (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": TINY_SELECTOR,
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": TINY_SELECTOR},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "minReadySeconds": 0,
                "progressDeadlineSeconds": 600,
                "template": {
                    "metadata": {"labels": TINY_SELECTOR},
                    "spec": {
                        "terminationGracePeriodSeconds": 30,
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,
                        "containers": [container],
                    },
                },
            },
        },
    )


def test_a_full_spec_becomes_all_five_kinds_in_the_order_of_their_need() -> None:
    """Claims and the disruption budget stand before the pods, the autoscaler after what it scales."""
    kinds = [one["kind"] for one in manifests(FULL, "here", run="run-1")]
    assert kinds == [
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
    ]


def test_a_full_spec_becomes_this_deployment() -> None:
    """Every field that concerns pods and their replacement lands in the Deployment, and replicas do not."""
    spread = {
        "maxSkew": 2,
        "labelSelector": {"matchLabels": MODEL_SELECTOR},
        "matchLabelKeys": ["pod-template-hash"],
    }
    probe = {
        "periodSeconds": 10,
        "timeoutSeconds": 1,
        "failureThreshold": 3,
        "successThreshold": 1,
        "initialDelaySeconds": 0,
    }
    assert by_kind(FULL)["Deployment"]["spec"] == {
        "selector": {"matchLabels": MODEL_SELECTOR},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "minReadySeconds": 4,
        "progressDeadlineSeconds": 120,
        "template": {
            "metadata": {"labels": {"team": "serving", **MODEL_SELECTOR}},
            "spec": {
                "terminationGracePeriodSeconds": 20,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "topologySpreadConstraints": [
                    {**spread, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"},
                    {**spread, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"},
                ],
                "nodeSelector": {"pool": "cpu"},
                "tolerations": [
                    {
                        "key": "node.kubernetes.io/unreachable",
                        "operator": "Exists",
                        "effect": "NoExecute",
                        "tolerationSeconds": 10,
                    }
                ],
                "volumes": [
                    {"name": "scratch", "emptyDir": {}},
                    {"name": "weights", "persistentVolumeClaim": {"claimName": "model-weights"}},
                ],
                "containers": [
                    {
                        "name": "model",
                        "image": "registry.example/model:2",
                        "imagePullPolicy": "Never",
                        "command": ["/bin/serve"],
                        "args": ["--threads", "1"],
                        "env": [{"name": "MODEL", "value": "small"}],
                        "ports": [{"name": "http", "containerPort": 9000, "protocol": "TCP"}],
                        "resources": {
                            "requests": {"cpu": "200m", "memory": "128Mi"},
                            "limits": {"cpu": "1", "memory": "1Gi"},
                        },
                        "securityContext": {
                            "runAsNonRoot": True,
                            "runAsUser": 1000,
                            "readOnlyRootFilesystem": True,
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "volumeMounts": [
                            {"name": "scratch", "mountPath": "/tmp/work"},  # noqa: S108  # a path in the container
                            {"name": "weights", "mountPath": "/weights"},
                        ],
                        "startupProbe": {
                            "httpGet": {"path": "/startup", "port": "http"},
                            "periodSeconds": 2,
                            "timeoutSeconds": 3,
                            "failureThreshold": 40,
                            "successThreshold": 1,
                            "initialDelaySeconds": 5,
                        },
                        "readinessProbe": {
                            **probe,
                            "httpGet": {"path": "/ready", "port": "http"},
                            "successThreshold": 2,
                        },
                        "livenessProbe": {**probe, "httpGet": {"path": "/live", "port": "http"}},
                        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
                    }
                ],
            },
        },
    }


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (
            "PersistentVolumeClaim",
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "2Gi"}},
                "storageClassName": "fast",
            },
        ),
        (
            "PodDisruptionBudget",
            {
                "minAvailable": "50%",
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": MODEL_SELECTOR},
            },
        ),
        (
            "Service",
            {
                "selector": MODEL_SELECTOR,
                "ports": [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
            },
        ),
        (
            "HorizontalPodAutoscaler",
            {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
                "minReplicas": 2,
                "maxReplicas": 8,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
                    }
                ],
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
                    "scaleDown": {"stabilizationWindowSeconds": 15},
                },
            },
        ),
    ],
)
def test_the_objects_around_the_deployment_say_what_the_spec_says(kind: str, spec: dict[str, Any]) -> None:
    """Each of the other kinds carries its part of the full spec, whole."""
    assert by_kind(FULL)[kind]["spec"] == spec


def test_every_object_is_labelled_as_ours_and_lies_in_the_namespace() -> None:
    """Each object bears the system's name, gameday's mark, the run and the user's own labels."""
    labels = {**MODEL_SELECTOR, "gameday.dev/run": "run-1", "team": "serving"}
    for one in manifests(FULL, "here", run="run-1"):
        assert one["metadata"]["labels"] == labels
        assert one["metadata"]["namespace"] == "here"


def test_another_run_changes_neither_the_selector_nor_the_pods() -> None:
    """Between two runs of one system only the label on the objects differs, so that no pod is replaced."""
    one, other = (manifests(FULL, "here", run=run) for run in ("run-1", "run-2"))
    assert [thing["spec"] for thing in one] == [thing["spec"] for thing in other]
    assert one != other
    assert selector(FULL) == MODEL_SELECTOR


def test_a_run_whose_name_may_not_be_a_label_is_cut_and_marked() -> None:
    """Long or odd names of runs become valid label values that still differ from each other."""
    long = "20260101T120000Z-" + "pod-kill-" * 10
    values = {label_value(long + end) for end in ("1", "2")} | {label_value("a[b]"), label_value("[]")}
    assert len(values) == 4
    assert all(len(value) <= 63 and value[-1].isalnum() for value in values)
    assert label_value("20260101T120000Z-pod-kill-8877") == "20260101T120000Z-pod-kill-8877"


WEIGHTS = Volume(
    name="weights",
    mount_path="/weights",
    storage="1Gi",
    access_mode="ReadOnlyMany",
    read_only=True,
    fill=Fill(command=("cp", "a", "b"), files=("model.gguf",)),
)


def test_a_claim_that_many_read_is_filled_by_a_job_that_may_write() -> None:
    """It asks for a writer too; the Job mounts it writable, the replicas do not, and no Service leads to the Job."""
    spec = SMALL.having(volumes=(WEIGHTS,))
    (claim, service, deployment) = manifests(spec, "ns", run="run-1")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce", "ReadOnlyMany"]
    (mount,) = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert mount == {"name": "weights", "mountPath": "/weights", "readOnly": True}
    assert WEIGHTS.fill is not None
    job = fill_job(spec, WEIGHTS, WEIGHTS.fill, "ns", run="run-1")
    pod = job["spec"]["template"]
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == ("tiny-weights-fill", "ns")
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert (container["image"], container["command"]) == (SMALL.image, ["cp", "a", "b"])
    assert container["volumeMounts"] == [{"name": "weights", "mountPath": "/weights"}]
    assert pod["spec"]["volumes"] == deployment["spec"]["template"]["spec"]["volumes"]
    assert WEIGHTS.kept_files == ("/weights/model.gguf",)


def test_a_claim_of_each_replicas_own_is_filled_by_an_init_container() -> None:
    """There is no claim and no Job beside the pods: each pod has its own, filled before the server starts."""
    own = Volume(**{**WEIGHTS.model_dump(), "per_replica": True, "access_mode": "ReadWriteOncePod"})
    (_, deployment) = manifests(SMALL.having(volumes=(own,)), "ns", run="run-1")
    pod = deployment["spec"]["template"]["spec"]
    (init,) = pod["initContainers"]
    assert (init["name"], init["command"]) == ("fill-weights", ["cp", "a", "b"])
    assert init["volumeMounts"] == [{"name": "weights", "mountPath": "/weights"}]
    (volume,) = pod["volumes"]
    assert volume["ephemeral"]["volumeClaimTemplate"]["spec"]["accessModes"] == ["ReadWriteOncePod"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"storage": None, "fill": None, "per_replica": True}, "per_replica goes only with storage"),
        ({"storage": None}, "fill goes only with storage"),
        ({"access_mode": "ReadWriteOncePod"}, "lets no Job fill the claim"),
        ({"fill": {"command": ["cp"], "files": ["/etc/passwd"]}}, "files must be paths below the mount path"),
        ({"fill": {"command": ["cp"], "files": ["../x"]}}, "files must be paths below the mount path"),
        ({"fill": {"command": [], "files": ["x"]}}, "fill.command"),
    ],
)
def test_a_fill_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    """Each mistake is told in words."""
    with pytest.raises(UsageError, match=words):
        Volume(**{**WEIGHTS.model_dump(), **changes})


def test_a_metric_of_the_pods_takes_the_place_of_cpu_and_is_scraped() -> None:
    """The autoscaler asks for the average over the pods, and the pods ask Prometheus to be scraped at their port."""
    scale = Autoscale(replicas_max=4, metric="model_requests_waiting", average="2")
    made = by_kind(SystemSpec(name="model", image="model:1", port=8080, autoscale=scale))
    target = {"type": "AverageValue", "averageValue": "2"}
    (metric,) = made["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric == {"type": "Pods", "pods": {"metric": {"name": "model_requests_waiting"}, "target": target}}
    annotations = made["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}


def test_no_other_pods_ask_to_be_scraped() -> None:
    """Those of an autoscaler on CPU are as they were."""
    made = by_kind(SystemSpec(name="model", image="model:1", autoscale=Autoscale(replicas_max=4)))
    assert "annotations" not in made["Deployment"]["spec"]["template"]["metadata"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"metric": "model_requests_waiting"}, "metric and average go only together"),
        ({"average": "2"}, "metric and average go only together"),
        ({"metric": "model_requests_waiting", "average": "2", "cpu_percent": 60}, "give cpu_percent or metric"),
        ({"metric": "a metric", "average": "2"}, "metric"),
    ],
)
def test_a_metric_that_is_half_given_is_refused(fields: dict[str, Any], words: str) -> None:
    """Before anything is deployed."""
    with pytest.raises(UsageError, match=words):
        Autoscale(replicas_max=4, **fields)


def test_keda_is_asked_for_the_autoscaler_by_a_scaled_object() -> None:
    """No autoscaler beside it; a trigger is as it was given, but for the namespace, and what is left out is absent."""
    query = 'sum(model_requests_waiting{namespace="$namespace"})'
    trigger = {"type": "prometheus", "metadata": {"query": query, "threshold": "2"}, "metricType": "AverageValue"}
    scale = Autoscale(replicas_min=0, replicas_max=4, keda=Keda(triggers=(trigger,), polling_s=5, cooldown_s=20))
    objects = by_kind(SMALL.having(autoscale=scale))
    assert "HorizontalPodAutoscaler" not in objects
    made = objects["ScaledObject"]
    assert made["apiVersion"] == "keda.sh/v1alpha1"
    assert made["metadata"]["namespace"] == "here"
    assert made["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "tiny"},
        "minReplicaCount": 0,
        "maxReplicaCount": 4,
        "pollingInterval": 5,
        "cooldownPeriod": 20,
        "initialCooldownPeriod": 0,
        "triggers": [
            {**trigger, "metadata": {"query": 'sum(model_requests_waiting{namespace="here"})', "threshold": "2"}}
        ],
    }
    template = objects["Deployment"]["spec"]["template"]
    assert "replicas" not in objects["Deployment"]["spec"]
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


def test_a_scaled_object_has_idle_number_fallback_and_windows() -> None:
    """As the owner gives them, where KEDA has them."""
    keda = Keda(triggers=({"type": "cpu", "metadata": {"value": "60"}},), replicas_idle=0, fallback_replicas=3)
    scale = Autoscale(replicas_min=2, replicas_max=4, keda=keda, scale_down_window_s=60)
    made = by_kind(SMALL.having(autoscale=scale))["ScaledObject"]["spec"]
    assert (made["idleReplicaCount"], made["fallback"]) == (0, {"failureThreshold": 3, "replicas": 3})
    behaviour = made["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour == {"scaleDown": {"stabilizationWindowSeconds": 60}}
