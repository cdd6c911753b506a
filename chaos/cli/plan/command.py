"""The command `gameday plan`, and the tables that it prints."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.cli.cluster import KubeconfigOption, reach
from chaos.cli.plan.listing import Listing, gather
from chaos.cli.plan.planner import POOL_LABEL, make_plan
from chaos.cli.plan.results import Answer, DrainAnswer, Plan, as_data
from chaos.errors import UsageError, plural
from chaos.objects.base import View
from chaos.semantics import DrainOptions

__all__ = ["plan_command", "show"]

ROWS_MAX = 40

MANY = {
    Answer.FINISHES: "finish",
    Answer.WAITS: "wait",
    Answer.CANNOT_TELL: "cannot tell",
    Answer.REFUSED: "are refused",
    Answer.DEADLOCKS: "deadlock",
}

STYLES = {
    Answer.FINISHES: "green",
    Answer.WAITS: "cyan",
    Answer.CANNOT_TELL: "yellow",
    Answer.REFUSED: "yellow",
    Answer.DEADLOCKS: "red",
}


def plan_command(
    *,
    kube_context: Annotated[str, typer.Option(metavar="NAME", help="Plan for this context, not for the lab.")] = "",
    kubeconfig: KubeconfigOption = None,
    namespace: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Look only at pods of this namespace; may be repeated.")
    ] = None,
    pool_label: Annotated[
        str, typer.Option(metavar="KEY", help="The node label that names a node's pool.")
    ] = POOL_LABEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="As kubectl drain: also pods that nobody would replace.")
    ] = False,
    delete_emptydir_data: Annotated[
        bool, typer.Option("--delete-emptydir-data", help="As kubectl drain: also pods with an emptyDir.")
    ] = False,
    ignore_daemonsets: Annotated[bool, typer.Option(help="As kubectl drain: leave pods of DaemonSets alone.")] = True,
) -> None:
    """Predict what draining each node, each pool and each pair of nodes would do. Reads only; changes nothing."""
    options = DrainOptions(ignore_daemonsets=ignore_daemonsets, delete_emptydir_data=delete_emptydir_data, force=force)
    found = reach(None, kube_context, kubeconfig)
    with found.cluster as cluster:
        listing = gather(cluster)
    judged = frozenset(namespace) if namespace else None
    _must_be_there(judged or (), listing)
    plan = make_plan(listing, options=options, pool_label=pool_label, judged=judged, timings=found.timings)
    if as_json:
        json.dump({"where": found.words, "at": listing.at.isoformat(), **as_data(plan)}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        show(plan, Console(), where=found.words)


def _must_be_there(namespaces: Iterable[str], listing: Listing) -> None:
    """Raises `UsageError` for a namespace without pods: all drains would seem to finish."""
    there = {View(raw).namespace for raw in listing.pods}
    for name in namespaces:
        if name not in there:
            raise UsageError(
                f"there is no pod in namespace {name}", f"name one of {', '.join(sorted(there)) or 'none'}"
            )


def show(plan: Plan, console: Console, *, where: str) -> None:
    """Print the plan: nodes, pools and pairs, the worst first."""
    counts = ((len(plan.nodes), "node"), (plan.pods, "pod"), (plan.disruption_budgets, "disruption budget"))
    # An IPv6 address has brackets, which would be taken for markup.
    console.print(Text(f"{where}: {', '.join(plural(*one) for one in counts)}", style="bold"))
    for kind in plan.unread:
        console.print(f"No right to list {kind}s: where pods with a claim would fit is not known.", style="yellow")
    for key in plan.binding_none:
        console.print(Text(f"Disruption budget {key} binds no pod: its selector matches none.", style="yellow"))
    _table(console, "Draining one node", [(answer.nodes[0], answer) for answer in plan.nodes])
    if plan.pools:
        pools = [(f"{pool.name} ({plural(len(pool.drain.nodes), 'node')})", pool.drain) for pool in plan.pools]
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
        console.print(f"{pairs.simulated} pairs were simulated. The others were grouped: {pairs.grouped}.", style="dim")
    if pairs.not_played:
        console.print(
            f'{pairs.not_played} pairs were not simulated, as there are too many: they count as "cannot tell".',
            style="yellow",
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
        table.add_row(Text(name), word, str(answer.pods), _within(answer), Text("\n".join(_lines(answer))))
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
    counts = Counter(one.words for one in answer.homeless)
    already = " ".join(reason.words for reason in answer.reasons)
    for words, count in counts.items():
        if words not in already:
            first = next(one.pod for one in answer.homeless if one.words == words)
            yield f"{first}{f' and {count - 1} more' if count > 1 else ''} will have no successor: {words}"


def _counted(counted: Counter[Answer] | dict[Answer, int]) -> str:
    return ", ".join(f"{counted[answer]} {MANY[answer]}" for answer in reversed(Answer) if counted.get(answer))
