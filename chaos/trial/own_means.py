"""What gameday.toml says of the server itself, for faults that have to fit any: part of `[system]`."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from chaos.faults.infrastructure import OwnMeans
from chaos.system.spec.base import Written

__all__ = ["OwnMeansPart"]

Word = Annotated[str, Field(min_length=1)]


class OwnMeansPart(Written):
    """What faults do to a server where its own means are known.

    `process` is what hangs or crashes, by its name; default: the process that holds the most memory. `not_ready` and
    `ready` are commands in the container, run without a shell, by which the server says so. `debug_image` has a shell,
    for an ephemeral container beside one that has none.
    """

    process: Word | None = None
    not_ready: tuple[Word, ...] = ()
    ready: tuple[Word, ...] = ()
    debug_image: Word | None = None

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if bool(self.not_ready) != bool(self.ready):
            yield "not_ready and ready go together: one takes the other back"

    def own_means(self) -> OwnMeans:
        """The same for faults."""
        return OwnMeans(self.process or "", self.not_ready, self.ready, self.debug_image or "")
