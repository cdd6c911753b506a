"""An image of the user's on the lab: loaded from an archive, refused if it was not, and run by a pod."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from exec_room import started

from chaos.cluster import Cluster
from chaos.errors import LabError
from chaos.lab import Lab
from chaos.lab.images.recipes import pause_image
from chaos.progress import Silent

pytestmark = pytest.mark.root

NAME = "registry.example/own/pause:7"


def saved(folder: Path) -> Path:
    """The pause image as `docker save` writes it, under another name."""
    out = folder / "saved.tar"
    with tarfile.open(pause_image(Silent())) as own, tarfile.open(out, "w") as tar:

        def blob(digest: str) -> tarfile.TarInfo:
            return own.getmember(f"blobs/{digest.replace(':', '/')}")

        (described,) = json.load(own.extractfile("index.json"))["manifests"]  # type: ignore[arg-type]  # a file
        manifest = json.load(own.extractfile(blob(described["digest"])))  # type: ignore[arg-type]  # a file
        members = [blob(one["digest"]) for one in (manifest["config"], *manifest["layers"])]
        for member in members:
            tar.addfile(member, own.extractfile(member))
        told = [{"Config": members[0].name, "RepoTags": [NAME], "Layers": [one.name for one in members[1:]]}]
        (folder / "manifest.json").write_text(json.dumps(told))
        tar.add(folder / "manifest.json", "manifest.json")
    return out


def test_an_image_that_was_loaded_runs(cluster: Cluster, tmp_path: Path) -> None:
    """Before it is refused by name; loading it again changes nothing."""
    lab = Lab()
    with pytest.raises(LabError, match="gameday lab load"):
        lab.require_image("registry.example/own/pause:8")
    argv = [sys.executable, "-c", "from chaos.cli.app import main; main()", "lab", "load", str(saved(tmp_path))]
    for _ in range(2):
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == f"{NAME}\n"
    assert lab.require_image(NAME) == NAME
    assert started(cluster, "own-image", NAME).uid
