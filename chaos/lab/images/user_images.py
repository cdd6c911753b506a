"""Images of the user's for the lab: from an archive, or out of a containerd of the host's."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import UsageError
from chaos.lab.host.cache import cache_root
from chaos.lab.images.archive import rewrite_archive
from chaos.lab.images.containerd_root import export_image
from chaos.lab.images.image_names import full_name

__all__ = ["CONTAINERD", "from_archive", "from_containerd", "named_source"]

CONTAINERD = Path("/run/containerd/containerd.sock")
"""Where a containerd of the host's listens, if nobody says otherwise."""


@contextmanager
def from_archive(file: Path, *, name: str = "") -> Iterator[tuple[Path, tuple[str, ...]]]:
    """An archive as an OCI layout of ours, while the block runs, and its images' names. Raises LabError."""
    with _written(lambda out: rewrite_archive(file, out, name=name)) as written:
        yield written


@contextmanager
def from_containerd(source: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The same of an image in a containerd: `NAME`, or `NAME@SOCKET`. Raises LabError, UsageError for another form."""
    wanted, socket = named_source(source)

    def written(out: Path) -> tuple[str, ...]:
        exported = out.with_suffix(".exported")
        export_image(socket, wanted, exported)
        try:
            return rewrite_archive(exported, out, name=wanted)
        finally:
            exported.unlink()

    with _written(written) as made:
        yield made


def named_source(source: str) -> tuple[str, Path]:
    """The full name and the socket of `NAME[@SOCKET]`; an `@` before a digest belongs to the name."""
    name, at, socket = source.rpartition("@")
    if not at or not socket.startswith("/"):
        name, socket = source, str(CONTAINERD)
    if not name:
        raise UsageError(f"--from-containerd {source}: no image is named", "NAME, or NAME@/run/containerd.sock")
    return full_name(name), Path(socket)


@contextmanager
def _written(write: Callable[[Path], tuple[str, ...]]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    # In the cache's own folder: nobody else may write there, and it has room for images.
    with tempfile.TemporaryDirectory(prefix="loading-", dir=cache_root()) as folder:
        out = Path(folder) / "image.tar"
        yield out, write(out)
