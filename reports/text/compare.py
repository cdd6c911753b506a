"""Two runs side by side: their findings and figures, and whether a difference is more than noise."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.errors import one_line, rewrapped
from reports import formatting as words
from reports.build.earlier_runs import LEAST_FOR_USUAL, PastTrial, usual
from reports.model.report import FaultWindow, Report
from reports.text.terminal import STYLE

__all__ = ["Comparison", "comparison", "show_comparison"]

FIGURES = (
    ("answered", "answered_share", "share"),
    ("p50 response time", "p50_s", "duration"),
    ("p99 response time", "p99_s", "duration"),
    ("slowest recovery", "slowest_recovery_s", "duration"),
    ("longest stage", "longest_stage_s", "duration"),
)
SHOW = {"share": words.share, "duration": words.duration}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of both runs. `noise`: least and greatest of earlier runs that passed; None if too few are known."""

    name: str
    kind: str
    before: float | None
    after: float | None
    noise: tuple[float, float] | None

    @property
    def outside(self) -> bool | None:
        """Whether the later value is outside the range of earlier runs; None if that is not known."""
        if self.noise is None or self.after is None:
            return None
        return not self.noise[0] <= self.after <= self.noise[1]

    def text(self, value: float | None) -> str:
        """A value in words."""
        return SHOW[self.kind](value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`findings` are (check, rule, answers before and after, measured before and after), empty where one run lacks it.

    `differs` names facts in which the two runs are not alike, so that a difference may come from there.
    """

    before: str
    after: str
    answers: tuple[str, str]
    findings: tuple[tuple[str, str, str, str, str, str], ...]
    figures: tuple[Figure, ...]
    differs: tuple[tuple[str, str, str], ...]
    noise_runs: int


def comparison(before: Report, after: Report, past: Iterable[PastTrial] = ()) -> Comparison:
    """Compare two reports; `past` are earlier trials, of which those of the later run's kind that passed give noise."""
    head = after.headline
    alike = [
        trial
        for trial in past
        if (trial.nodeid, trial.place, trial.answer) == (head.nodeid, head.place, "PASS")
        and trial.run not in (head.run, before.headline.run)
        and not trial.dry_run
    ]
    noise = {one.figure: (one.low, one.high) for one in usual(alike)}
    figures = [
        Figure(name, kind, getattr(before.key, key), getattr(after.key, key), noise.get(key))
        for name, key, kind in FIGURES
    ]
    return Comparison(
        before=before.headline.run,
        after=head.run,
        answers=(before.headline.answer, head.answer),
        findings=tuple(_findings(before, after)),
        figures=(*figures, *_windows(before.windows, after.windows)),
        differs=tuple(_differs(before, after)),
        noise_runs=len(alike),
    )


def _findings(before: Report, after: Report) -> Iterator[tuple[str, str, str, str, str, str]]:
    first = {(row.check, row.rule): row for row in before.findings}
    second = {(row.check, row.rule): row for row in after.findings}
    for check, rule in dict.fromkeys((*second, *first)):
        a, b = first.get((check, rule)), second.get((check, rule))
        yield (
            check,
            rule,
            a.answer if a else "",
            b.answer if b else "",
            a.measured if a else "",
            b.measured if b else "",
        )


def _windows(before: Sequence[FaultWindow], after: Sequence[FaultWindow]) -> Iterator[Figure]:
    """Before, during and after each fault of the same name, in order."""
    first = {(window.fault, window.window): window for window in before}
    for window in after:
        other = first.get((window.fault, window.window))
        where = f"{window.window} {window.fault}"
        share = None if other is None else other.answered_share
        yield Figure(f"answered {where}", "share", share, window.answered_share, None)
        yield Figure(f"p99 {where}", "duration", None if other is None else other.p99_s, window.p99_s, None)


def _differs(before: Report, after: Report) -> Iterator[tuple[str, str, str]]:
    """Differing facts of the system, the cluster and the versions; names and times of runs are left out."""
    first, second = dict(before.provenance), dict(after.provenance)
    for name in dict.fromkeys((*first, *second)):
        compared = name.startswith(("spec.", "timings.", "versions.", "cluster.")) or name in (
            "nodeid",
            "scenario",
            "seed",
        )
        if compared and first.get(name) != second.get(name):
            yield name, first.get(name, ""), second.get(name, "")


def show_comparison(compared: Comparison, console: Console) -> None:
    """Print it as tables; text of the runs is never read as markup."""
    with console.capture() as caught:
        _print(compared, console)
    console.file.write(rewrapped(caught.get()))


def _print(compared: Comparison, console: Console) -> None:
    console.print(Text(one_line(f"before  {compared.before}")), soft_wrap=True)
    console.print(Text(one_line(f"after   {compared.after}")), soft_wrap=True)
    findings = _table("check", "before", "after", "measured before", "measured after")
    for check, _, a, b, was, now in compared.findings:
        style = "bold" if a != b else ""
        cells = (Text(a or "not checked", STYLE.get(a, "")), Text(b or "not checked", STYLE.get(b, "")))
        findings.add_row(Text(one_line(check), style), *cells, Text(one_line(was)), Text(one_line(now)))
    verdict = [Text(answer, STYLE[answer]) for answer in compared.answers]
    findings.add_row(Text("verdict", "bold"), *verdict, Text(""), Text(""))
    console.print(findings)
    figures = _table("figure", "before", "after", f"{compared.noise_runs} earlier passing runs", "")
    for one in compared.figures:
        range_ = "" if one.noise is None else f"{one.text(one.noise[0])} to {one.text(one.noise[1])}"
        place = {None: "", True: "outside", False: "within"}[one.outside]
        row = (one.name, one.text(one.before), one.text(one.after), range_, place)
        figures.add_row(*(Text(one_line(text)) for text in row))
    console.print(figures)
    if compared.noise_runs < LEAST_FOR_USUAL:
        console.print(Text(f"No usual range is known: that takes {LEAST_FOR_USUAL} earlier passing runs."))
    if compared.differs:
        differs = _table("differs", "before", "after")
        for name, was, now in compared.differs:
            differs.add_row(*(Text(one_line(text)) for text in (name, was, now)))
        console.print(differs)


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
