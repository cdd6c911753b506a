"""The image of the container that holds a pod together."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chaos.lab.host.cache import cached
from chaos.lab.host.toolchain import LAB, GoProgram, compile_key, compile_program
from chaos.lab.images.oci import layer_from_folder, write_image
from chaos.progress import Progress

__all__ = ["PAUSE_IMAGE", "pause_image"]

PAUSE_IMAGE = "lab.local/pause:1"
PROGRAM = GoProgram(title="the pause program", module=LAB / "images/pause", package=".", cold_s=20, link_s=1)


def pause_image(progress: Progress) -> Path:
    """A tar file in OCI layout with the image `lab.local/pause:1`: one static program, run as nobody.

    Raises LabError if there is no Go to compile with.
    """

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            root = Path(scratch) / "root"
            root.mkdir()
            compile_program(PROGRAM, root / "pause", progress)
            (root / "pause").chmod(0o755)
            layer = layer_from_folder(root, Path(scratch) / "layer.tar")
            config = {"Entrypoint": ["/pause"], "User": "65535:65535"}
            write_image(folder / "pause.oci.tar", name=PAUSE_IMAGE, layers=[layer.tar], config=config)

    return cached("pause", compile_key(PROGRAM), build) / "pause.oci.tar"
