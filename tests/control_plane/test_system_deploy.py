"""A system on a real control plane: applied, available, changed, refused, taken down."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_room import limit
from simulated_cluster import SimulatedCluster
from system_ground import MODEL, SystemGround, system_ground

from chaos.cluster import mutations, ref_of
from chaos.errors import ClusterRefused, UsageError
from chaos.lab.addons.keda import MODULE, PATH, manifests
from chaos.lab.host.toolchain import go_output
from chaos.objects.kinds import EndpointSliceView
from chaos.objects.pod import PodView
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.system import Autoscale, DisruptionBudget, Keda, NeverAvailable, System, Toleration, Volume, deploy
from chaos.system import manifests as system_manifests
from chaos.trial.preflight.checks import without_keda
from chaos.wait import until

ALL_KINDS = MODEL.having(
    autoscale=Autoscale(replicas_min=2, replicas_max=6, scale_down_window_s=15),
    volumes=[Volume(name="weights", mount_path="/weights"), Volume(name="tmp", mount_path="/work")],
)


TRIGGER = {
    "type": "prometheus",
    "metadata": {"serverAddress": "http://prometheus:9090", "query": "sum(up)", "threshold": "2"},
}


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SystemGround]:
    """A watched namespace of the test's own."""
    with system_ground(simulated, tmp_path, request.node.name) as made:
        yield made


def versions(ground: SystemGround, system: System) -> dict[str, tuple[str, int | None]]:
    """The resourceVersion and generation of everything that was applied."""
    found = {ref.kind: ground.get(ref.kind, ref.name)["metadata"] for ref in system.objects}
    return {kind: (metadata["resourceVersion"], metadata.get("generation")) for kind, metadata in found.items()}


def owned_fields(ground: SystemGround) -> set[str]:
    """The fields of the Deployment's spec that gameday's applies own."""
    entries = ground.get("Deployment")["metadata"]["managedFields"]
    mine = [one for one in entries if one["manager"] == "gameday" and one["operation"] == "Apply"]
    return {field for one in mine for field in one["fieldsV1"]["f:spec"]}


def test_a_system_comes_up_whole(ground: SystemGround) -> None:
    """When waiting ends, all replicas are Ready, endpoints of the Service, and counted by the disruption budget."""
    system = ground.deploy(MODEL.having(disruption_budget=DisruptionBudget(min_available=2)))
    ground.wait(system)
    pods = [PodView(raw) for raw in ground.cluster.list("Pod", ground.namespace)]
    slices = [EndpointSliceView(raw) for raw in ground.cluster.list("EndpointSlice", ground.namespace)]
    endpoints = {one.pod_uid for piece in slices for one in piece.endpoints if one.ready}
    budget = ground.get("PodDisruptionBudget")["status"]
    assert len(pods) == 3
    assert all(pod.ready and system.selector.items() <= pod.labels.items() for pod in pods)
    assert endpoints == {pod.uid for pod in pods}
    assert (budget["currentHealthy"], budget["desiredHealthy"], budget["disruptionsAllowed"]) == (3, 2, 1)
    assert system.cluster_ip == ground.get("Service")["spec"]["clusterIP"]
    assert system.workload.uid == ground.get("Deployment")["metadata"]["uid"]
    assert (system.service, system.port, system.pods_before) == ("model", 80, 0)


def test_applying_again_changes_nothing(ground: SystemGround) -> None:
    """The same spec and run, applied to a running system, leave every resourceVersion and generation as they were."""
    system = ground.deploy(MODEL)
    ground.wait(system)
    before = versions(ground, system)
    assert ground.deploy(MODEL).objects == system.objects
    assert versions(ground, system) == before


def test_another_run_replaces_no_pod(ground: SystemGround) -> None:
    """A new run's label reaches the objects; the Deployment's generation, and so every pod, stays."""
    ground.wait(ground.deploy(MODEL, run="run-1"))
    before = ground.get("Deployment")["metadata"]["generation"]
    ground.deploy(MODEL, run="run-2")
    metadata = ground.get("Deployment")["metadata"]
    assert metadata["labels"]["gameday.dev/run"] == "run-2"
    assert metadata["generation"] == before


def test_a_changed_system_is_available_when_the_old_pods_are_gone(ground: SystemGround) -> None:
    """After a change that replaces pods, waiting ends only when all pods have the new template."""
    ground.wait(ground.deploy(MODEL))
    changed = ground.deploy(MODEL.having(env={"MODEL": "larger"}))
    assert changed.pods_before == 3
    ground.wait(changed)
    pods = [PodView(raw) for raw in ground.cluster.list("Pod", ground.namespace)]
    new = [pod.name for pod in pods if pod.spec["containers"][0].get("env") == [{"name": "MODEL", "value": "larger"}]]
    assert len(new) == 3


def test_the_autoscaler_owns_the_replicas(ground: SystemGround) -> None:
    """With an autoscaler gameday does not own the number: it is lifted to the minimum, and applying again leaves it."""
    system = ground.deploy(ALL_KINDS)
    assert "f:replicas" not in owned_fields(ground)
    ground.wait(system, deadline_s=60)
    assert ground.get("Deployment")["spec"]["replicas"] == 2
    done = ground.executor.do(mutations.scale(system.workload, 4))
    assert done.outcome == "ok"
    ground.deploy(ALL_KINDS)
    assert ground.get("Deployment")["spec"]["replicas"] == 4


def test_without_an_autoscaler_gameday_owns_the_replicas(ground: SystemGround) -> None:
    """The number of a system without an autoscaler is part of what is applied."""
    ground.deploy(MODEL)
    assert "f:replicas" in owned_fields(ground)


def test_every_kind_of_object_is_taken_by_the_api_server(ground: SystemGround) -> None:
    """A spec with every part, a claim among them, is valid to the real API server."""
    claim = Volume(name="data", mount_path="/data", storage="1Gi", storage_class="none")
    system = ground.deploy(ALL_KINDS.having(volumes=[claim], tolerations=[Toleration(key="gpu")]))
    assert [ref.kind for ref in system.objects] == [
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
    ]
    assert ground.get("PersistentVolumeClaim", "model-data")["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.fixture
def keda(ground: SystemGround) -> Iterator[None]:
    """The kind of KEDA's own module, served until the test's end; nobody acts on it."""
    downloaded = json.loads(go_output(MODULE, "mod", "download", "-json", PATH))
    config = Path(downloaded["Dir"]) / "config"
    (definition,) = [one for one in manifests(config) if one["metadata"]["name"] == "scaledobjects.keda.sh"]
    done = ground.executor.do(mutations.create(definition))
    assert done.outcome == "ok", done.reason
    until(lambda: not without_keda(ground.cluster), deadline_s=30, awaited="ScaledObjects to be served")
    yield
    ground.executor.do(mutations.delete(ref_of(definition)))


@pytest.mark.usefixtures("keda")
def test_a_scaled_object_is_taken_by_kedas_own_schema(ground: SystemGround) -> None:
    """Every field that a spec can say is kept, applying again changes nothing, and no autoscaler is made beside."""
    said = Keda(triggers=(TRIGGER,), cooldown_s=20, initial_cooldown_s=60, replicas_idle=0, fallback_replicas=4)
    spec = MODEL.having(autoscale=Autoscale(replicas_min=2, replicas_max=6, keda=said, scale_down_window_s=15))
    system = ground.deploy(spec)
    before = versions(ground, system)[SCALED_OBJECT]
    assert [ref.kind for ref in system.objects][-1] == SCALED_OBJECT
    asked = next(one for one in system_manifests(spec, ground.namespace, run="run-1") if one["kind"] == "ScaledObject")
    kept = ground.get(SCALED_OBJECT)["spec"]
    assert kept["fallback"].pop("behavior") == "static"  # its schema's own default
    assert kept == asked["spec"]
    assert ground.deploy(spec).objects == system.objects
    assert versions(ground, system)[SCALED_OBJECT] == before
    assert not ground.cluster.list("HorizontalPodAutoscaler", ground.namespace)


def test_what_the_api_server_finds_invalid_is_told_by_its_field(ground: SystemGround) -> None:
    """A value that only the server can judge comes back as a UsageError with the object and the field."""
    with pytest.raises(UsageError) as raised:
        ground.deploy(MODEL.having(tolerations=[Toleration(key="no such/key/at all")]))
    assert f"Deployment {ground.namespace}/model is invalid" in str(raised.value)
    assert "spec.template.spec.tolerations[0].key" in str(raised.value)


def test_a_missing_namespace_is_named(ground: SystemGround) -> None:
    """Deploying into a namespace that is not there says so."""
    with pytest.raises(ClusterRefused, match="create namespace nowhere first"):
        deploy(ground.executor, MODEL, "nowhere", run="run-1")


def test_a_field_that_another_owns_is_not_taken_silently(ground: SystemGround) -> None:
    """A conflict names the field and its owner; with force it is taken over."""
    ground.deploy(MODEL)
    other = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "model", "namespace": ground.namespace},
        "spec": {"replicas": 5},
    }
    assert ground.executor.do(mutations.apply(other, field_manager="somebody", force=True)).outcome == "ok"
    with pytest.raises(ClusterRefused) as raised:
        ground.deploy(MODEL)
    assert ".spec.replicas" in str(raised.value)
    assert "somebody" in str(raised.value)
    ground.deploy(MODEL, force=True)
    assert ground.get("Deployment")["spec"]["replicas"] == 3


def test_a_forbidden_object_is_told_with_what_forbids_it(ground: SystemGround) -> None:
    """An object that a quota forbids is named with the quota."""
    limit(ground.cluster, ground.executor, ground.namespace, {"count/deployments.apps": "0"})

    with pytest.raises(ClusterRefused) as raised:
        ground.deploy(MODEL)
    assert f"Deployment {ground.namespace}/model is forbidden" in str(raised.value)
    assert "exceeded quota: small" in str(raised.value)


def test_pods_that_a_quota_forbids_end_the_wait_early(ground: SystemGround) -> None:
    """Refused pods are told by their ReplicaSet, long before the deadline that the probes would give."""
    limit(ground.cluster, ground.executor, ground.namespace, {"pods": "1"})
    system = ground.deploy(MODEL)
    with pytest.raises(NeverAvailable) as raised:
        ground.wait(system)
    assert "will never be available" in str(raised.value)
    assert "a quota does not allow its pods" in str(raised.value)
    assert "exceeded quota: small" in str(raised.value)
    assert {one.kind for one in raised.value.blockers} == {"refused"}


def test_a_pod_that_fits_nowhere_is_told_in_the_schedulers_words(ground: SystemGround) -> None:
    """At the deadline the error says how many replicas are ready and why the others are not."""
    system = ground.deploy(MODEL.having(replicas=2, cpu_request="5", cpu_limit=None))
    ground.wait(system)
    bigger = ground.deploy(MODEL.having(replicas=5, cpu_request="5", cpu_limit=None))
    with pytest.raises(NeverAvailable) as raised:
        ground.wait(bigger, deadline_s=3)
    assert "not available within 3 s: 3 of 5 replicas are ready" in str(raised.value)
    assert "Insufficient cpu" in str(raised.value)
    assert [one.kind for one in raised.value.blockers] == ["unschedulable", "unschedulable"]
