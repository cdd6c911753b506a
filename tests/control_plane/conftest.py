"""A control plane with simulated nodes, started once for all tests of this folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.lab.simulated import SimulatedCluster


def _programs():
    if importlib.util.find_spec("chaos.lab.kube_build"):
        from chaos.lab.kube_build import kube_program, kwok_program
        from chaos.progress import Silent

        return kube_program(Silent()), kwok_program(Silent())
    root = Path("/root/go/pkg/mod/sigs.k8s.io/kwok@v0.8.0/kustomize/stage")  # TEMPORARY until kube_build exists
    stages = [
        p
        for d in ("node/fast", "node/heartbeat-with-lease", "pod/fast")
        for p in sorted((root / d).glob("*.yaml"))
        if p.name != "kustomization.yaml"
    ]
    return Path("/tmp/kube-bin"), SimpleNamespace(binary=Path("/tmp/kwok-bin"), stages=stages)


@pytest.fixture(scope="session")
def simulated() -> Iterator[SimulatedCluster]:
    """A running cluster with three simulated nodes `node-0` … `node-2`; each test uses a namespace of its own."""
    kube, kwok = _programs()
    with SimulatedCluster(kube=kube, kwok=kwok) as cluster:
        cluster.add_nodes(3)
        yield cluster
