"""Container images as files: layers made from folders, and images in the OCI layout that `ctr images import` takes.

Equal inputs give equal bytes: names are sorted, times and owners fixed. Formats: OCI image specification 1.1.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from chaos.errors import LabError
from chaos.lab.host.toolchain import architecture

__all__ = ["Layer", "image_digest", "image_names", "image_targets", "layer_from_folder", "write_image", "write_layout"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One uncompressed tar file of an image; its digest names both the stored bytes and the unpacked layer."""

    tar: Path
    digest: str
    size: int

    @classmethod
    def of(cls, tar: Path) -> Layer:
        """Read the layer once; raises LabError if the file is not a plain tar."""
        try:
            tarfile.open(tar, "r:").close()
        except tarfile.ReadError as error:
            raise LabError(f"{tar} is not an uncompressed tar file: {error}") from error
        with tar.open("rb") as file:
            return cls(tar, "sha256:" + hashlib.file_digest(file, "sha256").hexdigest(), tar.stat().st_size)


def layer_from_folder(folder: Path, out: Path, *, at: str = "/") -> Layer:
    """Write the contents of `folder` to the tar file `out`, to appear at `at` in the image.

    Kept: names, contents, modes, symbolic links, hard links inside the folder. Fixed: owner and times. Dropped: sockets
    and extended attributes.
    """
    inside = PurePosixPath(at.strip("/"))
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for parent in [*reversed(inside.parents), inside][1:]:
            entry = tarfile.TarInfo(str(parent))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path in sorted(folder.iterdir()):
            tar.add(path, str(inside / path.name), filter=_fixed)
    return Layer.of(out)


def _fixed(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def write_image(out: Path, *, name: str, layers: Sequence[Path], config: Mapping[str, Any]) -> None:
    """Write an image called `name` with these layers (uncompressed tar files, the lowest first) to the file `out`.

    `config` is the OCI image configuration's `config` object: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`, …
    Layers are streamed. Raises LabError if a layer is not an uncompressed tar file.
    """
    read = [Layer.of(path) for path in layers]
    image = _json(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in read]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _described("config.v1+json", image),
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.digest, "size": layer.size}
                for layer in read
            ],
        }
    )
    by_digest = {layer.digest: layer for layer in read}
    blobs = {layer.digest: layer.size for layer in read}
    write_layout(out, [(manifest, (name,))], {_digest(image): image}, blobs, lambda one: by_digest[one].tar.open("rb"))


def write_layout(
    out: Path,
    manifests: Sequence[tuple[bytes, Sequence[str]]],
    given: Mapping[str, bytes],
    sizes: Mapping[str, int],
    opened: Callable[[str], IO[bytes]],
) -> None:
    """Write an image file in OCI layout: manifests with their images' names, and the blobs that these refer to.

    Blobs are `given` in memory, or `opened` by their digests and copied, as many bytes as their `sizes` say.
    """
    described = [
        # containerd's importer takes the name from the first; other tools know only the second.
        _described("manifest.v1+json", manifest)
        | {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}
        for manifest, names in manifests
        for name in names
    ]
    small = {**given, **{_digest(manifest): manifest for manifest, _ in manifests}}
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": described}))
        for digest, blob in small.items():
            _add(tar, _blob_path(digest), blob)
        for digest, size in sizes.items():
            with opened(digest) as file:
                entry = tarfile.TarInfo(_blob_path(digest))
                entry.size = size
                tar.addfile(entry, file)


def image_digest(image: Path) -> str:
    """What names all the contents of an image file in OCI layout, without reading the layers.

    It is the digest of its index, which holds the digests of all below it. Raises LabError if it is no such file.
    """
    return _digest(_index(image))


def image_names(image: Path) -> list[str]:
    """The names under which containerd will import the image file; raises LabError if it is no OCI layout."""
    return list(image_targets(image))


def image_targets(image: Path) -> dict[str, str]:
    """The digests of the manifests that these names stand for; raises LabError as `image_names` does."""
    manifests = json.loads(_index(image))["manifests"]
    return {str(one["annotations"]["io.containerd.image.name"]): str(one["digest"]) for one in manifests}


def _index(image: Path) -> bytes:
    try:
        with tarfile.open(image, "r:") as tar:
            index = tar.extractfile("index.json")
            assert index is not None
            return index.read()
    except (tarfile.ReadError, KeyError) as error:
        raise LabError(f"{image} is not an image in OCI layout: {error}") from error


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _described(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": _digest(blob), "size": len(blob)}


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(tar: tarfile.TarFile, path: str, blob: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(blob)
    tar.addfile(entry, io.BytesIO(blob))
