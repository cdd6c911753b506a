"""Nodes of the lab do to containers what the API cannot, for a service that others deployed there, and for no other."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.errors import ClusterRefused, LabError
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, OwnMeans
from chaos.trial.config import GamedayConfig
from chaos.trial.preflight import lab_means
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.preflight.lab_means import means_of_nodes

SERVER = "https://10.89.0.2:6443"


def cluster(server: str = SERVER, uid: str = "lab") -> Any:
    """A cluster by its address and identity."""
    return SimpleNamespace(facts=SimpleNamespace(server=server, uid=uid))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that is up."""
    (tmp_path / "kubeconfig").write_text(f"clusters: [{{cluster: {{server: {SERVER}}}}}]")
    facts = SimpleNamespace(kubeconfig=tmp_path / "kubeconfig", context="gameday-lab")
    monkeypatch.setattr(lab_means, "Lab", lambda: SimpleNamespace(facts=lambda: facts))
    monkeypatch.setattr(lab_means, "connect", lambda **_: nullcontext(cluster()))


@pytest.mark.usefixtures("lab")
def test_only_the_labs_own_cluster_has_them() -> None:
    """By its address and its identity; nodes are not switched off by it."""
    found = means_of_nodes(cluster())
    assert found.containers is not None
    assert found.probes is not None
    assert found.metrics is not None
    assert (found.nodes, found.pod_network) == (None, None)
    assert means_of_nodes(cluster(server="https://staging.example")) == NO_INFRASTRUCTURE
    assert means_of_nodes(cluster(uid="another")) == NO_INFRASTRUCTURE


@pytest.mark.usefixtures("lab")
def test_a_lab_that_does_not_answer_or_is_not_there_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but root may look, and the session goes on without."""

    def fails(error: Exception) -> Any:
        def raising(**_: object) -> None:
            raise error

        return raising

    monkeypatch.setattr(lab_means, "connect", fails(ClusterRefused("no answer")))
    assert means_of_nodes(cluster()) == NO_INFRASTRUCTURE
    monkeypatch.setattr(lab_means, "Lab", lambda: SimpleNamespace(facts=fails(LabError("no lab"))))
    assert means_of_nodes(cluster()) == NO_INFRASTRUCTURE


@pytest.mark.usefixtures("lab")
def test_they_stand_beside_what_the_file_names() -> None:
    """Neither takes the other's place."""
    told = {
        "system": {"namespace": "llm", "deployment": "chat", "process": "engine"},
        "node_infrastructure": {"off": "off {node}", "on": "on {node}"},
    }
    below = Adoption(
        Path("gameday.toml"), GamedayConfig.model_validate(told), cluster(), means_of_nodes(cluster())
    ).infrastructure
    assert below.containers is not None
    assert below.nodes is not None
    assert below.own == OwnMeans(process="engine")
