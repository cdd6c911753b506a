"""The lab's volumes: what is made for each node, and what is given out again."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from chaos.lab.host.network import nodes
from chaos.lab.nodes.volumes import LOCAL_CLASS, SHARED_CLASS, reclaim_volumes, storage_objects


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
