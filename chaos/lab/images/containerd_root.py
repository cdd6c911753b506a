"""Images into containerd: a root folder into which they were imported once, and of which every node gets a clone.

Importing unpacks hundreds of megabytes, which takes seconds; a clone shares the unpacked files by hard links, which
takes a fraction of one. That is safe because containerd and overlayfs never write to what was imported.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.cache import cached, digest, discard
from chaos.lab.host.command import run
from chaos.lab.host.processes import await_components, start_child
from chaos.lab.host.toolchain import architecture
from chaos.lab.images.oci import image_digest, image_names, image_targets
from chaos.progress import Progress

__all__ = ["clone_golden", "export_image", "golden_root", "has_image", "import_image"]

# Unix socket paths may have 107 characters, so containerd's state cannot lie in the cache.
STATE = Path("/run")
STATE_PREFIX = "gameday-golden-"
START_DEADLINE_S, STOP_DEADLINE_S = 30.0, 20.0
IMPORT_BYTES_PER_S = 30e6  # measured: 450 MB in 13 s
IMPORTED_AT_LEAST_BYTES_PER_S = IMPORT_BYTES_PER_S / 6
"""On a busy machine: the image of a model server has gigabytes."""


def golden_root(images: Sequence[Path], progress: Progress) -> Path:
    """A containerd root with these image files (OCI layout) imported and unpacked for overlayfs; do not write to it.

    Keyed by the images' contents and the version of containerd. Raises LabError without root or containerd, or if an
    image cannot be imported.
    """
    version = run(["containerd", "--version"], deadline_s=30, fix="apt-get install containerd")

    def build(folder: Path) -> None:
        _sweep_dead()
        estimate_s = 1 + sum(image.stat().st_size for image in images) / IMPORT_BYTES_PER_S
        root = folder / "root"
        with progress.step("import the images", estimate_s=estimate_s) as step, _containerd(root, folder) as socket:
            for done, image in enumerate(images):
                step.advance(done, len(images), image.name)
                import_image(socket, image)
        (folder / "containerd.log").unlink()
        shutil.rmtree(root / "tmpmounts", ignore_errors=True)

    key = digest(version, *sorted(image_digest(image) for image in images))
    return cached("golden", key, build) / "root"


@contextmanager
def _containerd(root: Path, log_folder: Path) -> Iterator[Path]:
    """A containerd of our own, ended when the block is left, and by the kernel should this process be killed."""
    state = STATE / f"{STATE_PREFIX}{os.getpid()}"
    state.mkdir(mode=0o700)
    try:
        socket = state / "containerd.sock"
        config = state / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{root}"\nstate = "{state}"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\n  address = "{socket}"\n'
        )
        containerd = start_child("containerd", ["containerd", "--config", config], folder=log_folder)
        try:
            awaited = f"containerd's socket {socket}"
            await_components(socket.exists, components=[containerd], awaited=awaited, deadline_s=START_DEADLINE_S)
            yield socket
        finally:
            _stop(containerd.process)
    finally:
        discard(state)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise LabError(
            f"containerd did not end within {STOP_DEADLINE_S:g} s, so its databases are not trusted"
        ) from None


def _sweep_dead() -> None:
    """Remove the state of builds that were killed; their containerd died with them."""
    for state in STATE.glob(f"{STATE_PREFIX}*"):
        if not Path("/proc", state.name.removeprefix(STATE_PREFIX)).exists():
            discard(state)


def clone_golden(golden: Path, root: Path) -> None:
    """Make `root` (which must not exist) a containerd root of its own with all that is in `golden`.

    Files are shared as hard links, except the databases, which are copied; on another filesystem everything is
    copied. Raises LabError if it cannot be made.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    if root.exists():
        raise LabError(f"{root} exists already")
    same_filesystem = root.parent.stat().st_dev == golden.stat().st_dev
    # cp keeps what overlayfs means by extended attributes, owners and device files.
    run(["cp", "-al" if same_filesystem else "-a", golden, root], deadline_s=IMPORT_DEADLINE_S)
    if not same_filesystem:
        return
    for database in golden.glob("io.containerd.*/*"):
        if database.is_file():
            copy = root / database.relative_to(golden)
            copy.unlink()
            shutil.copy2(database, copy)


# Kubernetes sees only this namespace.
NAMESPACE = "k8s.io"
IMPORT_DEADLINE_S, LOOK_DEADLINE_S = 600.0, 30.0


def import_image(socket: Path, image: Path) -> None:
    """Import an image file (OCI layout) by the containerd that listens there, unless it has it, and unpack it.

    Raises LabError if it does not take it whole.
    """
    before = _ctr(socket, "images", "check")
    # A tag that was built anew is another image under the same name.
    if not all(_state(name, before) == "" and target in before for name, target in image_targets(image).items()):
        within_s = IMPORT_DEADLINE_S + image.stat().st_size / IMPORTED_AT_LEAST_BYTES_PER_S
        _ctr(socket, "images", "import", "--snapshotter", "overlayfs", str(image), deadline_s=within_s)
    table = _ctr(socket, "images", "check")
    for name in image_names(image):
        if state := _state(name, table):
            raise LabError(f"containerd did not take the image {name} of {image} whole: {state}")


def has_image(socket: Path, name: str) -> bool:
    """Whether the containerd that listens there has an image, whole and unpacked. Raises LabError."""
    return _state(name, _ctr(socket, "images", "check")) == ""


def export_image(socket: Path, name: str, out: Path) -> None:
    """Have a containerd of the host's write an image of its own to a file, for this machine's platform.

    It is looked for in every namespace of that containerd, Kubernetes' own first. Raises LabError if it is in none.
    """
    spaces = run(["ctr", "--address", socket, "namespaces", "list", "--quiet"], deadline_s=LOOK_DEADLINE_S).split()
    for space in sorted(spaces, key=lambda one: (one != NAMESPACE, one)):
        listed = _ctr(socket, "images", "list", "--quiet", namespace=space)
        if name in listed.splitlines():
            _ctr(socket, "images", "export", "--platform", f"linux/{architecture()}", str(out), name, namespace=space)
            return
    raise LabError(
        f"containerd at {socket} has no image {name} in any of its namespaces ({', '.join(spaces) or 'none'})",
        f"see what it has: ctr --address {socket} --namespace NAMESPACE images list --quiet",
    )


def _ctr(socket: Path, *words: str, namespace: str = NAMESPACE, deadline_s: float = IMPORT_DEADLINE_S) -> str:
    return run(["ctr", "--address", socket, "--namespace", namespace, *words], deadline_s=deadline_s)


def _state(name: str, table: str) -> str:
    """What is amiss with an image in what `ctr images check` printed; empty if it is whole and unpacked."""
    rows = [line.split() for line in table.splitlines()[1:]]
    row = next((row for row in rows if row[0] == name), None)
    if row is None:
        return "it is not there"
    return "" if "complete" in row and row[-1] == "true" else " ".join(row)
