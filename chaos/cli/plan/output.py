"""A plan for people, as tables, and for programs, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.cli.plan.results import Answer, DrainAnswer, Plan

__all__ = ["as_data", "show"]

ROWS_MAX = 40

STYLES = {
    Answer.FINISHES: "green",
    Answer.WAITS: "cyan",
    Answer.CANNOT_TELL: "yellow",
    Answer.REFUSED: "yellow",
    Answer.DEADLOCKS: "red",
}


def show(plan: Plan, console: Console, *, where: str) -> None:
    """Print the plan: nodes, pools and pairs, the worst first."""
    console.print(
        f"{where}: {len(plan.nodes)} nodes, {plan.pods} pods, {plan.budgets} disruption budgets", style="bold"
    )
    for kind in plan.unread:
        console.print(f"We may not read {kind}s: of pods with a claim nobody can tell where they fit.", style="yellow")
    _table(console, "Draining one node", [(answer.nodes[0], answer) for answer in plan.nodes])
    if plan.pools:
        pools = [(f"{pool.name} ({len(pool.drain.nodes)} nodes)", pool.drain) for pool in plan.pools]
        _table(console, f"Draining a whole pool ({plan.pool_label})", pools)
    else:
        console.print(f"\nNo node has the label {plan.pool_label}, so there are no pools.")
    _show_pairs(plan, console)
    if any(answer.unpromised for answer in plan.nodes):
        console.print("* something may take longer without breaking a promise; --json says what", style="dim")


def _show_pairs(plan: Plan, console: Console) -> None:
    pairs = plan.pairs
    if not pairs.total:
        return
    console.print(f"\nDraining two nodes together: {pairs.total} pairs, {_counted(pairs.counted)}.")
    worse = [(" + ".join(answer.nodes), answer) for answer in pairs.worse]
    if worse:
        _table(console, f"Worse together than alone ({pairs.worse_total} pairs)", worse, total=pairs.worse_total)
    else:
        console.print("No pair fares worse than its nodes alone.")
    if pairs.grouped:
        console.print(
            f"{pairs.simulated} pairs were played through. The others were grouped: {pairs.grouped}.", style="dim"
        )
    if pairs.left:
        console.print(
            f"{pairs.left} pairs were not played, as there are too many: of them we cannot tell.", style="yellow"
        )


def _table(console: Console, title: str, rows: Sequence[tuple[str, DrainAnswer]], *, total: int | None = None) -> None:
    """The rows that matter, the worst first, and how many were left out."""
    ordered = sorted(rows, key=lambda row: (-row[1].answer, not row[1].homeless))
    console.print()
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("answer", no_wrap=True)
    table.add_column("pods", justify="right")
    table.add_column("within", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for name, answer in ordered[:ROWS_MAX]:
        word = Text(answer.answer.words, style=STYLES[answer.answer])
        table.add_row(Text(name), word, str(answer.moves), _within(answer), Text("\n".join(_lines(answer))))
    console.print(table)
    hidden = (len(ordered) if total is None else total) - min(len(ordered), ROWS_MAX)
    if hidden > 0:
        rest = _counted(Counter(answer.answer for _, answer in ordered[ROWS_MAX:]))
        console.print(
            f"and {hidden} more{': ' + rest if rest else ''}; --json has all that was worked out", style="dim"
        )


def _within(answer: DrainAnswer) -> str:
    if answer.bound_s is None:
        return ""
    return f"{answer.bound_s:.0f} s{'*' if answer.unpromised else ''}"


def _lines(answer: DrainAnswer) -> Iterable[str]:
    for reason in answer.reasons:
        yield reason.words
    told = Counter(words for _, words in answer.homeless)
    already = " ".join(reason.words for reason in answer.reasons)
    for words, count in told.items():
        if words not in already:
            first = next(pod for pod, said in answer.homeless if said == words)
            yield f"{first}{f' and {count - 1} more' if count > 1 else ''} will have no successor: {words}"


def _counted(counted: Counter[Answer] | dict[Answer, int]) -> str:
    return ", ".join(f"{counted[answer]} {_verb(answer)}" for answer in reversed(Answer) if counted.get(answer))


def _verb(answer: Answer) -> str:
    """The word for many."""
    words = {
        Answer.FINISHES: "finish",
        Answer.WAITS: "wait",
        Answer.CANNOT_TELL: "we cannot tell of",
        Answer.REFUSED: "are refused",
        Answer.DEADLOCKS: "deadlock",
    }
    return words[answer]


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data for JSON; docs/plan.md describes the fields."""
    return {
        "nodes": [_drain(answer) for answer in plan.nodes],
        "pools": [{"name": pool.name, **_drain(pool.drain)} for pool in plan.pools],
        "pairs": {
            "total": plan.pairs.total,
            "counted": {answer.words: count for answer, count in plan.pairs.counted.items()},
            "worse_total": plan.pairs.worse_total,
            "worse": [_drain(answer) for answer in plan.pairs.worse],
            "simulated": plan.pairs.simulated,
            "not_played": plan.pairs.left,
            "grouped": plan.pairs.grouped,
        },
        "pool_label": plan.pool_label,
        "pods": plan.pods,
        "disruption_budgets": plan.budgets,
        "unread": list(plan.unread),
    }


def _drain(answer: DrainAnswer) -> dict[str, Any]:
    return {
        "nodes": list(answer.nodes),
        "answer": answer.answer.words,
        "reasons": [
            {"answer": reason.answer.words, "code": reason.code, "words": reason.words, "pods": list(reason.pods)}
            for reason in answer.reasons
        ],
        "pods": answer.moves,
        "rounds": answer.rounds,
        "homeless": [{"pod": pod, "words": words} for pod, words in answer.homeless],
        "bound_s": answer.bound_s,
        "unpromised": list(answer.unpromised),
    }
