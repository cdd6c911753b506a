"""What is recorded of each intended arrival, and how its outcome is decided: pure, but for the writer at the end.

The fields and the outcomes are those of docs/run-folder.md.
"""

import errno
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from loadgen.answers import Answer
from loadgen.nonces import Echo
from loadgen.refusals import SHED

__all__ = [
    "GOOD",
    "HEAD_MAX_BYTES",
    "OUTCOMES",
    "OWN_FAULTS",
    "REPLICA_MAX",
    "TURN",
    "Ending",
    "Outcome",
    "Record",
    "Seen",
    "Writer",
    "append",
    "outcome_of",
    "record_of",
    "unsent",
]

Outcome = Literal[
    "ok",
    "late",
    "disconnected",
    "truncated",
    "wrong",
    "foreign",
    "failed",
    "shed",
    "refused",
    "unanswered",
    "unsent",
]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Ending = Literal["complete", "broken", "no-connection", "time-limit", "own-fault", "left"]
"""How an exchange came to its end: the whole answer was read; it was closed, reset or no HTTP; no connection was made;
the time limit passed; the generator itself could not go on; the client left, as it was to."""

GOOD: frozenset[Outcome] = frozenset({"ok", "late"})
"""Those of answers that are there in full."""

TURN = 10**9
"""The numbers of the records of one turn of all conversations: turn t of arrival k has the number k + t * TURN."""

HEAD_MAX_BYTES, REPLICA_MAX = 1024 * 1024, 253
"""An answer whose headers are longer, interim ones counted, is taken for broken; no pod has a longer name."""

WITHOUT_ANSWER: Mapping[Ending, Outcome] = {
    "own-fault": "unsent",
    "left": "disconnected",
    "no-connection": "refused",
    "time-limit": "unanswered",
}

OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE})
"""Errors of opening a connection that come from shortages of the generator's host, never of the service."""


class Record(NamedTuple):
    """One line of requests.jsonl."""

    id: int
    stream: str
    intended_ns: int
    sent_ns: int | None
    first_byte_ns: int | None
    first_token_ns: int | None
    end_ns: int
    outcome: Outcome
    status: int | None
    error: str | None
    replica: str | None
    tokens_in: int | None
    tokens_out: int | None
    token_gaps_ns: list[int] | None
    finish_reason: str | None = None
    turn: int = 0
    attempts: int = 1
    last_outcome: Outcome | None = None
    last_end_ns: int | None = None
    leaves_after: int | None = None
    echo: Echo | None = None


@dataclass(slots=True)
class Seen:
    """What was seen of one exchange so far; filled in as it goes.

    `held_up`: why the API server did not pass the request on, where it was to go through its proxy. `not_shed`: its own
    words of a service without endpoints. `retry_after_s`: how long the service asks to wait before the next attempt.
    """

    sent_ns: int | None = None
    first_byte_ns: int | None = None
    status: int | None = None
    replica: str | None = None
    body_bytes: int = 0
    error: str | None = None
    held_up: str = ""
    not_shed: str = ""
    retry_after_s: float | None = None


def outcome_of(
    ending: Ending,
    *,
    status_expected: bool | None,
    answer: Answer,
    response_ns: int,
    patience_ns: int | None,
    shed: bool = False,
) -> Outcome:
    """Decide what became of a request.

    `status_expected`: whether the status is one that the profile expects; None if there was none. `response_ns` counts
    from the intended start to the full answer. A full answer stays one however its connection ended afterwards, one
    that the server says it cut off is truncated however it ended, and an error status is an error even if its body
    never came. `shed`: the status says that the service has no room.
    """
    if status_expected is False:
        return "shed" if shed else "failed"
    if answer.error is not None:
        return "failed"
    if answer.cut_off:
        return "truncated"
    if answer.full_ns is not None and answer.wrong is not None:
        return "wrong"
    if answer.full_ns is not None:
        return "late" if patience_ns is not None and response_ns > patience_ns else "ok"
    return WITHOUT_ANSWER.get(ending, "truncated" if status_expected else "failed")


def record_of(
    *,
    index: int,
    stream: str,
    intended_ns: int,
    ended_ns: int,
    ending: Ending,
    seen: Seen,
    answer: Answer,
    expected: frozenset[int],
    patience_ns: int | None,
    turn: int = 0,
    leaves_after: int | None = None,
) -> Record:
    """The record of an arrival whose exchange ended at `ended_ns`."""
    status_expected = None if seen.status is None else seen.status in expected
    end_ns = answer.full_ns if answer.full_ns is not None and status_expected else ended_ns
    # The service cannot have failed a request that never reached it.
    outcome: Outcome = "unsent"
    if not seen.held_up:
        outcome = outcome_of(
            ending,
            status_expected=status_expected,
            answer=answer,
            response_ns=end_ns - intended_ns,
            patience_ns=patience_ns,
            shed=seen.status in SHED and not seen.not_shed,
        )
    return Record(
        index,
        stream,
        intended_ns,
        seen.sent_ns,
        seen.first_byte_ns,
        answer.first_token_ns,
        end_ns,
        outcome,
        seen.status,
        _error(outcome, seen, answer, status_expected=status_expected),
        seen.replica,
        answer.tokens_in,
        answer.tokens_out,
        answer.token_gaps_ns,
        answer.finish_reason,
        turn,
        leaves_after=leaves_after,
    )


def _error(outcome: Outcome, seen: Seen, answer: Answer, *, status_expected: bool | None) -> str | None:
    if outcome in {"ok", "late", "disconnected"}:
        return None
    if seen.held_up or status_expected is False:
        return seen.held_up or seen.not_shed or f"status {seen.status}"
    if answer.error is not None:
        return answer.error
    if answer.cut_off:
        return f"cut off by the server: finish reason {answer.finish_reason}"[:200]
    if outcome == "truncated" and seen.error is None:
        return "the stream ended without its end mark"
    return (answer.wrong if outcome == "wrong" else seen.error) or outcome


def unsent(index: int, stream: str, intended_ns: int, now_ns: int, why: str) -> Record:
    """The record of an arrival that the generator could not send."""
    return Record(index, stream, intended_ns, None, None, None, now_ns, "unsent", None, why, None, None, None, None)


def append(descriptor: int, data: bytes) -> None:
    """Write all of it, in one go where the kernel takes it so. Raises `OSError`."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


class Writer:
    """Appends records to a file, each in one write that the kernel has before `write` returns.

    So a generator that is killed loses no record that was decided. Raises `OSError` where the file cannot take one:
    a generator that cannot record must not go on.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
        self.counts: dict[str, Counter[Outcome]] = {}

    def write(self, record: Record) -> None:
        """Append one record."""
        self.line(record._asdict())
        if record.turn == 0:
            self.counts.setdefault(record.stream, Counter())[record.outcome] += 1

    def line(self, data: Mapping[str, object]) -> None:
        """Append one line of JSON."""
        append(self._fd, self._encode(data).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
