"""Layers that images of ours are made of, without Docker: Debian's packages, Python's packages, folders.

Needs, beside what every Debian has (apt-get, dpkg-deb, tar): `strip` from binutils, and pip for the Python that runs.
Debian's packages come as the host's own apt is set up to get them, Python's as its pip is, for Debian 12's Python
whatever Python runs the suite.
"""

import platform
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from chaos.lab.host.cache import cached, digest
from chaos.lab.host.command import run
from chaos.lab.images.oci import layer_from_folder
from chaos.progress import Progress

__all__ = [
    "INPUTS",
    "PYTHON",
    "base_key",
    "base_layer",
    "compile_to_bytecode",
    "debian_root",
    "install_python_packages",
    "python_layer",
    "write_layer",
]

INPUTS = Path(__file__).resolve().parent / "model_server"
PYTHON = "3.11"

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


def base_key() -> str:
    """What the base layer is made of, as a key."""
    lists = (INPUTS / "debian-packages.txt", INPUTS / "busybox-applets.txt")
    return digest("base", Path(__file__), *lists, platform.machine())


def base_layer(progress: Progress) -> Path:
    """A folder with Debian's packages as `root` and as `layer.tar`: Python, a shell, and what both need."""
    return cached("model-base", base_key(), lambda out: _build_base(out, progress))


def _build_base(out: Path, progress: Progress) -> None:
    with progress.step("image: Debian packages", estimate_s=15):
        root = debian_root(_list("debian-packages.txt"), out)
        for folder in ("usr/local/bin", "tmp"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        for applet in _list("busybox-applets.txt"):
            (root / "usr/local/bin" / applet).symlink_to("/bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        compile_to_bytecode(root, root / f"usr/lib/python{PYTHON}", f"/usr/lib/python{PYTHON}")
        write_layer(root, out, at="/")


def debian_root(names: Sequence[str], out: Path) -> Path:
    """Unpack Debian's packages of these names, and all they depend on, as `out/root`, less what no image needs.

    Raises LabError.
    """
    root = out / "root"
    root.mkdir()
    for deb in _debian_packages(names, out / "download"):
        run(["dpkg-deb", "--extract", deb, root], deadline_s=UNPACK_WITHIN_S)
    shutil.rmtree(out / "download")
    _remove(root, PATHS_LEFT_OUT)
    _remove(root, [str(path.relative_to(root)) for path in root.glob("usr/share/doc/*/*") if path.name != "copyright"])
    return root


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


def python_layer(lists: Sequence[Path], out: Path, base: Path, *, left_out: Sequence[str] = ()) -> None:
    """Make the layer `out/layer.tar`: Python's packages of these lists in /opt/python, but for what `left_out` matches.

    `base` is the root of the base layer. Raises LabError.
    """
    folder = out / "root"
    install_python_packages(lists, folder, python=PYTHON)
    _remove(folder, (*SOURCES_LEFT_OUT, *left_out))
    run(
        ["strip", "--strip-unneeded", *folder.rglob("*.so")],
        deadline_s=UNPACK_WITHIN_S,
        fix="apt-get install binutils",
    )
    compile_to_bytecode(base, folder, "/opt/python")
    write_layer(folder, out, at="/opt/python")
    shutil.rmtree(folder)


def install_python_packages(
    lists: Iterable[Path],
    folder: Path,
    *,
    python: str,
    deadline_s: float = DOWNLOAD_WITHIN_S,
) -> None:
    """Put the packages of these lists, and no others, into `folder`, as wheels for `python` (such as "3.11").

    Packages that the lists' packages name as needed must be in the lists themselves. Raises LabError if pip fails, or
    takes longer than `deadline_s`.
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
        deadline_s=deadline_s,
        fix=f"if pip is missing: {sys.executable} -m ensurepip",
    )


def compile_to_bytecode(base: Path, folder: Path, runs_at: str, *, deadline_s: float = UNPACK_WITHIN_S) -> None:
    """Compile to bytecode with the image's own Python, so that no start of a replica has to.

    By hash, unchecked: layers have no times to compare. Raises LabError if it fails, or takes longer than `deadline_s`.
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
        deadline_s=deadline_s,
        env={"PYTHONHOME": str(base / "usr")},
    )


def write_layer(folder: Path, out: Path, *, at: str) -> None:
    """Make the layer `out/layer.tar` of a folder that is to lie at `at`."""
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
