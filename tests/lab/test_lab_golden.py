"""Images imported once for all nodes: with a real containerd, in a cache of the test's own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.cache import discard, mounts_below
from chaos.lab.images.containerd_root import clone_golden, golden_root
from chaos.lab.images.oci import layer_from_folder, write_image
from chaos.lab.images.recipes import pause_image
from chaos.progress import Silent
from chaos.wait import until

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="importing images needs root"),
]

DATABASES = {
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image whose second layer hides what the first has in one folder."""
    layers = []
    for number, names in enumerate([("d/old", "d/sub/file", "keep"), ("d/new", "d/.wh..wh..opq")]):
        folder = tmp_path / f"layer{number}"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        layers.append(layer_from_folder(folder, tmp_path / f"{number}.tar").tar)
    write_image(tmp_path / "image.tar", name="lab.local/two:1", layers=layers, config={"Entrypoint": ["/keep"]})
    return tmp_path / "image.tar"


def traces(pid: int) -> list[Path]:
    """The folder of the containerd with which process `pid` imports, and the processes that speak of it."""
    state = Path(f"/run/gameday-golden-{pid}")
    speaking = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if speaks_of(state, path)]
    return [path for path in [state, *speaking] if path.exists()]


def speaks_of(state: Path, cmdline: Path) -> bool:
    """Whether a process was started with that folder."""
    try:
        return f"{state}/".encode() in cmdline.read_bytes()
    except OSError:
        return False


def files(root: Path) -> dict[str, Path]:
    """All files below, by name."""
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


def test_images_are_imported_once(image: Path, cache: Path) -> None:
    """The root is kept, nothing of the containerd that imported is left, and other images give another root."""
    pause = pause_image(Silent())
    golden = golden_root([pause, image], Silent())
    assert set(files(golden)) >= DATABASES
    assert {path.name for path in golden.parent.iterdir()} == {"root"}
    assert traces(os.getpid()) == []
    assert mounts_below(cache) == []
    assert golden_root([image, pause], Silent()) == golden
    assert golden_root([image], Silent()) != golden


def test_a_clone_shares_layers_and_owns_its_databases(image: Path, tmp_path: Path) -> None:
    """Hard links for what is read only, copies for what is written, and all that overlayfs reads from the files."""
    golden = golden_root([image], Silent())
    clone = tmp_path / "node/containerd"
    clone_golden(golden, clone)
    ours, theirs = files(clone), files(golden)
    assert set(ours) == set(theirs)
    shared = {name for name, path in ours.items() if path.samefile(theirs[name])}
    assert set(ours) - shared == DATABASES
    opaque = [
        path for path in clone.rglob("*") if "trusted.overlay.opaque" in os.listxattr(path, follow_symlinks=False)
    ]
    assert [path.name for path in opaque] == ["d"]
    with pytest.raises(LabError, match="exists already"):
        clone_golden(golden, clone)


def test_a_clone_on_another_filesystem_is_a_copy(image: Path, tmp_path: Path) -> None:
    """Where hard links cannot be, everything is copied."""
    golden = golden_root([image], Silent())
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", other], check=True)
    try:
        clone_golden(golden, other / "containerd")
        contents = [
            {name: path.read_bytes() for name, path in files(r).items()} for r in (golden, other / "containerd")
        ]
    finally:
        subprocess.run(["umount", other], check=True)
    assert contents[0] == contents[1]


def test_a_broken_image_leaves_nothing(image: Path, cache: Path) -> None:
    """The error is containerd's own word, its process and folder are gone, and no root is kept."""
    whole = image.read_bytes()
    image.write_bytes(whole.replace(b"d/sub/file", b"d/sub/liar"))
    with pytest.raises(LabError, match="ended with status 1"):
        golden_root([image], Silent())
    assert traces(os.getpid()) == []
    assert {path.name for path in (cache / "golden").iterdir()} == {".lock"}


KILLED = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from chaos.lab.images.containerd_root import golden_root

class Stops:
    @contextmanager
    def step(self, name, *, estimate_s=None):
        yield self

    def advance(self, done, total=None, detail=""):
        print("importing", flush=True)
        time.sleep(60)

golden_root([Path(sys.argv[1])], Stops())
"""


def test_a_killed_import_is_swept(image: Path, cache: Path) -> None:
    """After kill -9 containerd ends by itself, and the next import clears what is left and succeeds."""
    argv = [sys.executable, "-c", KILLED, str(image)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as importer:
        assert importer.stdout is not None
        said = importer.stdout.readline()
        seen = traces(importer.pid)
        importer.send_signal(signal.SIGKILL)
    assert said == "importing\n"
    assert len(seen) == 2
    until(lambda: traces(importer.pid) == seen[:1], deadline_s=5, awaited="the end of containerd")
    golden = golden_root([image], Silent())
    assert traces(importer.pid) == []
    assert {path.name for path in (cache / "golden").iterdir()} == {".lock", golden.parent.name}


def test_what_is_mounted_is_unmounted_before_removal(tmp_path: Path) -> None:
    """A dead build's mounts go with its folder; through one that stays, nothing is deleted."""
    folder = tmp_path / "folder"
    point = folder / "with space"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    (point / "file").write_text("kept")
    with (point / "file").open(), pytest.raises(LabError, match="still mounted"):
        discard(folder)
    assert (point / "file").read_text() == "kept"
    discard(folder)
    assert not folder.exists()
