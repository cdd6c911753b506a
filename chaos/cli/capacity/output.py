"""What a measurement of capacity shows while it runs, and what it leaves: two files in the run folder, a table."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from chaos.checks.formatting import finite, seconds_words
from chaos.checks.judge import Judgement
from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.checks.traffic.capacity_steps import CONFIDENCE, RateStep, rate_steps
from chaos.checks.verdict import Answer
from chaos.errors import one_line, plural
from chaos.history.writing.jsonl import write_private
from chaos.trial.capacity.search import Measurement
from reports.page.capacity import capacity_page, cells, headings, result_words

__all__ = ["Screen", "show", "write"]

STYLES = {Answer.PASS: "green", Answer.FAIL: "red", Answer.UNKNOWN: "yellow"}
WORDS = {Answer.PASS: "held", Answer.FAIL: "did not hold", Answer.UNKNOWN: "unknown"}


class Screen:
    """A console: on a terminal a bar for the step in hand, which is gone when it is over; elsewhere a line a step."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(one_line(text)), style="dim", soft_wrap=True)

    @contextmanager
    def step(self, replicas: int, rate_rps: float, done: int, most: int, duration_s: float) -> Iterator[None]:
        """Show that a step is under way."""
        words = f"{plural(replicas, 'replica')}  {rate_rps:g}/s for {duration_s:g} s  step {done + 1} of at most {most}"
        if not self._console.is_terminal:
            self._console.print(Text(words), soft_wrap=True)
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(pulse_style="cyan"), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(words, total=None)
            yield

    def show(self, step: RateStep) -> None:
        """Say what a step came to."""
        line = Text(f"{plural(step.replicas, 'replica')}  {step.rate_rps:g}/s  ")
        line.append(WORDS[step.answer], STYLES[step.answer])
        answered = "" if step.answered_rps is None else f"  {step.answered_rps:g}/s answered"
        answered += "" if step.goodput_rps is None else f"  {step.goodput_rps:g}/s good"
        times = "".join(f"  {name} p99 {seconds_words(step.p99_s(name))}" for name, values in step.times_s if values)
        line.append(f"{answered}{times}" + (f"  {one_line(step.reason)}" if step.reason else ""))
        self._console.print(line, soft_wrap=True)


def write(judgement: Judgement, measurement: Measurement) -> tuple[Path, ...]:
    """Write both files, and return their paths and that of the trial's own report."""
    run, limits = judgement.run, _limits(judgement, measurement)
    data = {
        "schema": 1,
        "run": run.name,
        "answer": judgement.verdict.answer.name,
        "slo": {
            name: value for name, value in asdict(measurement.slo).items() if value is not None and value is not False
        },
        "asked": {name: value for name, value in asdict(measurement).items() if name != "slo"},
        "confidence": CONFIDENCE,
        "limits": [asdict(limit.detail) for limit in limits],
        "steps": [_plain(step) for step in rate_steps(judgement.history, measurement.slo)],
    }
    write_private(run / "capacity.json", json.dumps(data, indent=1) + "\n")
    write_private(run / "capacity.html", capacity_page(judgement.history, judgement.verdict, measurement.slo, limits))
    return run / "capacity.json", run / "capacity.html", run / "report.html"


def show(judgement: Judgement, measurement: Measurement, console: Console) -> None:
    """Print the rates beside each limit: the highest that held, the lowest that did not, what lies between."""
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="bold")
    table.title = (
        f"{judgement.verdict.answer.name}: the highest rate within the SLO, for {measurement.step_s:g} s or longer"
    )
    for heading in ("replicas", "rate", "", *headings(measurement.slo)):
        table.add_column(heading, justify="right" if heading in ("replicas", "rate") else "left")
    for limit in _limits(judgement, measurement):
        shown = [one for one in limit.rates if one in (limit.held, limit.broke, *limit.wavering, *limit.unknown)]
        for one in shown:
            word = Text(result_words(one), STYLES[max(step.answer for step in one.steps)])
            table.add_row(str(limit.replicas), f"{one.rate_rps:g}/s", word, *cells(one, measurement.slo))
        if not shown:
            table.add_row(str(limit.replicas), "", Text("not measured", STYLES[Answer.UNKNOWN]))
    console.print(table)
    for finding in judgement.verdict.findings:
        if finding.answer is not Answer.PASS:
            line = f"{finding.answer.name} {finding.check}: {finding.reason}; to settle it: {finding.settle}"
            console.print(Text(one_line(line.removesuffix("; to settle it: ")), STYLES[finding.answer]), soft_wrap=True)


def _limits(judgement: Judgement, measurement: Measurement) -> tuple[CapacityEstimate, ...]:
    steps = rate_steps(judgement.history, measurement.slo)
    return tuple(capacity_estimate(count, steps) for count in measurement.replicas)


def _plain(step: RateStep) -> dict[str, Any]:
    """A step in numbers, without each request's time."""
    plain = {name: value for name, value in asdict(step).items() if name != "times_s"}
    times = {f"{name}_p99_s": finite(step.p99_s(name)) for name, _ in step.times_s}
    return plain | {"answer": step.answer.name} | times
