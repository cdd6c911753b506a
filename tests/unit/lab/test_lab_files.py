"""The files that nodes are configured with, and those that tell the lab from one command to the next."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from chaos.lab import LabFacts
from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.network import client, nodes
from chaos.lab.host.paths import LabPaths
from chaos.lab.nodes.files import cni_config, containerd_config, kube_proxy_config, kubelet_config
from chaos.lab.nodes.nodes import takes_pods
from chaos.lab.status import read_facts, write_facts
from chaos.semantics.timings import LAB

FOLDER = Path('/a "strange" folder')


def test_containerds_configuration_is_toml_and_keeps_to_its_folders() -> None:
    """Whatever characters paths have, it can be parsed, and pods' namespaces stay below its state."""
    text = containerd_config(
        root=FOLDER, state=FOLDER / "s", socket=FOLDER / "c.sock", cni=FOLDER, plugins=FOLDER, pause="p:1"
    )
    config = tomllib.loads(text)
    assert config["root"] == str(FOLDER)
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "p:1"
    assert cri["netns_mounts_under_state_dir"]


def test_the_kubelet_admits_nobody_unknown() -> None:
    """Anonymous calls are off, everybody is asked for at the API server, and it serves with our certificate."""
    config = json.loads(
        kubelet_config(
            folder=FOLDER,
            socket=FOLDER / "c.sock",
            cgroup="/gameday/n1/pods",
            authority=FOLDER / "ca.crt",
            serving=Credential(FOLDER / "k.crt", FOLDER / "k.key"),
            timings=LAB,
        )
    )
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["authorization"] == {"mode": "Webhook"}
    assert config["readOnlyPort"] == 0
    assert config["tlsCertFile"] == str(FOLDER / "k.crt")
    assert config["crashLoopBackOff"] == {"maxContainerRestartPeriod": "5s"}
    assert config["nodeLeaseDurationSeconds"] * 1.0 <= LAB.node_monitor_grace_s


def test_each_node_hands_out_its_own_addresses() -> None:
    """A node's pods get addresses of its own range, without masquerading."""
    ranges = []
    for node in nodes(2):
        (link, _) = json.loads(cni_config(node, folder=FOLDER))["plugins"]
        assert link["ipMasq"] is False
        ranges.append(link["ipam"]["ranges"][0][0]["subnet"])
    assert ranges == ["10.244.1.0/24", "10.244.2.0/24"]


def test_the_clients_proxy_is_no_nodes() -> None:
    """The client's kube-proxy takes no node's name, so no endpoint is local to it; limits of the host stay."""
    proxy = json.loads(kube_proxy_config(client(), kubeconfig=FOLDER))
    assert proxy["hostnameOverride"] not in {node.name for node in nodes(20)}
    assert proxy["mode"] == "nftables"
    assert (proxy["conntrack"]["maxPerCore"], proxy["conntrack"]["min"]) == (0, 0)


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    """The facts survive from one command to the next; no file means no lab."""
    assert read_facts(tmp_path / "facts.json") is None
    facts = LabFacts(Path("/k"), "c", ("n1", "n2"), asdict(LAB), "ns", (("API server", 4.5),))
    write_facts(facts, tmp_path / "facts.json")
    assert read_facts(tmp_path / "facts.json") == facts


def test_state_is_in_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """State lies where XDG says."""
    monkeypatch.setattr("chaos.lab.host.paths.SOCKETS", tmp_path / "none")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert LabPaths.usual().state == tmp_path / "gameday" / "lab"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert LabPaths.usual().state == Path.home() / ".local/state/gameday/lab"


def test_a_lab_is_found_whoever_started_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While there is a lab its state is found by the link, though XDG says otherwise."""
    (tmp_path / "state").symlink_to("/elsewhere/lab")
    monkeypatch.setattr("chaos.lab.host.paths.SOCKETS", tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert LabPaths.usual().state == Path("/elsewhere/lab")


@pytest.mark.parametrize(
    ("ready", "effects", "expected"),
    [("True", [], True), ("False", [], False), ("True", ["NoSchedule"], False), ("True", ["PreferNoSchedule"], True)],
)
def test_a_node_takes_pods_when_ready_and_untainted(ready: str, effects: list[str], *, expected: bool) -> None:
    """Ready is not enough: a taint that keeps pods away counts as well."""
    node = {
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
        "spec": {"taints": [{"key": "k", "effect": effect} for effect in effects]},
    }
    assert takes_pods(node) is expected
