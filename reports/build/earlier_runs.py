"""Earlier trials: one line each in runs/history.jsonl, and what is new compared with them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from chaos.errors import HarnessBroken
from reports.model.parts import Missing, StepLine
from reports.model.report import FindingRow, Overlay, PastAnswer, Report, Usual, plain

__all__ = ["FILE", "LEAST_FOR_USUAL", "PastTrial", "append", "laid_over", "read_past", "usual", "with_past"]

FILE = "history.jsonl"
SHOWN = 12
"""Most earlier answers that are shown, and from which a flaky finding is told from a stable one."""
FLAKY = 3
"""A finding is flaky if its answer changed between PASS and another that often, among those shown and this one."""
LEAST_FOR_USUAL = 3
"""Fewest passing trials whose range is shown as the usual one."""
FIGURES = ("answered_share", "p50_s", "p99_s", "slowest_recovery_s", "longest_stage_s")
"""The key figures that vary from trial to trial and are compared."""
TRIALS_READ = 5000
"""Most trials of the file that are looked at, the newest."""

ODD = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What reading a line of another shape raises."""


@dataclass(frozen=True, slots=True)
class PastTrial:
    """One trial. `findings` are its answers by check and rule; `figures` its key figures, None where not known.

    `nodeid` and `place` (the cluster) say which trials are of the same kind.
    """

    run: str
    nodeid: str
    place: str
    began_ns: int
    seed: int
    dry_run: bool
    answer: str
    findings: Mapping[tuple[str, str], str]
    figures: Mapping[str, float | None]


def append(path: Path, report: Report) -> None:
    """Write the trial's line at the end of the file. Raises `HarnessBroken` if it cannot be written."""
    head = report.headline
    findings = [
        {"check": row.check, "rule": row.rule, "answer": row.answer, "measured": row.measured, "limit": row.limit}
        for row in report.findings
    ]
    line = {
        "schema": 1,
        "run": head.run,
        "nodeid": head.nodeid,
        "place": head.place,
        "began_ns": head.began_ns,
        "seed": head.seed,
        "dry_run": head.dry_run,
        "answer": head.answer,
        "findings": findings,
        "figures": asdict(report.key),
    }
    text = json.dumps(plain(line), allow_nan=False, ensure_ascii=False) + "\n"
    try:
        # Of nobody else, and at the end of no other file, as the folder may come from others.
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab+") as file:
            # A killed process may have left half a line: begin a new one.
            if file.tell() and path.read_bytes()[-1:] != b"\n":
                text = "\n" + text
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise HarnessBroken(f"{path} cannot be written: {error.strerror}") from error


def read_past(path: Path) -> tuple[PastTrial, ...]:
    """The trials of the file in order of time; of a run that was judged again the last line counts.

    No file: none. A broken line, left by a process that was killed or by somebody else, is skipped.
    """
    if not path.is_file():
        return ()
    found: dict[str, PastTrial] = {}
    for line in path.read_text("utf-8", errors="replace").splitlines()[-TRIALS_READ:]:
        try:
            trial = _trial(json.loads(line))
        except ODD:
            continue
        found[trial.run] = trial
    return tuple(sorted(found.values(), key=lambda trial: trial.began_ns))


def _trial(line: dict[str, Any]) -> PastTrial:
    return PastTrial(
        run=str(line["run"]),
        nodeid=str(line["nodeid"]),
        place=str(line["place"]),
        began_ns=int(line["began_ns"]),
        seed=int(line["seed"]),
        dry_run=bool(line["dry_run"]),
        answer=str(line["answer"]),
        findings={(one["check"], one["rule"]): str(one["answer"]) for one in line["findings"]},
        figures={key: float(value) for key, value in line["figures"].items() if _number(value)},
    )


def _number(value: object) -> bool:
    return value == "inf" or (isinstance(value, (int, float)) and not isinstance(value, bool))


def earlier(report: Report, past: Iterable[PastTrial]) -> tuple[PastTrial, ...]:
    """The earlier trials of the same scenario on the same cluster, dry runs left out."""
    head = report.headline
    return tuple(
        trial
        for trial in past
        if (trial.nodeid, trial.place) == (head.nodeid, head.place)
        and trial.began_ns < head.began_ns
        and trial.run != head.run
        and not trial.dry_run
    )


def with_past(report: Report, past: Iterable[PastTrial]) -> Report:
    """The report with each finding's answers in earlier trials, and what is new in it."""
    before = earlier(report, past)
    rows = tuple(_row_with_past(row, before) for row in report.findings)
    trials = tuple(PastAnswer(one.run, one.began_ns, one.answer) for one in before[-SHOWN:])
    return replace(report, findings=rows, past=trials, usual=tuple(usual(before)))


def usual(before: Sequence[PastTrial]) -> Iterator[Usual]:
    """What each key figure was in the trials of them that passed, where there are enough to call that usual."""
    passed = [trial for trial in before if trial.answer == "PASS"]
    for figure in FIGURES:
        values = [value for trial in passed if (value := trial.figures.get(figure)) is not None]
        if len(values) >= LEAST_FOR_USUAL:
            yield Usual(figure, min(values), max(values), len(values))


def _row_with_past(row: FindingRow, before: Sequence[PastTrial]) -> FindingRow:
    key = row.check, row.rule
    answers = [PastAnswer(one.run, one.began_ns, one.findings[key]) for one in before if key in one.findings][-SHOWN:]
    return replace(row, past=tuple(answers), news=_news(row.answer, [one.answer for one in answers]))


def _news(now: str, before: Sequence[str]) -> str:
    """`new`: it passed the last time; `still`: it did not; `fixed`: it passes again; `flaky`: it keeps changing."""
    if not before:
        return ""
    passed = [answer == "PASS" for answer in (*before, now)]
    if sum(a != b for a, b in pairwise(passed)) >= FLAKY:
        return "flaky"
    if passed[-1]:
        return "" if passed[-2] else "fixed"
    return "new" if passed[-2] else "still"


def laid_over(before: Report, after: Report) -> Report:
    """The later report with the ready replicas and the p99 of the earlier one behind its own."""
    shift_ns = _anchor_ns(after) - _anchor_ns(before)
    buckets = before.latency.buckets
    spans = (
        (buckets.begin_ns + k * buckets.width_ns + shift_ns, value)
        for k, value in enumerate(before.latency.p99_s)
        if value is not None
    )
    p99 = tuple((at_ns, at_ns + buckets.width_ns, value) for at_ns, value in spans)
    return replace(after, overlay=Overlay(before.headline.run, shift_ns, _moved(before.ready, shift_ns), p99))


def _anchor_ns(report: Report) -> int:
    return min((fault.begin_ns for fault in report.faults), default=report.headline.began_ns)


def _moved(line: StepLine, shift_ns: int) -> StepLine:
    return StepLine(
        points=tuple((at_ns + shift_ns, value) for at_ns, value in line.points),
        begin_ns=line.begin_ns + shift_ns,
        end_ns=line.end_ns + shift_ns,
        missing=tuple(Missing(one.begin_ns + shift_ns, one.end_ns + shift_ns, one.reason) for one in line.missing),
        slot_ns=line.slot_ns,
    )
