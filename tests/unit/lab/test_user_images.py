"""Image archives of the user's: what is taken, under which names, and each lie that is refused in words."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import LabError, UsageError
from chaos.lab.host.toolchain import architecture
from chaos.lab.images import archive
from chaos.lab.images.archive import rewrite_archive
from chaos.lab.images.image_names import full_name
from chaos.lab.images.oci import image_names
from chaos.lab.images.user_images import CONTAINERD, named_source

Members = dict[str, bytes | tarfile.TarInfo]


def digest(blob: bytes) -> str:
    """As the formats write it."""
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def text(value: object) -> bytes:
    """Any JSON."""
    return json.dumps(value).encode()


def layer(word: str) -> bytes:
    """A layer with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("greeting")
        entry.size = len(word)
        tar.addfile(entry, io.BytesIO(word.encode()))
    return out.getvalue()


LOWER, UPPER = layer("hello"), gzip.compress(layer("again"), mtime=0)
CONFIG: dict[str, Any] = {
    "architecture": architecture(),
    "os": "linux",
    "config": {"Cmd": ["/x"]},
    "rootfs": {"type": "layers", "diff_ids": [digest(LOWER), digest(gzip.decompress(UPPER))]},
}
OCI = "application/vnd.oci.image"


def described(blob: bytes, kind: str, **more: Any) -> dict[str, Any]:
    """A descriptor."""
    return {"mediaType": kind, "digest": digest(blob), "size": len(blob), **more}


BOTH = {LOWER: f"{OCI}.layer.v1.tar", UPPER: f"{OCI}.layer.v1.tar+gzip"}


def oci(
    names: Mapping[str, str] | None = None, *, config: Mapping[str, Any] = CONFIG, kept: Mapping[bytes, str] = BOTH
) -> Members:
    """An OCI layout of one image, with these annotations."""
    inside = text(config)
    told = [described(blob, kind) for blob, kind in kept.items()]
    manifest = text({"schemaVersion": 2, "config": described(inside, f"{OCI}.config.v1+json"), "layers": told})
    top = described(manifest, f"{OCI}.manifest.v1+json", annotations=dict(names or {}))
    blobs = {f"blobs/{digest(one).replace(':', '/')}": one for one in (inside, manifest, *kept)}
    return {"oci-layout": text({"imageLayoutVersion": "1.0.0"}), "index.json": text({"manifests": [top]}), **blobs}


def saved(*tags: str) -> Members:
    """What `docker save` wrote before it wrote OCI layouts: files by any name, and a link to a shared layer."""
    link = tarfile.TarInfo("two/layer.tar")
    link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
    config = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": [digest(LOWER)] * 2}}
    told = [{"Config": "abc.json", "RepoTags": list(tags) or None, "Layers": ["one/layer.tar", "two/layer.tar"]}]
    return {"manifest.json": text(told), "abc.json": text(config), "one/layer.tar": LOWER, "two/layer.tar": link}


def packed(folder: Path, members: Members, *, zipped: bool = False) -> Path:
    """The archive as a file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    file = folder / "given.tar"
    file.write_bytes(gzip.compress(out.getvalue()) if zipped else out.getvalue())
    return file


WHOLE = {"io.containerd.image.name": "registry.example/chat:1", "org.opencontainers.image.ref.name": "1"}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("members", "name", "called"),
    [
        (oci(WHOLE), "", ("registry.example/chat:1",)),
        (oci({"org.opencontainers.image.ref.name": "localhost/chat:2"}), "", ("localhost/chat:2",)),
        (oci({"org.opencontainers.image.ref.name": "latest"}), "chat", ("docker.io/library/chat:latest",)),
        (oci(), "team/chat:3", ("docker.io/team/chat:3",)),
        (saved("chat:1", "chat:latest"), "", ("docker.io/library/chat:1", "docker.io/library/chat:latest")),
        (saved("registry.example:5000/a/b:1"), "", ("registry.example:5000/a/b:1",)),
        (saved(), "own/name", ("docker.io/own/name:latest",)),
        (
            {
                **oci(),
                "manifest.json": text([{"Config": f"blobs/sha256/{digest(text(CONFIG))[7:]}", "RepoTags": ["a:1"]}]),
            },
            "",
            ("docker.io/library/a:1",),
        ),
    ],
)
def test_what_tools_write_is_taken_under_its_full_names(
    tmp_path: Path,
    members: Members,
    name: str,
    called: tuple[str, ...],
    zipped: bool,  # noqa: FBT001  # a table
) -> None:
    """As a kubelet's runtime looks for them, in the one shape that nodes are given; nothing else is left behind."""
    out = tmp_path / "image.tar"
    assert rewrite_archive(packed(tmp_path, members, zipped=zipped), out, name=name) == called
    assert image_names(out) == list(called)
    with tarfile.open(out) as tar:
        blobs = {one.name: tar.extractfile(one).read() for one in tar if one.name.startswith("blobs/")}  # type: ignore[union-attr]  # files
    assert all(name == f"blobs/{digest(blob).replace(':', '/')}" for name, blob in blobs.items())
    assert LOWER in blobs.values()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["given.tar", "image.tar"]


def test_of_several_platforms_this_machines_is_taken(tmp_path: Path) -> None:
    """Also below an index of an index, as buildx writes; what is no image of a platform is left out."""
    members = oci()
    (own,) = json.loads(members["index.json"])["manifests"]  # type: ignore[arg-type]  # bytes
    here = {**own, "platform": {"os": "linux", "architecture": architecture()}}
    other = {**own, "digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "s390x"}}
    proof = {**other, "platform": {"os": "unknown", "architecture": "unknown"}}
    below = text({"manifests": [other, here, proof]})
    top = described(below, f"{OCI}.index.v1+json", annotations=WHOLE)
    members |= {f"blobs/{digest(below).replace(':', '/')}": below, "index.json": text({"manifests": [top]})}
    assert rewrite_archive(packed(tmp_path, members), tmp_path / "out.tar") == ("registry.example/chat:1",)
    members["index.json"] = text({"manifests": [other]})
    with pytest.raises(LabError, match="holds no image for linux/"):
        rewrite_archive(packed(tmp_path, members), tmp_path / "out.tar")


def test_several_images_keep_their_names_and_share_their_layers(tmp_path: Path) -> None:
    """One name for two of them would be one too few; two tags of one image are one image."""
    members = oci(WHOLE)
    (top,) = json.loads(members["index.json"])["manifests"]  # type: ignore[arg-type]  # bytes
    second = {**top, "annotations": {"io.containerd.image.name": "registry.example/chat:2"}}
    members["index.json"] = text({"manifests": [top, second, top]})
    both = ("registry.example/chat:1", "registry.example/chat:2")
    assert rewrite_archive(packed(tmp_path, members), tmp_path / "out.tar") == both
    assert rewrite_archive(packed(tmp_path, members), tmp_path / "out.tar", name="c:3") == ("docker.io/library/c:3",)
    more = oci(WHOLE, config={**CONFIG, "author": "another"})
    (other,) = json.loads(more["index.json"])["manifests"]  # type: ignore[arg-type]  # bytes
    for tops, told in (
        ([top, other], "the same name"),
        ([top, {**other, "annotations": {}}], "what its image is called"),
    ):
        mixed = {**more, **members, "index.json": text({"manifests": tops})}
        with pytest.raises(LabError, match=told):
            rewrite_archive(packed(tmp_path, mixed), tmp_path / "out.tar")
    with pytest.raises(LabError, match="2 images"):
        rewrite_archive(packed(tmp_path, mixed), tmp_path / "out.tar", name="c:3")


def entry(name: str, **fields: Any) -> tarfile.TarInfo:
    """A member that is no plain file."""
    made = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def swapped(old: bytes, new: bytes) -> Callable[[Members], Members]:
    """The members with another content for one."""
    return lambda members: {name: new if content == old else content for name, content in members.items()}


def without(part: str) -> Callable[[Members], Members]:
    """The members without those of a name."""
    return lambda members: {name: content for name, content in members.items() if part not in name}


def indexes(width: int) -> Members:
    """Indexes of indexes: each names the next one so often."""
    members, below = oci(WHOLE), oci(WHOLE)["index.json"]
    assert isinstance(below, bytes)
    for _ in range(4):
        members[f"blobs/{digest(below).replace(':', '/')}"] = below
        below = text({"manifests": [described(below, f"{OCI}.index.v1+json")] * width})
    return {**members, "index.json": below}


def sparse(size: int) -> tarfile.TarInfo:
    """A member of a few bytes that says that it has so many (GNU's old format)."""

    class Sparse(tarfile.TarInfo):
        def tobuf(self, *_: object, **__: object) -> bytes:
            head = bytearray(super().tobuf(tarfile.GNU_FORMAT))
            head[386:410] = b"00000000000\0" * 2
            head[483:495] = b"\x80" + size.to_bytes(11)
            head[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(head))[0]
            return bytes(head)

    made = Sparse("one/layer.tar")
    made.type = tarfile.GNUTYPE_SPARSE
    return made


LIES: Mapping[str, tuple[Members, str]] = {
    "a layer without an end": ({**saved("a:1"), "one/layer.tar": sparse(1 << 50)}, "is no file"),
    "indexes of indexes": (indexes(1000), "never come to an end"),
    "a number for names": (
        {**saved(), "manifest.json": text([{"Config": "abc.json", "RepoTags": 5, "Layers": ["one/layer.tar"]}])},
        "nothing of its RepoTags",
    ),
    "a list for its root": (oci(WHOLE, config={**CONFIG, "rootfs": [1]}), "where an object belongs"),
    "layers without an end": (
        {**saved(), "manifest.json": text([{"Config": "abc.json", "Layers": ["one/layer.tar"] * 501}])},
        "it has 501 Layers",
    ),
    "a path upwards": ({**oci(WHOLE), "../../etc/cron.d/x": b"x"}, "lies outside"),
    "an absolute path": ({**oci(WHOLE), "/etc/passwd": b"x"}, "lies outside"),
    "a hidden path upwards": ({**oci(WHOLE), "blobs/../../x": b"x"}, "lies outside"),
    "a device": ({**oci(WHOLE), "null": entry("null", type=tarfile.CHRTYPE)}, "is no file"),
    "a pipe": ({**oci(WHOLE), "pipe": entry("pipe", type=tarfile.FIFOTYPE)}, "is no file"),
    "a member twice": ({**oci(WHOLE), "./index.json": b"{}"}, "twice"),
    "a blob that is another": (swapped(LOWER, layer("other"))(oci(WHOLE)), "not what it is called"),
    "a blob that is missing": (without(digest(UPPER)[7:])(oci(WHOLE)), "is missing"),
    "an index that is no JSON": ({**oci(WHOLE), "index.json": b"{"}, "is no JSON"),
    "an index of nothing": ({**oci(WHOLE), "index.json": b"[]"}, "where an object belongs"),
    "no list of manifests": ({**oci(WHOLE), "index.json": b"{}"}, "nothing of its manifests"),
    "words for a manifest": ({**oci(WHOLE), "index.json": text({"manifests": ["x"]})}, "where an object belongs"),
    "a path for a digest": (
        {**oci(WHOLE), "index.json": text({"manifests": [{"digest": "sha256:../../x"}]})},
        "is no digest",
    ),
    "deep JSON": ({**oci(WHOLE), "index.json": b"[" * 100_000}, "is no JSON"),
    "a huge index": ({**oci(WHOLE), "index.json": b" " * (9 << 20)}, "more than 8 MiB"),
    "another machine's": (oci(WHOLE, config={**CONFIG, "architecture": "riscv64"}), "made for linux/riscv64"),
    "another system's": (oci(WHOLE, config={**CONFIG, "os": "windows"}), "made for windows/"),
    "fewer layers than it says": (oci(WHOLE, kept={LOWER: f"{OCI}.layer.v1.tar"}), "does not tell of the 1 layers"),
    "no layers told": (oci(WHOLE, config={**CONFIG, "rootfs": {}}), "does not tell of the 2 layers"),
    "a layer from elsewhere": (
        oci(WHOLE, kept={LOWER: f"{OCI}.layer.nondistributable.v1.tar", UPPER: f"{OCI}.layer.v1.tar+gzip"}),
        "not in the archive",
    ),
    "an encrypted layer": (
        oci(WHOLE, kept={LOWER: f"{OCI}.layer.v1.tar+encrypted", UPPER: f"{OCI}.layer.v1.tar+gzip"}),
        "not in the archive, or not known",
    ),
    "an option for a name": (oci({"io.containerd.image.name": "--all"}), "is no name of an image"),
    "a path for a name": (oci({"io.containerd.image.name": "../../x:1"}), "is no name of an image"),
    "no name at all": (oci(), "does not say what its image is called"),
    "neither index": ({"readme": b"x"}, "neither an index.json"),
    "an endless link": (
        {**saved("a:1"), "one/layer.tar": entry("one/layer.tar", type=tarfile.SYMTYPE, linkname="layer.tar")},
        "links to",
    ),
    "a link outwards": (
        {**saved("a:1"), "two/layer.tar": entry("two/layer.tar", type=tarfile.SYMTYPE, linkname="../../etc/shadow")},
        "links to",
    ),
    "a link to a path": (
        {**saved("a:1"), "two/layer.tar": entry("two/layer.tar", type=tarfile.LNKTYPE, linkname="/etc/shadow")},
        "links to",
    ),
    "a layer that is not there": (without("one/")(saved("a:1")), "is missing"),
    "a config that is not there": (without("abc")(saved("a:1")), "is missing"),
}


@pytest.mark.parametrize(("members", "told"), LIES.values(), ids=LIES)
def test_an_archive_that_lies_is_refused_in_words(tmp_path: Path, members: Members, told: str) -> None:
    """Each names the file, says what is the matter, and leaves nothing of it outside of its folder."""
    given = packed(tmp_path, members)
    with pytest.raises(LabError, match=r"given|name of an image") as refused:
        rewrite_archive(given, tmp_path / "image.tar")
    assert told in refused.value.what
    assert refused.value.fix
    assert not (tmp_path / "image.plain").exists()


NEXT = tarfile.TarInfo("y").tobuf()


def extended(said: dict[str, str]) -> bytes:
    """A head of a POSIX archive that says more of the next member."""
    made = tarfile.TarInfo("x")
    made.pax_headers = said
    return made.tobuf(tarfile.PAX_FORMAT)[:1024]


def test_an_archive_that_unzips_to_no_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth of zeros is all that gzip makes of them, and the disk is root's."""
    monkeypatch.setattr(archive, "UNZIPPED_MAX", 1 << 20)
    given = packed(tmp_path, {**oci(WHOLE), "blobs/x": bytes(20 << 20)}, zipped=True)
    with pytest.raises(LabError, match="unzips to more than 100 times its size"):
        rewrite_archive(given, tmp_path / "image.tar")
    assert not (tmp_path / "image.plain").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no image archive"),
        (b"hello", "no image archive"),
        (b"\x28\xb5\x2f\xfdxxxx", "packed as a whole by zstd"),
        (gzip.compress(b"hello"), "no image archive"),
        (gzip.compress(b"x" * 10_000)[:40], "no image archive"),
        (b"\x1f\x8bxxxxxxxxxxxx", "no image archive"),
        (extended({"GNU.sparse.map": "x,y", "GNU.sparse.size": "abc"}) + NEXT, "no image archive"),
        (extended({"size": "9" * 20}) + NEXT, "no image archive"),
        (extended({"comment": "again"}) * 3000, "no image archive"),
    ],
    ids=[
        "empty",
        "text",
        "zstd",
        "gzip of text",
        "gzip cut short",
        "no gzip",
        "no sizes",
        "no offset",
        "heads of heads",
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    """Cut off, packed otherwise, or anything else."""
    (tmp_path / "given.tar").write_bytes(content)
    with pytest.raises(LabError, match=told):
        rewrite_archive(tmp_path / "given.tar", tmp_path / "image.tar")
    with pytest.raises(LabError, match="No such file"):
        rewrite_archive(tmp_path / "none.tar", tmp_path / "image.tar")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("llama", "docker.io/library/llama:latest"),
        ("llama:1", "docker.io/library/llama:1"),
        ("ggml/llama", "docker.io/ggml/llama:latest"),
        ("localhost/llama", "localhost/llama:latest"),
        ("localhost:5000/llama:2", "localhost:5000/llama:2"),
        ("ghcr.io/ggml-org/llama.cpp:server", "ghcr.io/ggml-org/llama.cpp:server"),
        (f"a.b/c@sha256:{'0' * 64}", f"a.b/c@sha256:{'0' * 64}"),
    ],
)
def test_names_are_written_out(name: str, full: str) -> None:
    """As the runtime does it before it looks for an image."""
    assert full_name(name) == full
    assert full_name(full) == full


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "A/b", "a/../b", "a:", "a@sha256:12", "x" * 300, "a/b\n", "http://a/b"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    """Before a program is given it."""
    with pytest.raises(LabError, match="no name of an image"):
        full_name(name)


def test_a_source_may_name_its_socket() -> None:
    """An `@` before a digest is the name's own."""
    pinned = f"a.b/c@sha256:{'0' * 64}"
    assert named_source("chat:1") == ("docker.io/library/chat:1", CONTAINERD)
    assert named_source("chat:1@/run/x.sock") == ("docker.io/library/chat:1", Path("/run/x.sock"))
    assert named_source(pinned) == (pinned, CONTAINERD)
    assert named_source(f"{pinned}@/run/x.sock") == (pinned, Path("/run/x.sock"))
    with pytest.raises(UsageError, match="no image is named"):
        named_source("@/run/x.sock")
