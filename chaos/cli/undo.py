"""The commands `gameday undo` and `gameday status`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from chaos.cli.cluster import ContextOption, KubeconfigOption, Reached, SystemOption, found_here, reach
from chaos.cluster import Cluster, unrecorded_executor
from chaos.errors import UsageError, one_line
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.faults.undo import find_left, undo_all
from chaos.faults.undo.find import Left
from chaos.faults.undo.restore import Undone
from chaos.objects.base import View
from chaos.safety.lease import LEASE_NAME, RunLease, holder_of
from chaos.safety.owner import Owner
from chaos.trial.preflight.rbac import HOME

__all__ = ["status_command", "undo_command"]


def undo_command(
    *,
    system: SystemOption = None,
    kube_context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", metavar="NAME", help="Only for the service in this namespace; default: the file's, else all."
        ),
    ] = "",
    unattended: Annotated[
        bool, typer.Option("--unattended", help="For a CronJob: do not fail because a run is at work.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Undo also what is otherwise left alone, e.g. of runs at work.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove also entries that cannot be undone; clean up by hand first.")
    ] = False,
    node_off: Annotated[str, typer.Option(metavar="COMMAND", help="As --gameday-node-off of pytest.")] = "",
    node_on: Annotated[str, typer.Option(metavar="COMMAND", help="As --gameday-node-on of pytest.")] = "",
) -> None:
    """Heal whatever dead runs left in the cluster; safe to repeat. Exit 1 if anything is left.

    `gameday rbac --undo-cronjob IMAGE` prints a CronJob that does it every five minutes.
    """
    if bool(node_off) != bool(node_on):
        raise UsageError("--node-off and --node-on go together")
    reached = _reached(system, kube_context, kubeconfig, "system.ready", *([] if node_on else ["node_infrastructure"]))
    with reached.cluster as cluster:
        switch = _with_commands(reached.infrastructure, node_off, node_on)
        where = _allowed(reached, namespace)
        found = find_left(cluster, where, of_others="all" if force else "inside")
        alive = [one for one in found if one.alive and not force]
        dead: Sequence[Left] = [one for one in found if one not in alive]
        with _undisturbed(cluster, where, dead, alive) if where and not force else nullcontext(dead) as dead:
            results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=switch, forget=forget)
    _tell(found, alive, results)
    at_work = bool(alive) and not unattended
    # What strangers write fails nobody's CronJob.
    bad = (
        at_work
        or any(done.result == "left" for done in results)
        or any(one.refused for one in found if one not in alive)
    )
    raise typer.Exit(1 if bad else 0)


def _tell(found: Sequence[Left], alive: Sequence[Left], results: Sequence[Undone]) -> None:
    for one in alive:
        _print(f"left alone: {one.run} ({one.owner}): {one.alive}")
    for done in results:
        _print(f"{done.result:8} {done.run}, {done.entry.fault}: {done.words}")
    for one in found:
        for text in one.refused:
            _print(f"left     {one.where.namespace}/{one.where.name} holds what is not executed: {text}")
    if not found:
        _print("nothing is left to undo")


def _allowed(reached: Reached, namespace: str) -> str | None:
    """The namespace to look in: the one that is given, else the file's; None: all.

    Raises `UsageError` for one that the file says is never touched: what is there is not of its runs.
    """
    if reached.adoption and namespace in reached.adoption.config.safety.protected:
        raise UsageError(
            f"{reached.adoption.path}: namespace {namespace} is protected", "name another, or another gameday.toml"
        )
    return namespace or reached.namespace


@contextmanager
def _undisturbed(
    cluster: Cluster, namespace: str, dead: Sequence[Left], alive: Sequence[Left]
) -> Iterator[Sequence[Left]]:
    """Hold the lease of a namespace, and give what is left by dead runs then; nothing beside a run that holds it.

    A run that begins meanwhile would undo the same, and may have hit the same again. Raises `ClusterRefused` beside it.
    """
    holder = Owner.this_process().holder(time.time_ns(), "undoing since")
    lease = RunLease(cluster, unrecorded_executor(cluster), namespace, holder, say=_print)
    if not dead or (alive and lease.held()):
        yield ()
        return
    with lease:
        yield [one for one in find_left(cluster, namespace) if one in dead]


def status_command(
    *, system: SystemOption = None, kube_context: ContextOption = "", kubeconfig: KubeconfigOption = None
) -> None:
    """Say who is at work on the system, which faults are active, and what dead runs left. Reads only."""
    reached = _reached(system, kube_context, kubeconfig)
    with reached.cluster as cluster:
        # Without a system, that of runs which deploy theirs and hit nodes.
        where = reached.namespace or HOME
        lease = cluster.get("Lease", where, LEASE_NAME)
        holder, renewed = holder_of(lease), View(lease or {}).spec.get("renewTime")
        if holder or reached.namespace:
            lease_words = f"{holder} holds the lease, renewed {renewed}" if holder else "nobody holds the lease"
            _print(f"namespace {where}: {lease_words}")
        found = find_left(cluster, reached.namespace, of_others="all")
    for one in found:
        _print(f"{one.run} ({one.owner}): {one.alive or 'dead: gameday undo heals what it left'}")
        for entry in one.entries:
            target, end_s = entry.target, entry.detail.get("own_end_s")
            by_itself = f", by itself {end_s} s after the run's last sign of life" if end_s else ""
            _print(f"  {entry.fault}: {entry.kind} {target.kind} {target.namespace or '-'}/{target.name}{by_itself}")
    if not found:
        _print("no fault is active")


def _print(line: str) -> None:
    """Print a line with words from the cluster."""
    print(one_line(line))  # noqa: T201  # a command speaks on its streams


def _with_commands(below: Infrastructure, node_off: str, node_on: str) -> Infrastructure:
    """What there is below the API, with these commands for nodes where they are given."""
    return replace(below, nodes=CommandInfrastructure(node_off, node_on)) if node_on else below


def _reached(system: Path | None, context: str, kubeconfig: Path | None, *used: str) -> Reached:
    """The cluster as it was named, else that of the file here, of which it uses these keys."""
    if system is None and not context:
        system = found_here(*used, *(() if kubeconfig else ("cluster.kubeconfig",)))
    return reach(system, context, kubeconfig)
