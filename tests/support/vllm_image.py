"""vLLM as an image for the lab: its wheel for processors, all that it needs, and a tiny model.

The packages are those of `vllm-packages.txt`, as PyPI has them: torch comes with CUDA's libraries, some gigabytes, and
does not start without. Built once and kept, by contents.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import tiny_llama
from tiny_llama import write_tiny_llama

from chaos.errors import LabError
from chaos.lab.host.cache import cached, digest
from chaos.lab.images.layers import (
    PYTHON,
    base_key,
    base_layer,
    compile_to_bytecode,
    debian_root,
    install_python_packages,
    write_layer,
)
from chaos.lab.images.oci import write_image
from chaos.progress import Progress

__all__ = ["MODEL", "SERVE", "VLLM", "vllm_image"]

PACKAGES = Path(__file__).with_name("vllm-packages.txt")
DEBIAN = ("libnuma1", "util-linux")
"""What vLLM's own library is linked with, and lscpu, which it asks for the processors."""

VLLM = "0.32.0"
METADATA = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n"
"""It looks itself up as vllm, which the wheel for processors is not called."""

HEADERS = ("torch/include", "nvidia/*/include", "nvidia/*/*/include", "**/*.a")
"""Nothing is compiled in the image: it has no compiler."""

DOWNLOAD_WITHIN_S, COMPILE_WITHIN_S = 3600.0, 1800.0
GIGABYTES = 7

MODEL, MODEL_AT = "tiny", "/opt/model"
# As its own entry point does, which pip puts into a folder that is not in the path.
SERVE = (
    *("/usr/bin/tini", "--", f"/usr/bin/python{PYTHON}", "-m", "vllm.entrypoints.cli.main", "serve", MODEL_AT),
    *("--served-model-name", MODEL, "--dtype", "float32", "--max-model-len", "512", "--enforce-eager"),
)
ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": "/opt/python",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
    # Whoever runs it has no home and no name.
    "HOME": "/tmp",  # noqa: S108  # in the image
    "USER": "vllm",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # Several replicas share the processors of one host: bound to one each, they would all choose the same.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
}


def vllm_image(progress: Progress) -> Path:
    """The image as a tar file in OCI layout, built if it is not in the cache. Raises LabError."""
    base = base_layer(progress)
    recipe = (Path(__file__), base_key())
    keys = {
        "debian": digest("debian", *recipe, *DEBIAN),
        "python": digest("python", *recipe, PACKAGES),
        "model": digest("model", Path(tiny_llama.__file__)),
    }

    def debian(out: Path) -> None:
        with progress.step("vLLM's image: Debian packages", estimate_s=15):
            write_layer(debian_root(DEBIAN, out), out, at="/")
            shutil.rmtree(out / "root")

    def python(out: Path) -> None:
        with progress.step(f"vLLM's image: Python packages, {GIGABYTES} GB", estimate_s=600):
            root = out / "root"
            install_python_packages([PACKAGES], root, python=PYTHON, deadline_s=DOWNLOAD_WITHIN_S)
            for pattern in HEADERS:
                for path in sorted(root.glob(pattern)):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            told = root / f"vllm-{VLLM}+cpu.dist-info"
            told.mkdir()
            (told / "METADATA").write_text(METADATA)
        try:
            with progress.step("vLLM's image: bytecode", estimate_s=300):
                compile_to_bytecode(base / "root", root, "/opt/python", deadline_s=COMPILE_WITHIN_S)
        except LabError as error:
            # Packages bring files for newer Pythons, which nobody imports here: all others are compiled by then.
            with progress.step(f"not every file of the packages compiles: {error.what[:200]}"):
                pass
        with progress.step("vLLM's image: the layer of Python packages", estimate_s=120):
            write_layer(root, out, at="/opt/python")
            shutil.rmtree(root)

    def model(out: Path) -> None:
        (out / "root").mkdir()
        write_tiny_llama(out / "root")
        write_layer(out / "root", out, at=MODEL_AT)

    built = {"debian": debian, "python": python, "model": model}
    layers = [base, *(cached(f"vllm-{name}", keys[name], build) for name, build in built.items())]
    whole = digest(*keys.values())
    config = {
        "Entrypoint": list(SERVE),
        "Env": [f"{name}={value}" for name, value in ENV.items()],
        "User": "65532:65532",
        "ExposedPorts": {"8000/tcp": {}},
    }

    def image(out: Path) -> None:
        with progress.step(f"vLLM's image: {len(layers)} layers, {GIGABYTES} GB", estimate_s=120):
            tars = [folder / "layer.tar" for folder in layers]
            write_image(out / "image.tar", name=f"lab.local/vllm:{whole[:12]}", layers=tars, config=config)

    return cached("vllm-image", whole, image) / "image.tar"
