"""What is unsound in manifests is found one by one; what is sound is left in peace."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.system.review import review

LABELS = {"app": "chat"}
CONTAINER: dict[str, Any] = {
    "name": "server",
    "image": "registry.example:5000/chat:1",
    "ports": [{"containerPort": 8000}],
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8000}},
    "livenessProbe": {"httpGet": {"path": "/livez", "port": 8000}},
}


def sound() -> dict[str, dict[str, Any]]:
    """A system that lacks nothing, by kind."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [copy.deepcopy(CONTAINER)]}}
    metadata, selector = {"name": "chat"}, {"matchLabels": LABELS}
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 3, "selector": selector, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8000}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"maxUnavailable": 1, "selector": selector},
        },
    ]
    return {one["kind"]: one for one in objects}


def found(folder: Path, objects: dict[str, dict[str, Any]]) -> list[str]:
    """What the review says."""
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects.values()))
    return [one.text for one in review(folder)]


def test_a_sound_system_lacks_nothing(tmp_path: Path) -> None:
    """No finding for its own sake."""
    assert found(tmp_path, sound()) == []


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget"])
def test_a_missing_object_is_found(tmp_path: Path, kind: str) -> None:
    """Without its Service, or its disruption budget, there is just that one finding."""
    objects = sound()
    del objects[kind]
    (told,) = found(tmp_path, objects)
    assert {"Service": "no Service", "PodDisruptionBudget": "no disruption budget"}[kind] in told


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("readinessProbe", None, "no readiness probe"),
        ("livenessProbe", None, "no liveness probe"),
        ("livenessProbe", CONTAINER["readinessProbe"], "ask the same path"),
        ("resources", {}, "no cpu and memory request"),
        ("image", "registry.example:5000/chat", "names no version"),
        ("image", "chat:latest", "names no version"),
    ],
)
def test_a_lack_of_the_container_is_found(tmp_path: Path, field: str, value: Any, words: str) -> None:
    """Each is one finding."""
    objects = sound()
    container = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    container.pop(field)
    if value is not None:
        container[field] = value
    (told,) = found(tmp_path, objects)
    assert words in told


def test_one_replica_and_an_old_version_are_found(tmp_path: Path) -> None:
    """Both are told, the version first."""
    objects = sound()
    objects["Deployment"]["spec"]["replicas"] = 1
    objects["PodDisruptionBudget"]["apiVersion"] = "policy/v1beta1"
    first, second = found(tmp_path, objects)
    assert "has the version policy/v1beta1" in first
    assert "one replica" in second
