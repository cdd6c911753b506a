"""The commands `gameday undo` and `gameday status`."""

from pathlib import Path
from typing import Annotated

import typer

from chaos.cli.cluster import ContextOption, KubeconfigOption, Reached, SystemOption, reach
from chaos.cluster import unrecorded_executor
from chaos.errors import UsageError, one_line
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.faults.undo import find_left, undo_all
from chaos.objects.base import View
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.trial.config import find_config

__all__ = ["status_command", "undo_command"]


def undo_command(
    *,
    system: SystemOption = None,
    kube_context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    force: Annotated[bool, typer.Option("--force", help="Also what a run that seems to be at work has done.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove also the entries that cannot be undone, after manual clean-up.")
    ] = False,
    node_off: Annotated[str, typer.Option(metavar="COMMAND", help="As pytest's: switches a node off.")] = "",
    node_on: Annotated[str, typer.Option(metavar="COMMAND", help="As pytest's: switches a node on.")] = "",
) -> None:
    """Heal whatever dead runs left in the cluster; safe to repeat. Exit 1 if anything is left."""
    if bool(node_off) != bool(node_on):
        raise UsageError("--node-off and --node-on go together")
    reached = _reached(system, kube_context, kubeconfig)
    with reached.cluster as cluster:
        switch = Infrastructure(CommandInfrastructure(node_off, node_on)) if node_on else reached.infrastructure
        found = find_left(cluster, reached.namespace)
        alive = [one for one in found if one.alive and not force]
        dead = [one for one in found if one not in alive]
        results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=switch, forget=forget)
    for one in alive:
        _print(f"left alone: {one.run} ({one.owner}): {one.alive}")
    for done in results:
        _print(f"{done.result:8} {done.run}, {done.entry.fault}: {done.words}")
    for one in found:
        for text in one.refused:
            _print(f"left     {one.where.namespace}/{one.where.name} holds what is no undo entry of ours: {text}")
    if not found:
        _print("nothing is left to undo")
    bad = bool(alive) or any(done.result == "left" for done in results) or any(one.refused for one in found)
    raise typer.Exit(1 if bad else 0)


def status_command(
    *, system: SystemOption = None, kube_context: ContextOption = "", kubeconfig: KubeconfigOption = None
) -> None:
    """Say who is at work on the system, which faults are active, and what dead runs left. Reads only."""
    reached = _reached(system, kube_context, kubeconfig)
    with reached.cluster as cluster:
        if (namespace := reached.namespace) is not None:
            lease = cluster.get("Lease", namespace, LEASE_NAME)
            holder, renewed = holder_of(lease), View(lease or {}).spec.get("renewTime")
            lease_words = f"{holder} holds the lease, renewed {renewed}" if holder else "nobody holds the lease"
            _print(f"namespace {namespace}: {lease_words}")
        found = find_left(cluster, namespace)
    for one in found:
        _print(f"{one.run} ({one.owner}): {one.alive or 'dead: gameday undo heals what it left'}")
        for entry in one.entries:
            target = entry.target
            _print(f"  {entry.fault}: {entry.kind} {target.kind} {target.namespace or '-'}/{target.name}")
    if not found:
        _print("no fault is active")


def _print(line: str) -> None:
    """Print a line with words from the cluster."""
    print(one_line(line))  # noqa: T201  # a command speaks on its streams


def _reached(system: Path | None, context: str, kubeconfig: Path | None) -> Reached:
    return reach(system or (None if context else find_config(Path.cwd())), context, kubeconfig)
