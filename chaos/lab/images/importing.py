"""Images into a containerd: that of the golden root, or those of running nodes."""

from __future__ import annotations

from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.command import run
from chaos.lab.images.oci import image_names

__all__ = ["IMPORT_DEADLINE_S", "import_image"]

# Kubernetes sees only this namespace.
NAMESPACE = "k8s.io"
IMPORT_DEADLINE_S = 600.0


def import_image(socket: Path, image: Path) -> None:
    """Import an image file (OCI layout) by the containerd that listens there, unless it has it, and unpack it.

    Raises LabError if it does not take it whole.
    """
    if not all(_state(name, _ctr(socket, "images", "check")) == "" for name in image_names(image)):
        _ctr(socket, "images", "import", "--snapshotter", "overlayfs", str(image))
    table = _ctr(socket, "images", "check")
    for name in image_names(image):
        if state := _state(name, table):
            raise LabError(f"containerd did not take the image {name} of {image} whole: {state}")


def _ctr(socket: Path, *words: str) -> str:
    return run(["ctr", "--address", str(socket), "--namespace", NAMESPACE, *words], deadline_s=IMPORT_DEADLINE_S)


def _state(name: str, table: str) -> str:
    """What is amiss with an image in what `ctr images check` printed; empty if it is whole and unpacked."""
    rows = [line.split() for line in table.splitlines()[1:]]
    row = next((row for row in rows if row[0] == name), None)
    if row is None:
        return "it is not there"
    return "" if "complete" in row and row[-1] == "true" else " ".join(row)
