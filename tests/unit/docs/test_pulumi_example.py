"""The Pulumi example: what its program declares, as manifests; and what was unsound in the program it grew from."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.review import review
from chaos.system.deploy.manifest_folder import read_manifests

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "pulumi"
HARVEST_S = 60.0

needs_pulumi = pytest.mark.skipif(
    importlib.util.find_spec("pulumi_kubernetes") is None, reason="needs pip install 'gameday[pulumi]'"
)

SEED = """
import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.autoscaling.v1 import HorizontalPodAutoscaler
from pulumi_kubernetes.policy.v1beta1 import PodDisruptionBudget

labels = {"app": "language-model"}
probe = {"httpGet": {"path": "/healthz", "port": 80}}
container = {
    "name": "language-model",
    "image": "language-model:latest",
    "ports": [{"containerPort": 80}],
    "readinessProbe": probe,
    "livenessProbe": probe,
}
deployment = Deployment(
    "language-model",
    metadata={"name": "language-model"},
    spec={
        "replicas": 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    },
)
PodDisruptionBudget("pdb", metadata={"name": "pdb"}, spec={"minAvailable": 2, "selector": {"matchLabels": labels}})
HorizontalPodAutoscaler(
    "hpa",
    metadata={"name": "hpa"},
    spec={
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.metadata["name"]},
        "minReplicas": 2,
        "maxReplicas": 10,
        "targetCPUUtilizationPercentage": 80,
    },
)
"""
"""A program of the shape that this project began with."""


def harvest(program: Path, folder: Path, *settings: str) -> None:
    """Write what a program declares into a folder."""
    command = [sys.executable, str(EXAMPLE / "manifests.py"), str(program), str(folder), *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HARVEST_S)
    assert done.returncode == 0, done.stderr


@needs_pulumi
def test_the_example_is_a_sound_system(tmp_path: Path) -> None:
    """Its objects are of served versions, belong together, and nothing is found lacking."""
    harvest(
        EXAMPLE / "__main__.py",
        tmp_path,
        "model:image=registry.example/model:1",
        "model:pool=blue",
        "model:storage=2Gi",
    )
    spec = read_manifests(tmp_path).spec
    assert (spec.name, spec.image, spec.service_port, spec.port) == (
        "language-model",
        "registry.example/model:1",
        80,
        8080,
    )
    assert spec.autoscale is not None
    assert (spec.autoscale.replicas_min, spec.autoscale.replicas_max, spec.autoscale.cpu_percent) == (3, 10, 80)
    assert dict(spec.node_selector) == {"gameday.dev/pool": "blue"}
    assert {one["kind"] for one in read_manifests(tmp_path).objects} == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "PersistentVolumeClaim",
    }
    assert review([str(tmp_path)]).findings == ()


@needs_pulumi
def test_what_was_unsound_in_the_first_program_is_found(tmp_path: Path) -> None:
    """A removed version, no Service, no CPU request under a CPU autoscaler, one path for two probes, no version tag."""
    program = tmp_path / "seed.py"
    program.write_text(SEED)
    harvest(program, tmp_path / "out")
    told = CliRunner().invoke(app, ["review", str(tmp_path / "out")])
    assert told.exit_code == 1
    for words in (
        "policy/v1beta1 is not served since Kubernetes 1.25: write policy/v1",
        "no Service",
        "no CPU request in container language-model",
        "liveness and readiness ask the same",
        "image language-model:latest names no version",
        "3 replicas are written beside HorizontalPodAutoscaler hpa",
    ):
        assert words in told.stdout


@needs_pulumi
def test_what_only_a_provider_can_expand_is_named(tmp_path: Path) -> None:
    """A ConfigFile would be written as nothing; it ends in an error instead."""
    program = tmp_path / "file.py"
    program.write_text("from pulumi_kubernetes.yaml.v2 import ConfigFile\nConfigFile('all', file='all.yaml')\n")
    command = [sys.executable, str(EXAMPLE / "manifests.py"), str(program), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HARVEST_S)
    assert done.returncode != 0
    assert "kubernetes:yaml/v2:ConfigFile" in done.stderr
