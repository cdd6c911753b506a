"""What a search shows while it runs: on a terminal a bar for the step in hand, elsewhere a line for each step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from chaos.checks.formatting import plural, seconds_words
from chaos.checks.traffic.capacity_steps import RateStep
from chaos.checks.verdict import Answer

__all__ = ["STYLES", "WORDS", "Screen"]

STYLES = {Answer.PASS: "green", Answer.FAIL: "red", Answer.UNKNOWN: "yellow"}
WORDS = {Answer.PASS: "held", Answer.FAIL: "did not hold", Answer.UNKNOWN: "unknown"}


class Screen:
    """Speaks on a console; what it draws on a terminal is gone when the step is over."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), style="dim", soft_wrap=True)

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
        times = "".join(f"  {name} p99 {seconds_words(step.p99_s(name))}" for name, values in step.times_s if values)
        line.append(f"{answered}{times}" + (f"  {step.reason}" if step.reason else ""))
        self._console.print(line, soft_wrap=True)
