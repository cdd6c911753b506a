"""Plain manifests read from a folder: what they amount to, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.errors import UsageError
from chaos.system.deploy.manifest_folder import read_manifests

LABELS = {"app": "chat"}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "chat", "namespace": "elsewhere"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "server", "image": "registry.example/chat:1"}]},
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "chat"},
    "spec": {"selector": LABELS, "ports": [{"port": 80}]},
}


def test_a_folder_amounts_to_a_spec(tmp_path: Path) -> None:
    """Files of many documents, lists and JSON are read; what they say is the spec that markers are compared with."""
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([DEPLOYMENT, None]))
    (tmp_path / "b.json").write_text(json.dumps({"kind": "List", "items": [SERVICE]}))
    (tmp_path / "notes.txt").write_text("not a manifest")
    manifests = read_manifests(tmp_path)
    assert [one["kind"] for one in manifests.objects] == ["Deployment", "Service"]
    assert (manifests.spec.name, manifests.spec.replicas, manifests.spec.service_port) == ("chat", 3, 80)
    (placed,) = manifests.list("Deployment", "trial")
    assert placed["metadata"]["namespace"] == "trial"
    assert DEPLOYMENT["metadata"]["namespace"] == "elsewhere"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"kind": "Deployment"}, "no metadata.name"),
        ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}, "Namespace x is not a kind"),
        ({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}}, "Widget x is not a kind"),
        (
            {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}},
            r"has the version policy/v1beta1(.|\n)*use policy/v1",
        ),
        ("text", "so it is no manifest"),
    ],
)
def test_what_is_no_manifest_of_a_system_is_refused_with_its_file(tmp_path: Path, document: Any, words: str) -> None:
    """Objects without a namespace would be left behind; versions that Kubernetes removed are named."""
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UsageError, match=words) as raised:
        read_manifests(tmp_path)
    assert "wrong.yaml" in str(raised.value)


def test_a_folder_must_hold_one_workload(tmp_path: Path) -> None:
    """None and two are both named, and so is an empty folder."""
    with pytest.raises(UsageError, match="there is no manifest in"):
        read_manifests(tmp_path)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(SERVICE))
    with pytest.raises(UsageError, match="holds 0 workloads: none"):
        read_manifests(tmp_path).query("x")
    second = {**DEPLOYMENT, "metadata": {"name": "other"}}
    (tmp_path / "b.yaml").write_text(yaml.safe_dump_all([DEPLOYMENT, second]))
    with pytest.raises(UsageError, match="holds 2 workloads: Deployment chat, Deployment other"):
        read_manifests(tmp_path).query("x")
