"""The image itself: built, unpacked, and run as a container would run it."""

import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from model_replica import START_WITHIN_S, Replica

from chaos.lab.images.recipes import MODEL_CONFIG, MODEL_IMAGE, model_image
from chaos.progress import Terminal
from chaos.wait import until

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def image() -> Path:
    """The image's file, built if the cache has none."""
    return model_image(Terminal())


def read(image: Path, digest: str) -> Any:
    """One JSON blob of the image."""
    with tarfile.open(image) as tar:
        blob = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert blob is not None
        return json.load(blob)


def manifest(image: Path) -> Any:
    """The manifest of the only image in the file, which has the right name."""
    with tarfile.open(image) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        [described] = json.load(index)["manifests"]
    assert described["annotations"]["io.containerd.image.name"] == MODEL_IMAGE
    return read(image, described["digest"])


@pytest.fixture(scope="session")
def root(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All layers unpacked over each other."""
    folder = tmp_path_factory.mktemp("root")
    for layer in manifest(image)["layers"]:
        with tarfile.open(image) as outer:
            blob = outer.extractfile(f"blobs/{layer['digest'].replace(':', '/')}")
            with tarfile.open(fileobj=blob) as tar:
                # As an attribute, not an argument: Debian 12's Python knows no filters yet, and later ones want one.
                tar.extraction_filter = lambda member, _folder: member
                tar.extractall(folder)  # noqa: S202  # we wrote it
    folder.chmod(0o755)
    return folder


def test_the_image_is_small(image: Path) -> None:
    """Under 120 MB unpacked without the weights, under 220 MB with them."""
    sizes = [layer["size"] for layer in manifest(image)["layers"]]
    weights = max(sizes)
    assert 90e6 < weights < 110e6
    assert sum(sizes) - weights < 120e6


def test_the_configuration_is_the_declared_one(image: Path) -> None:
    """User, entrypoint, port and environment reach the image."""
    config = read(image, manifest(image)["config"]["digest"])
    assert config["config"] == MODEL_CONFIG


def test_a_cached_image_is_found_and_not_built(image: Path) -> None:
    """Nothing is announced, so nothing is done."""

    class Never:
        def step(self, name: str, *, estimate_s: float | None = None) -> Any:
            raise AssertionError(f"built again: {name}, which takes {estimate_s} s")

    assert model_image(Never()) == image


def test_it_runs_as_nobody_and_leaves_on_sigterm(root: Path, tmp_path: Path) -> None:
    """The program tini is the first process, the server its child, and a SIGTERM to tini drains the server."""
    with contained(root, tmp_path) as (replica, tini):
        replica.until_status("/readyz", 200, deadline_s=START_WITHIN_S)
        assert replica.chat(max_tokens=3).json["usage"]["completion_tokens"] == 3
        for pid, name in ((tini, "tini"), (child_of(tini), "model-server"), (child_of(child_of(tini)), "model-engine")):
            facts = Path(f"/proc/{pid}/status").read_text()
            assert f"Name:\t{name}\n" in facts
            assert "Uid:\t65532\t65532\t65532\t65532\n" in facts
        os.kill(tini, signal.SIGTERM)
        assert replica.exit_status(within_s=30) == 0
    assert "drained" in replica.log()


def test_a_fault_inside_the_container_can_stop_the_server(root: Path, tmp_path: Path) -> None:
    """`sh`, `kill` and `pidof` are in the image, and the server is not PID 1, so SIGSTOP reaches it."""
    with contained(root, tmp_path) as (replica, tini):
        replica.until_status("/readyz", 200, deadline_s=START_WITHIN_S)
        server = child_of(tini)
        inside(tini, root, "kill -STOP $(pidof model-server)")
        until(lambda: state(server) == "T", deadline_s=10, awaited="the server to stop")
        inside(tini, root, "kill -CONT $(pidof model-server)")
        replica.until_status("/livez", 200, deadline_s=10)


def state(pid: int) -> str:
    """A process's state, as /proc names it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def child_of(pid: int) -> int:
    """The only child of a process."""
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def inside(tini: int, root: Path, command: str) -> None:
    """Run a command as the container's user, in the namespaces of the container."""
    subprocess.run(
        [
            "nsenter",
            f"--target={tini}",
            "--mount",
            "--pid",
            "/usr/sbin/chroot",
            "--userspec=65532:65532",
            root,
            "sh",
            "-c",
            command,
        ],
        env=dict(word.split("=", 1) for word in MODEL_CONFIG["Env"]),
        check=True,
    )


@contextmanager
def contained(root: Path, folder: Path) -> Iterator[tuple[Replica, int]]:
    """Run the image's entrypoint in a PID namespace and a read-only root; gives the server and tini's process id."""
    (root / "proc").mkdir(exist_ok=True)
    words = dict(word.split("=", 1) for word in MODEL_CONFIG["Env"])
    words |= {"HOST": "127.0.0.1", "PORT": "0", "SETTLE_S": "0", "POD_NAME": "pod-under-test"}
    user = MODEL_CONFIG["User"]
    script = 'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount -o remount,ro,bind "$0" && exec "$@"'
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, root),
                *("env", "-i", *(f"{name}={value}" for name, value in words.items())),
                *("/usr/sbin/chroot", f"--userspec={user}", root, *MODEL_CONFIG["Entrypoint"]),
            ],
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    with ended(process):
        yield Replica(process, log), child_of(process.pid)


@contextmanager
def ended(unshare: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a container with the block: the kernel ends all of a PID namespace with its first process.

    `--kill-child` alone does not reach it: the kernel forgets that wish when a process changes its user.
    """
    try:
        yield
    finally:
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):  # it may have ended by itself
            os.kill(child_of(unshare.pid), signal.SIGKILL)
        unshare.kill()
        unshare.wait()
