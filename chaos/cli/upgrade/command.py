"""The command `gameday upgrade-check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaos.cli.cluster import ContextOption, KubeconfigOption, SystemOption, found_here, reach
from chaos.cli.plan.listing import gather
from chaos.cli.plan.planner import make_plan
from chaos.cli.upgrade.findings import Effect, UpgradeFinding, upgrade_findings
from chaos.cluster import Cluster
from chaos.errors import ClusterRefused, UsageError
from chaos.objects.base import Raw, View
from chaos.semantics import DrainOptions
from chaos.semantics.features import minor_of

__all__ = ["upgrade_check_command"]

ASKED = ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler")
"""The kinds of objects of a service that are looked at."""

STYLES = {Effect.BREAKS: "red", Effect.CANNOT_TELL: "yellow", Effect.CHANGES: "cyan"}


def upgrade_check_command(
    *,
    system: SystemOption = None,
    kube_context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    to: Annotated[str, typer.Option(metavar="MINOR", help="The version to upgrade to; default: the next one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say before an upgrade of the cluster what it would break of the service. Reads only; changes nothing.

    As in the upgrade, each node is drained, what the new version does not serve any more is gone, and what it turns on
    is on. Exit 1 if something breaks or cannot be told.
    """
    here = None if kube_context or kubeconfig else found_here("cluster.kubeconfig", "node_infrastructure")
    found = reach(system or here, kube_context, kubeconfig)
    with found.cluster as cluster:
        before, after = _versions(cluster.facts.version, to)
        listing = gather(cluster)
        objects = _objects(cluster, found.namespace)
    # An upgrade drains as a node pool's own does: data in an emptyDir do not stop it.
    options = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True)
    judged = frozenset({found.namespace}) if found.namespace else None
    plan = make_plan(listing, options=options, judged=judged, timings=found.timings)
    findings = upgrade_findings(before, after, nodes=listing.nodes, objects=objects, plan=plan)
    if as_json:
        data = [asdict(one) | {"effect": one.effect.name.lower()} for one in findings]
        json.dump({"from": f"1.{before}", "to": f"1.{after}", "findings": data}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _show(findings, Console(), f"{found.words}: from 1.{before} to 1.{after}, {len(plan.nodes)} nodes")
    raise typer.Exit(1 if any(one.effect > Effect.CHANGES for one in findings) else 0)


def _versions(now: str, to: str) -> tuple[int, int]:
    """The minor versions before and after. Raises `UsageError`."""
    before = minor_of(now)
    if before is None:
        raise UsageError(f"the cluster calls its version {now!r}, which is none of Kubernetes 1")
    after = minor_of(to) if to else before + 1
    if after is None:
        raise UsageError(f"--to {to}: give a version of Kubernetes, e.g. --to 1.{before + 1}")
    if after <= before:
        raise UsageError(f"--to {to}: the cluster is {now} already", f"give a newer one, e.g. --to 1.{before + 1}")
    return before, after


def _objects(cluster: Cluster, namespace: str | None) -> list[Raw]:
    """The service's objects; those of a kind that we may not list are left to the plan's own words about rights."""
    found: list[Raw] = []
    for kind in ASKED:
        try:
            found += cluster.list(kind, namespace)
        except ClusterRefused as refused:
            if cluster.may("list", kind, namespace):
                raise
            raise UsageError(
                f"no right to list {kind}s, whose changes an upgrade may break",
                f"ask for it: kubectl auth can-i list {kind.lower()}",
            ) from refused
    return [one for one in found if not View(one).deleting]


def _show(findings: Sequence[UpgradeFinding], console: Console, title: str) -> None:
    """Print the findings, the worst first."""
    console.print(Text(title, style="bold"))
    if not findings:
        console.print("Nothing of it is broken or changed: every node can be drained, and all that is used stays.")
        return
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("effect", no_wrap=True)
    table.add_column("of what", overflow="fold")
    table.add_column("what happens", overflow="fold", ratio=1)
    for one in findings:
        word = Text(one.effect.name.lower().replace("_", " "), style=STYLES[one.effect])
        table.add_row(word, Text(one.subject), Text(f"{one.words}{f'; {one.mend}' if one.mend else ''}"))
    console.print(table)
