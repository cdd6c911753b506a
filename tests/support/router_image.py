"""vllm-router as an image for the lab, on the model's base layer: a router in front of replicas, as PyPI has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from chaos.lab.host.cache import cached, digest
from chaos.lab.images.layers import (
    PYTHON,
    base_key,
    base_layer,
    compile_to_bytecode,
    install_python_packages,
    write_layer,
)
from chaos.lab.images.oci import write_image
from chaos.progress import Progress

__all__ = ["ROUTE", "router_image"]

PACKAGES = Path(__file__).with_name("router-packages.txt")
ROUTE = ("/usr/bin/tini", "--", f"/usr/bin/python{PYTHON}", "-m", "vllm_router.launch_router")
ENV = ("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/opt/python", "PYTHONDONTWRITEBYTECODE=1", "HOME=/tmp")


def router_image(progress: Progress) -> Path:
    """The image as a tar file in OCI layout, built if it is not in the cache. Raises LabError."""
    base, key = base_layer(progress), digest("router", Path(__file__), PACKAGES, base_key())

    def python(out: Path) -> None:
        with progress.step("the router's image: Python packages", estimate_s=30):
            root = out / "root"
            install_python_packages([PACKAGES], root, python=PYTHON)
            compile_to_bytecode(base / "root", root, "/opt/python")
            write_layer(root, out, at="/opt/python")
            shutil.rmtree(root)

    tars = [folder / "layer.tar" for folder in (base, cached("router-python", key, python))]
    config = {"Entrypoint": list(ROUTE), "Env": list(ENV), "User": "65532:65532"}

    def image(out: Path) -> None:
        write_image(out / "image.tar", name=f"lab.local/vllm-router:{key[:12]}", layers=tars, config=config)

    return cached("router-image", key, image) / "image.tar"
