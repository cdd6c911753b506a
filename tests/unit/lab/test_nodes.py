"""What a node's programs are given, where the lab keeps its files, and its volumes."""

import json
import stat
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from chaos.lab import LabFacts
from chaos.lab.control_plane.build import Release
from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.network import client, nodes
from chaos.lab.host.paths import LabPaths
from chaos.lab.nodes.files import cni_config, containerd_config, kube_proxy_config, kubelet_config
from chaos.lab.nodes.nodes import takes_pods
from chaos.lab.nodes.volumes import LOCAL_CLASS, SHARED_CLASS, reclaim_volumes, storage_objects
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
    facts = LabFacts(Path("/k"), "c", ("n1", "n2"), asdict(LAB), (("API server", 4.5),), Release("1.36", "1.35"))
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


class Volumes:
    """Stands for an API server that has these volumes; keeps what is patched."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = found
        self.patched: list[tuple[str, object]] = []

    def get(self, _path: str) -> dict[str, Any]:
        """The list."""
        return {"items": list(self.found)}

    def patch(self, path: str, body: object) -> None:
        """Keep it."""
        self.patched.append((path, body))


def volume(name: str, phase: str, storage_class: str = SHARED_CLASS) -> dict[str, Any]:
    """A volume in a phase."""
    return {"metadata": {"name": name}, "spec": {"storageClassName": storage_class}, "status": {"phase": phase}}


def test_shared_volumes_have_no_node_and_local_ones_have_theirs(tmp_path: Path) -> None:
    """Every volume is a folder that any user may fill; a local one names its node, a shared one none."""
    made = [one for _, one in storage_objects(tmp_path, nodes(2))]
    volumes = [one for one in made if one["kind"] == "PersistentVolume"]
    assert {one["metadata"]["name"] for one in made if one["kind"] == "StorageClass"} == {SHARED_CLASS, LOCAL_CLASS}
    hosts = {}
    for one in volumes:
        folder = Path(one["spec"]["hostPath"]["path"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o777
        terms = one["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
        hosts[one["metadata"]["name"]] = [term["matchExpressions"][0]["values"] for term in terms]
    assert hosts["shared-1"] == []
    assert hosts["local-n2-1"] == [["n2"]]
    assert len(hosts) == len(volumes)


def test_only_released_volumes_are_emptied_and_offered_again(tmp_path: Path) -> None:
    """A bound one keeps its content, one of another class is not ours, a released one is empty and free."""
    for name in ("shared-1", "shared-2", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").write_text("weights")
    api = Volumes(volume("shared-1", "Released"), volume("shared-2", "Bound"), volume("other", "Released", "theirs"))
    assert reclaim_volumes(tmp_path, api) == ("shared-1",)  # type: ignore[arg-type]  # stands in
    assert list((tmp_path / "shared-1").iterdir()) == []
    assert (tmp_path / "shared-2" / "model").exists()
    assert (tmp_path / "other" / "model").exists()
    assert api.patched == [("/api/v1/persistentvolumes/shared-1", {"spec": {"claimRef": None}})]
