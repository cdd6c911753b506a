"""A replicated model service in Pulumi: Deployment, Service, disruption budget, autoscaler, a volume and a node pool.

Configuration: `image` (required), `pool` (the value of the node label gameday.dev/pool to keep to, if any),
`storage` (the size of a shared volume for weights; without it each pod has an empty one).
"""

import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config("model")
image = config.require("image")
pool = config.get("pool")
storage = config.get("storage")

NAME = "language-model"
LABELS = {"app": NAME}
PORT = 8080


def probe(path: str, **periods: int) -> k8s.core.v1.ProbeArgs:
    """A probe of the kubelet on the service's port."""
    return k8s.core.v1.ProbeArgs(http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port=PORT), **periods)


weights = k8s.core.v1.VolumeArgs(name="weights", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs())
if storage:
    claim = k8s.core.v1.PersistentVolumeClaim(
        f"{NAME}-weights",
        metadata={"name": f"{NAME}-weights"},
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteMany"],
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage}),
        ),
    )
    weights = k8s.core.v1.VolumeArgs(
        name="weights",
        persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=f"{NAME}-weights"),
    )

server = k8s.core.v1.ContainerArgs(
    name="server",
    image=image,
    image_pull_policy="IfNotPresent",
    ports=[k8s.core.v1.ContainerPortArgs(container_port=PORT)],
    # The autoscaler measures CPU against this request; without it there is nothing to measure against.
    resources=k8s.core.v1.ResourceRequirementsArgs(
        requests={"cpu": "100m", "memory": "128Mi"}, limits={"cpu": "500m", "memory": "512Mi"}
    ),
    startup_probe=probe("/startupz", period_seconds=1, failure_threshold=60),
    readiness_probe=probe("/readyz", period_seconds=1),
    # Not the readiness path: a replica that is only busy must leave the traffic, not die.
    liveness_probe=probe("/livez", period_seconds=2, timeout_seconds=2),
    # Until every node sends it nothing more, a replica that leaves goes on answering.
    lifecycle=k8s.core.v1.LifecycleArgs(
        pre_stop=k8s.core.v1.LifecycleHandlerArgs(sleep=k8s.core.v1.SleepActionArgs(seconds=10))
    ),
    volume_mounts=[k8s.core.v1.VolumeMountArgs(name="weights", mount_path="/work")],
)

deployment = k8s.apps.v1.Deployment(
    NAME,
    metadata={"name": NAME},
    spec=k8s.apps.v1.DeploymentSpecArgs(
        # No number of replicas: the autoscaler owns it, and `pulumi up` must not fight it.
        selector=k8s.meta.v1.LabelSelectorArgs(match_labels=LABELS),
        template=k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels=LABELS),
            spec=k8s.core.v1.PodSpecArgs(
                containers=[server],
                volumes=[weights],
                node_selector={"gameday.dev/pool": pool} if pool else None,
                termination_grace_period_seconds=60,
            ),
        ),
    ),
)

service = k8s.core.v1.Service(
    NAME,
    metadata={"name": NAME},
    spec=k8s.core.v1.ServiceSpecArgs(selector=LABELS, ports=[k8s.core.v1.ServicePortArgs(port=80, target_port=PORT)]),
)

budget = k8s.policy.v1.PodDisruptionBudget(
    f"{NAME}-pdb",
    metadata={"name": f"{NAME}-pdb"},
    spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=1, selector=k8s.meta.v1.LabelSelectorArgs(match_labels=LABELS)
    ),
)

autoscaler = k8s.autoscaling.v2.HorizontalPodAutoscaler(
    f"{NAME}-hpa",
    metadata={"name": f"{NAME}-hpa"},
    spec=k8s.autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=k8s.autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=deployment.metadata["name"]
        ),
        min_replicas=3,
        max_replicas=10,
        metrics=[
            k8s.autoscaling.v2.MetricSpecArgs(
                type="Resource",
                resource=k8s.autoscaling.v2.ResourceMetricSourceArgs(
                    name="cpu",
                    target=k8s.autoscaling.v2.MetricTargetArgs(type="Utilization", average_utilization=80),
                ),
            )
        ],
    ),
)

pulumi.export("deployment", deployment.metadata["name"])
pulumi.export("service", service.metadata["name"])
