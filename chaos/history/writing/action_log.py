"""What was done to the world, written before and after: actions.jsonl, as docs/run-folder.md describes it."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos.clock import Clock
from chaos.history import Outcome
from chaos.history.writing.jsonl import AppendFile, as_line
from chaos.history.writing.redaction import redacted_message, without_secrets
from chaos.objects.base import Ref

__all__ = ["Entry", "Journal", "NullJournal"]

_numbers = itertools.count(1)  # of the process, so that two journals on one file never give the same id


class Entry:
    """An action under way; say what became of it with `end`."""

    def __init__(self, number: str) -> None:
        self.id = number
        self.outcome: Outcome = "info"
        self.detail: Mapping[str, Any] = {"reason": "nobody said what became of it"}

    def end(self, outcome: Outcome, **detail: Any) -> None:
        """The action happened (`ok`), did not (`fail`), or nobody can know (`info`); give a `reason` unless ok."""
        self.outcome, self.detail = outcome, detail


class Journal:
    """Appends events to a file, each flushed as it happens; safe to use from many threads.

    Raises `HarnessBroken` when a line cannot be written: nothing is done to the world that cannot be journalled.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = AppendFile(path)
        # A file that an earlier process began has ids of that process in it.
        self._prefix = f"a{size}-" if (size := path.stat().st_size) else "a"

    def event(self, name: str, /, **fields: Any) -> None:
        """Append one event; `fields` are plain data, whose words are kept without secrets."""
        self._append(as_line({"event": name, **_kept(fields)})[1:])

    @contextmanager
    def action(
        self, name: str, target: Ref, *, fault: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> Iterator[Entry]:
        """Journal an action before and after: do it in the block, and call `end` of the entry with its outcome.

        If the block raises, the outcome is `info` with the error as the reason, and the error goes on.
        """
        entry = Entry(f"{self._prefix}{next(_numbers)}")
        given = dict(detail or {})
        self.event("action-begin", id=entry.id, action=name, target=asdict(target), fault=fault, detail=given)
        try:
            yield entry
        except BaseException as error:
            entry.end("info", reason=f"interrupted: {type(error).__name__}: {error}".rstrip(": "))
            raise
        finally:
            self.event("action-end", id=entry.id, outcome=entry.outcome, detail=dict(entry.detail))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, rest: bytes) -> None:
        self._file.write(self._clock.now_ns(), rest)


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Reasons, proofs and notes may be words of the cluster, parameters and details what a fault was given."""
    kept: dict[str, Any] = without_secrets(fields)
    return {name: redacted_message(value) if isinstance(value, str) else value for name, value in kept.items()}


class NullJournal(Journal):
    """A journal that nobody reads, for work outside a trial (the lab, clean-up after the record is closed)."""

    def __init__(self) -> None:
        self._clock = Clock.start()
        self._prefix = "a"

    def close(self) -> None:
        """There is nothing to close."""

    def _append(self, rest: bytes) -> None:
        """Write nothing."""
