"""Images are files that containerd takes, and equal inputs give equal bytes."""

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import LabError
from chaos.lab.host.toolchain import architecture
from chaos.lab.images.oci import Layer, image_digest, image_names, layer_from_folder, write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with everything that a layer may hold."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/program").write_text("#!/bin/sh\n")
    (folder / "sub/program").chmod(0o4755)
    (folder / "sub/again").hardlink_to(folder / "sub/program")
    (folder / "link").symlink_to("sub/program")
    (folder / "secret").write_text("s")
    (folder / "secret").chmod(0o600)
    (folder / ("long" * 60)).write_text("a name that old tar formats cannot hold")
    return folder


def members(layer: Layer) -> dict[str, tarfile.TarInfo]:
    """What the layer holds, in its order."""
    with tarfile.open(layer.tar) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_a_layer_keeps_what_matters_and_fixes_the_rest(folder: Path, tmp_path: Path) -> None:
    """Modes, contents and links are kept; owners, times and order are not the host's."""
    found = members(layer_from_folder(folder, tmp_path / "layer.tar"))
    assert list(found) == ["link", "long" * 60, "secret", "sub", "sub/again", "sub/program"]
    assert found["link"].issym()
    assert found["link"].linkname == "sub/program"
    assert found["secret"].mode == 0o600
    assert found["sub/again"].mode == 0o4755
    assert found["sub/program"].islnk()
    assert found["sub/program"].linkname == "sub/again"
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found.values()} == {(0, 0, "", "", 0)}


def test_a_layer_can_lie_deeper_and_belong_to_somebody(folder: Path, tmp_path: Path) -> None:
    """Folders above the place are made; owner and time are as asked."""
    found = members(layer_from_folder(folder, tmp_path / "layer.tar", at="/opt/model"))
    assert list(found)[:3] == ["opt", "opt/model", "opt/model/link"]
    assert found["opt"].isdir()
    assert found["opt"].mode == 0o755
    assert found["opt/model/sub/program"].linkname == "opt/model/sub/again"
    assert {(m.uid, m.gid, m.mtime) for m in found.values()} == {(0, 0, 0)}


def test_equal_folders_give_equal_layers(folder: Path, tmp_path: Path) -> None:
    """A copy made in another order, at another time, by another name, has the same digest; another content has not."""
    first = layer_from_folder(folder, tmp_path / "1.tar")
    copy = tmp_path / "copy"
    (copy / "sub").mkdir(parents=True)
    for path in sorted(folder.iterdir(), reverse=True):
        if path.is_file() or path.is_symlink():
            shutil.copy2(path, copy / path.name, follow_symlinks=False)
    shutil.copy2(folder / "sub/again", copy / "sub/program")
    (copy / "sub/again").hardlink_to(copy / "sub/program")
    os.utime(copy / "secret", (1, 1))
    assert layer_from_folder(copy, tmp_path / "2.tar").digest == first.digest
    (copy / "secret").write_text("t")
    assert layer_from_folder(copy, tmp_path / "3.tar").digest != first.digest


def test_a_file_linked_from_outside_stays_a_file(tmp_path: Path) -> None:
    """A hard link to something that is not in the layer is no link in it."""
    (tmp_path / "outside").write_text("text")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inside").hardlink_to(tmp_path / "outside")
    layer = layer_from_folder(folder, tmp_path / "layer.tar")
    with tarfile.open(layer.tar) as tar:
        content = tar.extractfile("inside")
        assert content is not None
        assert content.read() == b"text"


def read_image(path: Path) -> dict[str, bytes]:
    """The files of an image."""
    with tarfile.open(path) as tar:
        found = {}
        for member in tar.getmembers():
            content = tar.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    return found


def blob(files: dict[str, bytes], described: dict[str, Any]) -> bytes:
    """The blob that a descriptor speaks of, if it is what the descriptor says."""
    content = files["blobs/" + described["digest"].replace(":", "/")]
    assert "sha256:" + hashlib.sha256(content).hexdigest() == described["digest"]
    assert len(content) == described["size"]
    return content


def test_an_image_hangs_together(folder: Path, tmp_path: Path) -> None:
    """From the index every digest leads to what it names, down to the layers, in order, with the config given."""
    layers = [
        layer_from_folder(folder, tmp_path / "1.tar"),
        layer_from_folder(folder, tmp_path / "2.tar", at="opt"),
    ]
    config = {"Entrypoint": ["/link"], "Env": ["A=b"]}
    image = tmp_path / "image.tar"
    write_image(image, name="lab.local/thing:1", layers=[layer.tar for layer in layers], config=config)
    files = read_image(image)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (described,) = json.loads(files["index.json"])["manifests"]
    assert described["annotations"]["io.containerd.image.name"] == "lab.local/thing:1"
    manifest = json.loads(blob(files, described))
    inside = json.loads(blob(files, manifest["config"]))
    assert inside["config"] == config
    assert inside["architecture"] == architecture()
    assert inside["rootfs"]["diff_ids"] == [layer.digest for layer in layers]
    assert [blob(files, layer) for layer in manifest["layers"]] == [layer.tar.read_bytes() for layer in layers]
    assert image_names(image) == ["lab.local/thing:1"]


def test_an_images_digest_is_of_all_it_holds(folder: Path, tmp_path: Path) -> None:
    """The same inputs give the same file; another layer, name or config gives another digest."""
    one = layer_from_folder(folder, tmp_path / "1.tar").tar
    two = layer_from_folder(folder, tmp_path / "2.tar", at="opt").tar

    def made(name: str = "n:1", layer: Path = one, command: str = "/x") -> tuple[str, bytes]:
        image = tmp_path / "image.tar"
        write_image(image, name=name, layers=[layer], config={"Entrypoint": [command]})
        return image_digest(image), image.read_bytes()

    assert made() == made()
    assert len({made()[0], made(name="n:2")[0], made(layer=two)[0], made(command="/y")[0]}) == 4


def test_layers_are_streamed(tmp_path: Path) -> None:
    """An image of one large layer is written in a fraction of its memory."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with (folder / "weights").open("wb") as file:
        file.truncate(64 * 2**20)
    tracemalloc.start()
    try:
        layer = layer_from_folder(folder, tmp_path / "layer.tar")
        write_image(tmp_path / "image.tar", name="n:1", layers=[layer.tar], config={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert layer.size > 64 * 2**20
    assert peak < 4 * 2**20


def test_a_compressed_layer_is_refused(folder: Path, tmp_path: Path) -> None:
    """Its digest would not be that of what is unpacked."""
    layer = layer_from_folder(folder, tmp_path / "layer.tar")
    packed = tmp_path / "layer.tar.gz"
    packed.write_bytes(gzip.compress(layer.tar.read_bytes()))
    with pytest.raises(LabError, match="not an uncompressed tar file"):
        write_image(tmp_path / "image.tar", name="n:1", layers=[packed], config={})


def test_a_file_that_is_no_image_is_refused(folder: Path, tmp_path: Path) -> None:
    """The error names the file."""
    layer = layer_from_folder(folder, tmp_path / "layer.tar")
    with pytest.raises(LabError, match=r"layer\.tar is not an image in OCI layout"):
        image_digest(layer.tar)
    (tmp_path / "text").write_text("text")
    with pytest.raises(LabError, match="text is not an image in OCI layout"):
        image_digest(tmp_path / "text")
