"""The lab for the length of a session: started if there is none, and taken down by the last session that used it.

A lab that a person started with `gameday lab up` stays. A session that was killed leaves its lab running; the next one
joins it and takes it down in its stead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chaos.lab.facts import LabFacts
from chaos.lab.lab import Lab, LabInUse
from chaos.progress import Progress

__all__ = ["keep_lab", "lab_session"]

MARK = "ends-with-session"


@contextmanager
def lab_session(lab: Lab, *, nodes: int, words: str, keep: bool, progress: Progress) -> Iterator[LabFacts]:
    """Have the lab up, in use by `words`, while the block runs. `keep` leaves it running at the end.

    Raises what `Lab.up` and `Lab.use` raise.
    """
    mark = lab.paths.state / MARK
    stood = lab.status().well
    try:
        with lab.use(words, nodes=nodes, progress=progress) as facts:
            if not stood:
                mark.touch(mode=0o600)
            if keep:
                keep_lab(lab)
            yield facts
    finally:
        if mark.exists():
            # Another session may have begun to use it since; then that one takes it down.
            with suppress(LabInUse):
                lab.down(progress=progress)


def keep_lab(lab: Lab) -> None:
    """Let the lab stay until somebody takes it down."""
    (lab.paths.state / MARK).unlink(missing_ok=True)
