"""What is taken of a load pod's records: those of its own share of the plan, as its generator would write them.

A pod may be damaged, or in strange hands. What it sends goes into the same files as the records of the others, where
one line that is none makes all of them unreadable, and more lines than the plan has arrivals would fill the disk.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

from pydantic_core import from_json

from chaos.clock import NS, Clock
from loadgen.nonces import Echo
from loadgen.plan import Plan
from loadgen.pod.pages import LINE_MAX_BYTES
from loadgen.records import OUTCOMES, TURN, Record
from loadgen.shapes import Poisson, shape_from_plain
from loadgen.shapes.base import Shape

__all__ = ["BadRecords", "Intake"]

APART_NS = 60 * NS
"""No record is of a time so long before the pod was given its clock, or in the future."""

NUMBER_MAX = 2**53

TIMES = ("intended_ns", "end_ns", "sent_ns", "first_byte_ns", "first_token_ns", "last_end_ns")
NUMBERS = ("status", "tokens_in", "tokens_out", "leaves_after")
FIELDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "turn", "attempts", *TIMES[:2]), (int,)),
    **dict.fromkeys((*TIMES[2:], *NUMBERS), (int, NoneType)),
    **dict.fromkeys(("stream", "outcome"), (str,)),
    **dict.fromkeys(("error", "replica", "finish_reason", "last_outcome", "echo"), (str, NoneType)),
    "token_gaps_ns": (list, NoneType),
}
COUNTS = ("due", "sent", "done", "in_flight")
OPTIONAL_COUNTS = ("lag_p50_ns", "lag_p99_ns", "lag_max_ns", "opened", "reused")
SAMPLE = frozenset({"at_ns", *COUNTS, *OPTIONAL_COUNTS, "cpu_share", "worker"})

# As `loadgen.records.Writer` writes them.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class BadRecords(Exception):
    """Records that the pod's generator never wrote, or that are not for it to write."""


@dataclass(slots=True)
class _Flow:
    """A stream that was begun: its plan, when the pod knew its end, and how many records of it were taken."""

    shape: Shape
    begin_ns: int
    ended_ns: int | None = None
    taken: int = 0

    def due(self, now_ns: int) -> int:
        """How many arrivals of it there can have been by now, of all workers together.

        Arrivals that are drawn are not drawn for this, which costs memory: eight standard deviations over the rate.
        """
        until_ns = now_ns if self.ended_ns is None else min(now_ns, self.ended_ns)
        span_ns = until_ns + APART_NS - self.begin_ns
        if not isinstance(self.shape, Poisson):
            return self.shape.count(span_ns)
        usual = self.shape.of.count(span_ns)
        return usual + 8 * math.isqrt(usual) + 64


class Intake:
    """Looks at what one pod hands over. `plan` is the pod's own part, `clock` is this side's."""

    def __init__(self, plan: Plan, clock: Clock, room_bytes: int) -> None:
        self._plan, self._clock, self._left_bytes = plan, clock, room_bytes
        self._flows: dict[str, _Flow] = {}
        self._samples = 0
        talk = plan.profile.conversing
        self._turns = talk.turns if talk else 1
        retries = plan.profile.retries
        self._attempts = retries.attempts if retries else 1

    @classmethod
    def of(cls, plan: Plan, place: Plan) -> Intake:
        """For a pod whose records go to the folder of `place`: all pods together take half of what is free there."""
        return cls(plan, place.clock, shutil.disk_usage(place.run_folder).free // 2 // plan.workers)

    def begins(self, command: Mapping[str, Any]) -> None:
        """A command is about to be given: records of a stream that it begins may come."""
        if begin := command.get("begin"):
            self._flows[begin["stream"]] = _Flow(shape_from_plain(begin["shape"]), begin["begin_ns"])

    def ends(self, command: Mapping[str, Any]) -> None:
        """A command was taken: a stream that it ends has no new arrivals any more."""
        if (end := command.get("end")) and end["stream"] in self._flows:
            self._flows[end["stream"]].ended_ns = self._clock.now_ns()

    def look(self, name: str, data: bytes) -> None:
        """Look at the next whole lines of a file. Raises `BadRecords` where they are not what is due."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise BadRecords("its records take more than its share of the free space of the disk")
        if name == "requests.jsonl":
            self._requests(data.splitlines(keepends=True))
        elif name == "generator.jsonl":
            self._samples_of(data.splitlines(keepends=True))

    def _requests(self, lines: list[bytes]) -> None:
        now_ns = self._clock.now_ns()
        due = {name: flow.due(now_ns) for name, flow in self._flows.items()}
        for line in lines:
            record = _parsed(line)
            why = _no_record(record) or self._no_part_of_it(record, due, now_ns + APART_NS)
            if why:
                raise BadRecords(f"requests.jsonl has a line that is no record of its own: {why}")
            self._flows[record["stream"]].taken += 1
        for name, flow in self._flows.items():
            if flow.taken > math.ceil(due[name] / self._plan.workers) * self._turns:
                raise BadRecords(f"requests.jsonl has more records of {name} than its plan has arrivals by now")

    def _no_part_of_it(self, record: Mapping[str, Any], due: Mapping[str, int], latest_ns: int) -> str:
        """Why a record is not of this pod's part of the plan; empty if it is."""
        if record["stream"] not in due:
            return "of another stream"
        arrival = record["id"] - record["turn"] * TURN
        if arrival % self._plan.workers != self._plan.worker:
            return "of another worker"
        if not 0 <= arrival < due[record["stream"]]:
            return "of an arrival that is not due yet"
        if not (0 <= record["turn"] < self._turns and 0 < record["attempts"] <= self._attempts):
            return "of a turn or an attempt that no client of its makes"
        times = [record[name] for name in TIMES if record[name] is not None]
        if not all(self._plan.clock.utc_ns - APART_NS <= at_ns <= latest_ns for at_ns in times):
            return "of another time"
        return ""

    def _samples_of(self, lines: list[bytes]) -> None:
        now_ns = self._clock.now_ns()
        for line in lines:
            sample = _parsed(line)
            if why := _no_sample(sample):
                raise BadRecords(f"generator.jsonl has a line that is none of its own: {why}")
            if sample["worker"] != self._plan.worker:
                raise BadRecords("generator.jsonl has a line of another worker")
            if not self._plan.clock.utc_ns - APART_NS <= sample["at_ns"] <= now_ns + APART_NS:
                raise BadRecords("generator.jsonl has a line of another time")
        self._samples += len(lines)
        if self._samples * NS > now_ns - self._plan.clock.utc_ns + APART_NS:
            raise BadRecords("generator.jsonl has more than one line a second")


def _parsed(line: bytes) -> dict[str, Any]:
    """The JSON object in a line, which must be spelt as the generator spells it: others may read others so."""
    if len(line) > LINE_MAX_BYTES:
        raise BadRecords(f"it has a line of {len(line)} bytes")
    try:
        parsed = from_json(line)
    except ValueError as error:
        raise BadRecords(f"it has a line that is no JSON: {str(error)[:200]}") from None
    if not isinstance(parsed, dict) or _encode(parsed).encode() + b"\n" != line:
        raise BadRecords("it has a line that its generator does not write so")
    return parsed


def _no_record(record: Mapping[str, Any]) -> str:
    """Why it is no `Record`; empty if it is one."""
    if tuple(record) != Record._fields:
        return f"its fields are {', '.join(record)[:200]}"
    for name, types in FIELDS.items():
        if type(record[name]) not in types:
            return f"its {name} is none"
    if record["outcome"] not in OUTCOMES or record["last_outcome"] not in (None, *OUTCOMES):
        return "its outcome is none"
    if record["echo"] not in (None, *get_args(Echo)):
        return "its echo is none"
    numbers = [record[name] or 0 for name in (*NUMBERS, "turn", "attempts")] + (record["token_gaps_ns"] or [])
    if not ({*map(type, numbers)} <= {int} and max(numbers) < NUMBER_MAX and min(numbers) > -NUMBER_MAX):
        return "it has a number that is none"
    return ""


def _no_sample(sample: Mapping[str, Any]) -> str:
    """Why it is no sample of the generator; empty if it is one."""
    if sample.keys() - {"final"} != SAMPLE:
        return f"its fields are {', '.join(sample)[:200]}"
    share = sample["cpu_share"]
    fits = {
        "final": sample.get("final", True) is True,
        "cpu_share": type(share) in (int, float) and 0 <= share < NUMBER_MAX,
        **{name: type(sample[name]) is int for name in ("at_ns", "worker")},
        **{name: _is_number(sample[name]) for name in COUNTS},
        **{name: sample[name] is None or _is_number(sample[name]) for name in OPTIONAL_COUNTS},
    }
    return next((f"its {name} is none" for name, fit in fits.items() if not fit), "")


def _is_number(value: object) -> bool:
    return type(value) is int and abs(value) < NUMBER_MAX
