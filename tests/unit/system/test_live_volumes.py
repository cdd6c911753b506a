"""The volumes that running replicas mount, and the files on them that must survive."""

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system import SystemSpec
from chaos.system.adopt.live_spec import shared_claims, spec_of, volumes_of
from chaos.system.spec.parts import Volume


def workload(
    mounts: list[dict[str, Any]], volumes: list[dict[str, Any]], *, kind: str = "Deployment", **spec: Any
) -> dict[str, Any]:
    """A workload whose server has these mounts, beside a helper that mounts what is none of its business."""
    server = {"name": "server", "image": "registry.example/chat:1", "volumeMounts": mounts}
    helper = {"name": "helper", "image": "registry.example/log:1", "volumeMounts": [{"name": "log", "mountPath": "/l"}]}
    log = {"name": "log", "persistentVolumeClaim": {"claimName": "log"}}
    pod = {"containers": [server, helper], "volumes": [*volumes, log]}
    return {
        "kind": kind,
        "metadata": {"name": "chat", "namespace": "llm"},
        "spec": {"replicas": 3, "template": {"spec": pod}, **spec},
    }


def claim(*modes: str, storage: str = "500Mi", storage_class: str | None = "nfs") -> dict[str, Any]:
    """A claim as it is in the cluster, or as a template writes it."""
    asked = {"accessModes": list(modes), "resources": {"requests": {"storage": storage}}}
    return {
        "metadata": {"name": "models"},
        "spec": asked | ({"storageClassName": storage_class} if storage_class else {}),
    }


SHARED = {"name": "models", "persistentVolumeClaim": {"claimName": "llm-models"}}
AT_MODELS = {"name": "models", "mountPath": "/models", "readOnly": True}
PLAIN = workload([AT_MODELS], [SHARED])


def read(found: dict[str, Any], claims: dict[str, Any] | None = None, *data: str) -> tuple[Volume, ...]:
    """The volumes of a workload."""
    return volumes_of(found, claims or {}, data)


def test_a_shared_claim_is_read_with_what_it_asks_for() -> None:
    """Size, class and the widest use of the live claim; where it is mounted and how; the helper's is left out."""
    (volume,) = read(PLAIN, {"llm-models": claim("ReadWriteOnce", "ReadOnlyMany")})
    assert (volume.name, volume.mount_path, volume.read_only, volume.claim) == ("models", "/models", True, "llm-models")
    assert (volume.storage, volume.storage_class, volume.access_mode) == ("500Mi", "nfs", "ReadOnlyMany")
    assert (volume.shared_claim, volume.per_replica, volume.kept_files) == (True, False, ())
    assert shared_claims(PLAIN) == ("llm-models",)


def test_a_claim_that_nobody_looked_up_is_a_claim_all_the_same() -> None:
    """Without the right to see it, its name and its place are known, and its size and use are not made up."""
    (volume,) = read(PLAIN)
    assert (volume.claim, volume.shared_claim, volume.storage, volume.access_mode) == ("llm-models", True, None, None)


def test_the_claims_own_word_makes_a_mount_read_only() -> None:
    """A pod may say so of the claim as well as of the mount."""
    source = {"name": "models", "persistentVolumeClaim": {"claimName": "m", "readOnly": True}}
    (volume,) = read(workload([{"name": "models", "mountPath": "/models"}], [source]))
    assert volume.read_only


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_a_claim_of_each_replicas_own_is_read_from_its_template(kind: str) -> None:
    """A StatefulSet writes it beside the pod and over a volume of that name, an ephemeral volume within the pod."""
    mounts, own = [{"name": "models", "mountPath": "/models/"}], claim("ReadWriteOnce", storage_class=None)
    if kind == "StatefulSet":
        found = workload(mounts, [SHARED], kind=kind, volumeClaimTemplates=[own])
    else:
        found = workload(mounts, [{"name": "models", "ephemeral": {"volumeClaimTemplate": own}}])
    (volume,) = read(found, {}, "/models/a.gguf")
    assert (volume.per_replica, volume.shared_claim, volume.claim) == (True, False, None)
    assert (volume.storage, volume.storage_class, volume.access_mode) == ("500Mi", None, "ReadWriteOnce")
    assert volume.kept_files == ("/models/a.gguf",)
    assert shared_claims(found) == ()


def test_what_no_spec_can_say_is_left_out() -> None:
    """A folder of the pod's own is read; a ConfigMap and a node's folder are not, nor what is not mounted."""
    sources = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "conf", "configMap": {"name": "c"}},
        {"name": "host", "hostPath": {"path": "/srv"}},
        {"name": "unused", "persistentVolumeClaim": {"claimName": "unused"}},
    ]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("tmp", "conf", "host")]
    (volume,) = read(workload(mounts, sources))
    assert (volume.name, volume.shared_claim, volume.per_replica, volume.read_only) == ("tmp", False, False, False)


def test_files_go_to_the_claim_that_is_mounted_nearest() -> None:
    """One claim may be mounted twice, and another below it."""
    inner = {"name": "inner", "persistentVolumeClaim": {"claimName": "inner"}}
    mounts = [
        AT_MODELS,
        {"name": "inner", "mountPath": "/models/in"},
        {"name": "models", "mountPath": "/again", "subPath": "x"},
    ]
    found = workload(mounts, [SHARED, inner])
    data = ("/models/a", "/models/in/b", "/again/deep/c")
    volumes = {volume.mount_path: volume for volume in read(found, {}, *data)}
    assert {path: volume.files for path, volume in volumes.items()} == {
        "/models": ("a",),
        "/models/in": ("b",),
        "/again": ("deep/c",),
    }
    spec = spec_of(found, port=80, budget=None, autoscaler=None, tolerance=None, volumes=tuple(volumes.values()))
    assert spec.kept_files == data
    assert shared_claims(found) == ("llm-models", "inner")
    assert spec.model_dump(mode="json")["volumes"][0]["claim"] == "llm-models"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/weights/model.gguf", "/weights/model.gguf of Deployment llm/chat lies on no volume: nothing keeps it"),
        ("/modelsx", "/modelsx of Deployment llm/chat lies on no volume"),
        ("/models/tmp/a", "lies in /models/tmp, where no claim is mounted"),
        ("/conf/a", "lies in /conf, where no claim is mounted"),
        ("/l/a", "lies on no volume"),
    ],
)
def test_a_file_that_no_claim_keeps_is_refused(path: str, told: str) -> None:
    """In words, with the places where claims are mounted in the container that serves."""
    sources = [SHARED, {"name": "tmp", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "c"}}]
    mounts = [AT_MODELS, {"name": "tmp", "mountPath": "/models/tmp"}, {"name": "conf", "mountPath": "/conf"}]
    with pytest.raises(UsageError) as raised:
        read(workload(mounts, sources), {}, path)
    assert told in raised.value.what
    assert raised.value.what.startswith("system.data: ")
    assert raised.value.fix == "its claims are mounted at /models"


def test_without_any_claim_that_is_said() -> None:
    """There is nothing to name then."""
    with pytest.raises(UsageError, match="it mounts no claim at all"):
        read(workload([], []), {}, "/models/a")


def test_people_cannot_name_a_claim_that_is_not_theirs_to_deploy() -> None:
    """What a trial deploys gets claims of its own; files of a claim need one."""
    for fields, told in (
        ({"claim": "llm-models"}, "claim is read from a system that already runs"),
        ({"files": ["a"]}, "files goes only with storage"),
        ({"files": ["/a"], "storage": "1Gi"}, "files must be paths below the mount path"),
        ({"storage": "1Gi", "access_mode": None}, "access_mode is missing"),
    ):
        with pytest.raises(UsageError, match=told):
            SystemSpec(name="m", image="i", volumes=[{"name": "w", "mount_path": "/w", **fields}])
