"""Connecting: which cluster it is, and refusals that name what is wrong within seconds."""

import json
import socket
import time
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster

from chaos.cluster import connect
from chaos.errors import ClusterRefused, UsageError

REFUSED_S = 8.0
"""Within a few seconds: 3 s to connect or for a step of TLS, and what a busy machine adds."""


def _changed(simulated: SimulatedCluster, folder: Path, **changes: object) -> Path:
    """The kubeconfig with fields of its cluster (or its `user`) replaced."""
    config = json.loads(simulated.kubeconfig.read_text())
    if "user" in changes:
        config["users"][0]["user"] = changes.pop("user")
    config["clusters"][0]["cluster"].update(changes)
    path = folder / "changed.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_facts_say_which_cluster_it_is(simulated: SimulatedCluster) -> None:
    """Connecting learns the version, the nodes, and the UID that tells this cluster from any other."""
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster:
        facts = cluster.facts
    assert facts.context == simulated.context
    assert facts.version.startswith("v1.")
    assert facts.uid == simulated.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert {node.name for node in facts.nodes} >= {"node-0", "node-1", "node-2"}
    assert facts.nodes[0].labels["kubernetes.io/os"] == "linux"


def test_no_context_means_the_current_one(simulated: SimulatedCluster) -> None:
    """Without a context the file's current one is used, and said."""
    with connect(kubeconfig=simulated.kubeconfig, context=None) as cluster:
        assert cluster.facts.context == simulated.context


def test_the_environment_names_the_file(simulated: SimulatedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file $KUBECONFIG is used, and those of its files that do not exist are passed over, as kubectl does."""
    monkeypatch.setenv("KUBECONFIG", f"/nowhere/config:{simulated.kubeconfig}")
    with connect(kubeconfig=None, context=simulated.context) as cluster:
        assert cluster.facts.nodes


def test_an_unknown_context_is_answered_with_those_that_exist(simulated: SimulatedCluster) -> None:
    """A context that is not in the file is a usage error that names the contexts in it."""
    with pytest.raises(UsageError, match=f"no context 'production'.*{simulated.context}"):
        connect(kubeconfig=simulated.kubeconfig, context="production")


def test_a_refused_connection_is_said_in_one_line(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """A server that nobody runs is refused at once, naming its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = _changed(simulated, tmp_path, server=f"https://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(ClusterRefused, match=f"127.0.0.1:{port} cannot be reached: Connection refused") as refused:
        connect(kubeconfig=config, context=None)
    assert time.monotonic() - began < REFUSED_S
    assert "\n" not in refused.value.what


def test_a_server_that_says_nothing_is_given_up_in_seconds(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """A server that accepts and never answers is refused within a few seconds, not after a default of minutes."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        config = _changed(simulated, tmp_path, server=f"https://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ClusterRefused):
            connect(kubeconfig=config, context=None)
        assert time.monotonic() - began < REFUSED_S


def test_a_server_with_another_certificate_is_refused(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """A server that the kubeconfig's authority did not certify is not spoken to."""
    config = json.loads(_changed(simulated, tmp_path).read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "changed.kubeconfig").write_text(json.dumps(config))
    with pytest.raises(ClusterRefused, match=r"cannot be reached: .*certificate verify failed"):
        connect(kubeconfig=tmp_path / "changed.kubeconfig", context=None)


def test_a_user_without_rights_is_told_what_is_missing(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Somebody who may not even read which cluster it is, is refused with the server's own words."""
    config = _changed(simulated, tmp_path, user={"token": "not-a-token"})
    with pytest.raises(ClusterRefused, match=r"401|403"):
        connect(kubeconfig=config, context=None)
