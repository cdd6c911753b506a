"""How an outcome is decided, and how a record is kept."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from chaos.clock import NS, Clock
from chaos.history.model import REQUEST_SCHEMA, GeneratorSample
from loadgen.answers import PlainAnswer
from loadgen.driver.channel import Pipes
from loadgen.driver.driver import Generator
from loadgen.plan import Plan
from loadgen.profiles import HttpProfile
from loadgen.records import OUTCOMES, Ending, Outcome, Record, Seen, Writer, outcome_of, record_of, unsent

EXPECTED = frozenset({200})


def decided(ending: Ending, *, status: int | None, full_ns: int | None = None, error: str | None = None) -> Record:
    """The record of an arrival intended at 0 and ended at 9 s, with a patience of 5 s."""
    answer = PlainAnswer()
    answer.full_ns, answer.error = full_ns, error
    return record_of(
        index=1,
        stream="steady-1",
        intended_ns=0,
        ended_ns=9 * NS,
        ending=ending,
        seen=Seen(sent_ns=1, status=status, error="reset"),
        answer=answer,
        expected=EXPECTED,
        patience_ns=5 * NS,
    )


@pytest.mark.parametrize(
    ("ending", "status", "full_s", "error", "outcome"),
    [
        ("complete", 200, 1, None, "ok"),
        ("complete", 200, 6, None, "late"),
        ("complete", 200, None, None, "truncated"),  # a stream without its end mark
        ("complete", 200, None, "error event", "failed"),
        ("complete", 500, None, None, "failed"),
        ("time-limit", 500, None, None, "failed"),  # the fate was known with the status
        ("time-limit", 200, None, None, "unanswered"),
        ("time-limit", None, None, None, "unanswered"),
        ("time-limit", 200, 1, None, "ok"),  # full, but the connection never ended
        ("broken", 200, 1, None, "ok"),  # broken after the end mark
        ("broken", 200, None, None, "truncated"),
        ("broken", 500, None, None, "failed"),
        ("broken", None, None, None, "failed"),
        ("no-connection", None, None, None, "refused"),
        ("own-fault", None, None, None, "unsent"),
        ("own-fault", 200, None, None, "unsent"),
    ],
)
def test_each_ending_has_its_outcome(
    ending: Ending, status: int | None, full_s: int | None, error: str | None, outcome: Outcome
) -> None:
    """The table of docs/run-folder.md, case by case."""
    record = decided(ending, status=status, full_ns=None if full_s is None else full_s * NS, error=error)
    assert record.outcome == outcome
    assert (record.error is None) == (outcome in {"ok", "late"})
    assert record.end_ns == (9 if full_s is None else full_s) * NS


def test_what_the_api_server_held_up_is_no_failure_of_the_service() -> None:
    """The service never heard of it: unsent, with the API server's words, and the status as it was."""
    record = record_of(
        index=1,
        stream="steady-1",
        intended_ns=0,
        ended_ns=NS,
        ending="complete",
        seen=Seen(sent_ns=1, status=429, held_up="the API server did not pass it on: 429 busy"),
        answer=PlainAnswer(),
        expected=EXPECTED,
        patience_ns=None,
    )
    assert (record.outcome, record.status) == ("unsent", 429)
    assert record.error == "the API server did not pass it on: 429 busy"


def test_nothing_but_a_full_expected_answer_is_ever_ok() -> None:
    """Over all combinations: ok or late if and only if the answer is full, expected and without error."""
    for ending, expected, full, error in itertools.product(
        get_args(Ending), (True, False, None), (True, False), (None, "x")
    ):
        answer = PlainAnswer()
        answer.full_ns, answer.error = (1 if full else None), error
        outcome = outcome_of(ending, status_expected=expected, answer=answer, response_ns=1, patience_ns=None)
        assert outcome in OUTCOMES
        if full and expected is None:
            continue  # an answer is read only after an expected status
        assert (outcome == "ok") == (full and expected is True and error is None)


def test_the_outcomes_are_those_of_the_contract() -> None:
    """The type and the tuple list the same words, and a record has the columns that a history has."""
    assert get_args(Outcome) == OUTCOMES
    assert list(Record._fields) == list(REQUEST_SCHEMA)


def test_a_record_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    """Nothing is held back: a SIGKILL in the next instant loses no decided record."""
    path = tmp_path / "requests.jsonl"
    writer = Writer(path)
    record = unsent(7, 'a "b"\n', 1, 2, "too many")
    writer.write(record)
    assert json.loads(path.read_bytes()) == record._asdict()
    writer.write(record)
    assert path.read_bytes().count(b"\n") == 2
    assert writer.counts == {'a "b"\n': {"unsent": 2}}
    writer.close()


def test_a_full_disk_is_an_error() -> None:
    """A generator that cannot record must not go on as if it could."""
    with pytest.raises(OSError, match="No space left"):
        Writer(Path("/dev/full")).write(unsent(1, "s", 1, 2, "x"))


def test_the_parent_is_not_patched() -> None:
    """Importing the driver imports neither Locust nor gevent, which would patch this process."""
    code = "import sys, loadgen.driver.driver, loadgen.origin; print(sorted({'locust', 'gevent'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_newest_sample_is_the_last_whole_line(tmp_path: Path) -> None:
    """`latest` reads what is there, and is not confused by a line that is being written."""
    sample: dict[str, Any] = dict.fromkeys(GeneratorSample.__dataclass_fields__, 1)
    plan = Plan(
        clock=Clock.start(),
        run_folder=tmp_path,
        url="http://here",
        profile=HttpProfile(),
        seed=1,
        in_flight_max=1,
        duration_max_s=1.0,
    )
    with Generator(Pipes(tmp_path, lambda _: ["true"]), plan, tmp_path, plan.clock) as generator:
        assert generator.latest() is None
        line = json.dumps(sample)
        (tmp_path / "generator.jsonl").write_text(f"{line}\n" * 100 + json.dumps(sample | {"due": 5}) + f"\n{line[:9]}")
        newest = generator.latest()
        assert newest is not None
        assert newest.due == 5
