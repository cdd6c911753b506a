"""What a lab is made of; built once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chaos.lab.control_plane.build import kube_program
from chaos.lab.images.golden import golden_root
from chaos.lab.images.model import model_image
from chaos.lab.images.pause_image import PAUSE_IMAGE, pause_image
from chaos.progress import Progress

__all__ = ["Artefacts", "usual_artefacts"]


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
