"""The image of load pods for the lab: the model's base, Locust as it is installed here, and the generator's code.

Its packages are those of the Python that runs the suite, in the very versions that are installed, for the image's
Python. The code is its own layer, so that a change of it rebuilds some kilobytes.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from chaos.lab.host.cache import cached, digest
from chaos.lab.images.layers import PYTHON, base_key, base_layer, compile_to_bytecode, python_layer, write_layer
from chaos.lab.images.oci import write_image
from chaos.progress import Progress
from loadgen.pod.contract import image_files

__all__ = ["load_image", "load_image_name", "pinned"]

ROOTS = ("locust", "pydantic", "tenacity")
"""What the generator imports."""

LEFT_OUT = ("gevent/tests", "locust/test", "locust/webui", "psutil/tests", "zmq/tests")

CONFIG: dict[str, Any] = {
    "Entrypoint": ["/usr/bin/tini", "--", f"/usr/bin/python{PYTHON}", "-m", "loadgen.pod.server"],
    "Env": [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH=/opt/load:/opt/python",
        "PYTHONDONTWRITEBYTECODE=1",
        "HOME=/tmp",
    ],
    "User": "65532:65532",
}


def load_image_name() -> str:
    """The image's name; the tag changes with what it is made of."""
    return f"lab.local/gameday-load:{digest(*_keys().values())[:12]}"


def load_image(progress: Progress) -> Path:
    """The image as a tar file in OCI layout, built if it is not in the cache. Raises LabError if a part is missing."""
    keys = _keys()
    base = base_layer(progress)
    python = cached("load-python", keys["python"], lambda out: _build_python(out, base / "root", progress))
    code = cached("load-code", keys["code"], lambda out: _build_code(out, base / "root"))
    layers = [folder / "layer.tar" for folder in (base, python, code)]

    def build(out: Path) -> None:
        with progress.step("image of the load workers"):
            write_image(out / "image.tar", name=load_image_name(), layers=layers, config=CONFIG)

    return cached("load-image", digest(*keys.values()), build) / "image.tar"


def pinned(roots: Iterable[str] = ROOTS) -> tuple[str, ...]:
    """These packages and all that they need, each as `name==version` of what is installed here, sorted.

    Raises `importlib.metadata.PackageNotFoundError` for one that is not.
    """
    environment = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "extra": ""}
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        distribution = importlib.metadata.distribution(waiting.pop())
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if name in found:
            continue
        found[name] = distribution.version
        needs = map(Requirement, distribution.requires or ())
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate(environment)]
    return tuple(sorted(f"{name}=={version}" for name, version in found.items()))


def _keys() -> dict[str, str]:
    recipe, base = Path(__file__), base_key()
    code = [part for name, path in image_files().items() for part in (name, path)]
    return {
        "base": base,
        "python": digest("load-python", recipe, *pinned(), base),
        "code": digest("load-code", recipe, *code, base),
    }


def _build_python(out: Path, base: Path, progress: Progress) -> None:
    with progress.step("image of the load workers: Python packages", estimate_s=20):
        listed = out / "packages.txt"
        listed.write_text("\n".join(pinned()) + "\n")
        python_layer([listed], out, base, left_out=LEFT_OUT)


def _build_code(out: Path, base: Path) -> None:
    folder = out / "root"
    for name, path in image_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    compile_to_bytecode(base, folder, "/opt/load")
    write_layer(folder, out, at="/opt/load")
    shutil.rmtree(folder)
