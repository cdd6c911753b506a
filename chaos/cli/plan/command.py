"""The command `gameday plan`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from chaos.cli.plan.output import as_data, show
from chaos.cli.plan.planner import POOL_LABEL, make_plan
from chaos.cli.plan.snapshot import Listing
from chaos.cli.plan.snapshot_reader import gather
from chaos.cluster import Cluster, connect
from chaos.errors import LabError, UsageError
from chaos.lab import Lab
from chaos.objects.base import View
from chaos.semantics import KUBERNETES, DrainOptions, Timings

__all__ = ["plan_command"]


def plan_command(
    *,
    kube_context: Annotated[str, typer.Option(metavar="NAME", help="Plan for this context, not for the lab.")] = "",
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The kubeconfig; default: $KUBECONFIG, ~/.kube/config.")
    ] = None,
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
    """Say what draining each node, each pool and each pair of nodes would come to. Reads only; changes nothing."""
    options = DrainOptions(ignore_daemonsets=ignore_daemonsets, delete_emptydir_data=delete_emptydir_data, force=force)
    cluster, timings, where = _reached(kube_context, kubeconfig)
    with cluster:
        listing = gather(cluster)
    judged = frozenset(namespace) if namespace else None
    _must_be_there(judged or (), listing)
    plan = make_plan(listing, options=options, pool_label=pool_label, judged=judged, timings=timings)
    if as_json:
        json.dump({"where": where, "at": listing.at.isoformat(), **as_data(plan)}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        show(plan, Console(), where=where)


def _must_be_there(namespaces: Iterable[str], listing: Listing) -> None:
    """Raises `UsageError` for a namespace without pods: all drains would seem to finish."""
    there = {View(raw).namespace for raw in listing.pods}
    for name in namespaces:
        if name not in there:
            raise UsageError(
                f"there is no pod in namespace {name}", f"name one of {', '.join(sorted(there)) or 'none'}"
            )


def _reached(context: str, kubeconfig: Path | None) -> tuple[Cluster, Timings, str]:
    """The cluster that is meant: the lab if nothing is named, and never a current context by accident."""
    if not context and kubeconfig is None:
        try:
            facts = Lab().facts()
        except LabError as error:
            raise UsageError(
                f"which cluster? {error.what}", "gameday lab up, or name one: --kube-context NAME"
            ) from error
        cluster = connect(kubeconfig=facts.kubeconfig, context=facts.context)
        return cluster, Timings.of({"name": "lab", **facts.timings}), "the lab"
    cluster = connect(kubeconfig=kubeconfig, context=context or _only_context(kubeconfig))
    return cluster, KUBERNETES, f"context {cluster.facts.context} ({cluster.facts.server})"


def _only_context(kubeconfig: Path | None) -> str | None:
    """The one context of a kubeconfig; None leaves a file that cannot be read to `connect`, which says why."""
    assert kubeconfig is not None
    try:
        parsed: Any = yaml.safe_load(kubeconfig.read_text())
        names = [str(one["name"]) for one in parsed["contexts"]]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
        return None
    if len(names) > 1:
        raise UsageError(f"{kubeconfig} has {len(names)} contexts", f"name one: --kube-context {' | '.join(names)}")
    return names[0] if names else None
