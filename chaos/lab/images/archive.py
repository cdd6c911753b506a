"""Image archives of the user's: read as they are, believed in nothing, and written anew in the one shape that we load.

Taken are OCI layouts (`skopeo copy … oci-archive:`, `buildah push … oci-archive:`, `docker buildx build -o type=oci`)
and what `docker save` and `podman save` write, gzipped or not. Nothing is ever unpacked to where an archive says: of
its members only blobs are copied, to names that are their own digests, each held against what refers to it.

Formats: OCI image specification 1.1; `docker save`: moby, image/tarexport.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from chaos.errors import LabError
from chaos.lab.host.toolchain import architecture
from chaos.lab.images.image_names import annotated_names, full_name, saved_names
from chaos.lab.images.oci import write_layout

__all__ = ["rewrite_archive"]

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
JSON_MAX = 8 << 20
"""An index, a manifest or a configuration is some kilobytes; containerd takes no larger ones either."""

INDEX_DEPTH_MAX, DESCRIBED_MAX, LAYERS_MAX = 4, 2000, 500
"""Indexes may name one another again and again; and no kernel mounts more layers over each other (overlayfs)."""

UNZIPPED_MAX, TIMES_MAX = 1 << 30, 100
"""What is zipped as a whole unzips to so much more than so many times itself: gzip makes a thousandth of zeros."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
OCI_LAYER, DOCKER_LAYER = "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"
PACKINGS = ("", "+gzip", "+zstd", ".gzip", ".zstd")
KNOWN_LAYERS = {f"{kind}{packing}" for kind in (OCI_LAYER, DOCKER_LAYER) for packing in PACKINGS}
MANIFEST, CONFIG = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"
LAYERS = {GZIP: "+gzip", ZSTD: "+zstd"}


def rewrite_archive(file: Path, out: Path, *, name: str = "") -> tuple[str, ...]:
    """Write the images of an archive to `out`, an OCI layout of ours, and return their full names.

    `name` names an archive of one image that has no name of its own, or gives it another. Raises LabError, in words,
    for what is no image, not for this machine, or not what it says it is.
    """
    try:
        with _plain(file, out.with_suffix(".plain")) as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
            archive = _Archive(file, tar)
            images = archive.images()
            named = _named(file, images, name)
            manifests = [(archive.manifest(one), names) for one, names in named]
            sizes = {digest: blob.size for digest, blob in archive.blobs.items()}
            write_layout(out, manifests, {}, sizes, lambda digest: archive.opened(archive.blobs[digest]))
            return tuple(one for _, names in manifests for one in names)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, *OF_HEADS) as error:
        raise LabError(f"{file} is no image archive that can be read: {error}", HOW) from None
    except OSError as error:
        raise LabError(f"{file}: {error.strerror or error}") from None
    finally:
        out.with_suffix(".plain").unlink(missing_ok=True)


OF_HEADS = (ValueError, OverflowError, RecursionError)
"""What the package raises of an archive's heads that lie."""

HOW = "docker save IMAGE -o FILE.tar, podman save IMAGE -o FILE.tar, or skopeo copy … oci-archive:FILE.tar:IMAGE"


@dataclass(frozen=True, slots=True)
class _Blob:
    """A member of the archive that is copied: what it is called there, and what it must be."""

    member: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class _Image:
    """One image: its names as the archive has them, its configuration, and its layers with their media types."""

    names: tuple[str, ...]
    config: _Blob
    layers: tuple[tuple[_Blob, str], ...]


class _Archive:
    """An archive that is open. Raises LabError for members that no image has."""

    def __init__(self, file: Path, tar: tarfile.TarFile) -> None:
        self._file, self._tar = file, tar
        self.blobs: dict[str, _Blob] = {}
        self._described_so_far = 0
        self._members: dict[str, tarfile.TarInfo] = {}
        self._hashed: dict[str, _Blob] = {}
        for member in tar:
            self._add(member)

    def _add(self, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath(member.name)
        if name.startswith(("/", "../")) or name == "..":
            raise self._refused(f"its member {member.name!r} lies outside of it")
        if member.isdir():
            return
        # A sparse one may say that it has any size.
        if member.issparse() or not (member.isfile() or member.issym() or member.islnk()):
            raise self._refused(f"its member {member.name!r} is no file")
        if name in self._members:
            raise self._refused(f"it holds {name!r} twice")
        self._members[name] = member

    def _refused(self, why: str) -> LabError:
        return LabError(f"{self._file} is not taken: {why}", HOW)

    def _object(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._refused(f"{str(value)!r:.80} stands where an object belongs")
        return value

    def _list(self, told: Mapping[str, Any], key: str, most: int | None = None) -> list[Any]:
        if not isinstance(value := told.get(key), list):
            raise self._refused(f"it says nothing of its {key}")
        if most is not None and len(value) > most:
            raise self._refused(f"it has {len(value)} {key}")
        return value

    def images(self) -> tuple[_Image, ...]:
        """The images for this machine, each once with all its names."""
        found: dict[str, _Image] = {}
        for one in self._images():
            first = found.setdefault(one.config.digest, one)
            found[one.config.digest] = replace(first, names=tuple(dict.fromkeys((*first.names, *one.names))))
        return tuple(found.values())

    def _images(self) -> Iterator[_Image]:
        saved = self._json("manifest.json") if "manifest.json" in self._members else None
        if "index.json" in self._members:
            tags = saved_names(saved)
            yield from self._described(self._object(self._json("index.json")), tags, (), 0)
        elif isinstance(saved, list):
            for one in saved:
                yield self._saved(self._object(one))
        else:
            raise self._refused("it has neither an index.json (OCI) nor a manifest.json (docker save)")

    def _described(
        self, index: Mapping[str, Any], tags: Mapping[str, tuple[str, ...]], names: tuple[str, ...], depth: int
    ) -> Iterator[_Image]:
        """The images of an OCI index, and of those below it; of several platforms, this machine's."""
        if depth > INDEX_DEPTH_MAX:
            raise self._refused("its indexes never come to an end")
        for one in map(self._object, self._list(index, "manifests")):
            self._described_so_far += 1
            if self._described_so_far > DESCRIBED_MAX:
                raise self._refused("its indexes never come to an end")
            own = annotated_names(one) or names
            platform = one.get("platform")
            if isinstance(platform, Mapping) and (platform.get("os"), platform.get("architecture")) != (
                "linux",
                architecture(),
            ):
                continue
            blob = self._blob(one)
            below = self._object(self._json(blob.member))
            if "manifests" in below:  # an index, of OCI or Docker
                yield from self._described(below, tags, own, depth + 1)
                continue
            config = self._blob(self._object(below.get("config")))
            layers = map(self._object, self._list(below, "layers", LAYERS_MAX))
            told = tuple((self._blob(layer), self._layer_type(layer)) for layer in layers)
            yield _Image(own or tags.get(config.digest, ()), config, told)

    def _saved(self, one: Mapping[str, Any]) -> _Image:
        """An image as `docker save` describes it: by the files' names, without digests."""
        members = [str(each) for each in self._list(one, "Layers", LAYERS_MAX)]
        config = self._file_blob(str(one.get("Config")))
        names = tuple(map(str, self._list(one, "RepoTags"))) if one.get("RepoTags") else ()
        return _Image(names, config, tuple(map(self._saved_layer, members)))

    def _saved_layer(self, member: str) -> tuple[_Blob, str]:
        blob = self._file_blob(member)
        with self.opened(blob) as layer:
            start = layer.read(4)
        kind = next((suffix for magic, suffix in LAYERS.items() if start.startswith(magic)), "")
        return blob, f"{OCI_LAYER}{kind}"

    def _layer_type(self, layer: Mapping[str, Any]) -> str:
        kind = str(layer.get("mediaType"))
        if kind not in KNOWN_LAYERS:
            raise self._refused(f"one of its layers has the type {kind!r:.100}: not in the archive, or not known")
        return kind

    def manifest(self, image: _Image) -> bytes:
        """The manifest of an image that is for this machine, and has as many layers as its configuration says."""
        config = self._object(self._json(image.config.member))
        made_for = f"{config.get('os') or 'linux'}/{config.get('architecture')}"
        if made_for != f"linux/{architecture()}":
            raise self._refused(f"it is made for {made_for}, and this machine is linux/{architecture()}")
        unpacked = self._object(config.get("rootfs")).get("diff_ids")
        if not isinstance(unpacked, list) or len(unpacked) != len(image.layers):
            raise self._refused(f"its configuration does not tell of the {len(image.layers)} layers that it has")
        for blob in (image.config, *(layer for layer, _ in image.layers)):
            self.blobs[blob.digest] = blob
        layers = [{"mediaType": kind, "digest": one.digest, "size": one.size} for one, kind in image.layers]
        described = {"mediaType": CONFIG, "digest": image.config.digest, "size": image.config.size}
        told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()

    def _blob(self, described: Mapping[str, Any]) -> _Blob:
        """What a descriptor names, held against its digest and size."""
        digest = str(described.get("digest"))
        if not DIGEST.fullmatch(digest):
            raise self._refused(f"{digest!r:.80} is no digest of SHA-256")
        blob = self._file_blob(f"blobs/{digest.replace(':', '/')}")
        if blob.digest != digest or blob.size != described.get("size", blob.size):
            raise self._refused(
                f"its blob {digest[:19]}… is not what it is called: {blob.digest[:19]}…, {blob.size} bytes"
            )
        return blob

    def _file_blob(self, member: str) -> _Blob:
        if member not in self._hashed:
            with self._read(member) as file:
                digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads
                self._hashed[member] = _Blob(member, digest, file.tell())
        return self._hashed[member]

    def opened(self, blob: _Blob) -> IO[bytes]:
        """A blob, to be read."""
        return self._read(blob.member)

    def _read(self, member: str, links: int = 0) -> IO[bytes]:
        found = self._members.get(posixpath.normpath(member))
        if found is None:
            raise self._refused(f"{member!r:.120} is missing in it")
        if found.isfile():
            file = self._tar.extractfile(found)
            assert file is not None
            return file
        # `docker save` writes a layer that several images share once, and links to it.
        place = posixpath.dirname(member) if found.issym() else ""
        target = posixpath.normpath(posixpath.join(place, found.linkname))
        if target.startswith(("/", "../")) or links > INDEX_DEPTH_MAX:
            raise self._refused(f"its member {member!r:.120} links to {found.linkname!r:.120}")
        return self._read(target, links + 1)

    def _json(self, member: str) -> Any:
        with self._read(member) as file:
            text = file.read(JSON_MAX + 1)
        if len(text) > JSON_MAX:
            raise self._refused(f"{member!r:.120} has more than {JSON_MAX >> 20} MiB")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self._refused(f"{member!r:.120} is no JSON") from None


def _plain(file: Path, beside: Path) -> IO[bytes]:
    """The tar file itself, unzipped where it is zipped. Raises LabError for a way of packing that is not known."""
    with file.open("rb") as packed:
        start = packed.read(4)
    if start.startswith(ZSTD):
        raise LabError(f"{file} is packed as a whole by zstd", f"zstd -d {file}")
    if not start.startswith(GZIP):
        return file.open("rb")
    most = UNZIPPED_MAX + TIMES_MAX * file.stat().st_size
    with gzip.open(file) as packed_file, beside.open("wb") as out:
        while piece := packed_file.read(1 << 20):
            if out.tell() > most:
                raise LabError(f"{file} unzips to more than {TIMES_MAX} times its size", f"gunzip {file}")
            out.write(piece)
    return beside.open("rb")


def _named(file: Path, images: tuple[_Image, ...], name: str) -> list[tuple[_Image, tuple[str, ...]]]:
    """Each image with its full names. Raises LabError where one has none, or several would have the same."""
    if not images:
        raise LabError(f"{file} holds no image for linux/{architecture()}", HOW)
    if name and len(images) > 1:
        raise LabError(f"{file} holds {len(images)} images, and one name is given", "leave --name out")
    named = [(one, tuple(dict.fromkeys(map(full_name, (name,) if name else one.names)))) for one in images]
    if not all(names for _, names in named):
        raise LabError(f"{file} does not say what its image is called", "give --name NAME:TAG")
    every = [one for _, names in named for one in names]
    if len(set(every)) < len(every):
        raise LabError(f"{file} gives two images the same name: {', '.join(sorted(every))}", HOW)
    return named
