"""The commands `gameday undo` and `gameday status`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from chaos.cluster import Cluster, connect, unrecorded_executor
from chaos.errors import LabError, UsageError
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.faults.infrastructure import NO_INFRASTRUCTURE
from chaos.faults.undo import find_left, undo_all
from chaos.lab import Lab
from chaos.objects.base import View
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.trial.config import find_config, read_config
from chaos.trial.lab_environment import LAB_INFRASTRUCTURE
from chaos.trial.preflight.adopted_cluster import open_adoption

__all__ = ["status_command", "undo_command"]

System = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The system's file; default: gameday.toml here, if there is one.")
]
Context = Annotated[str, typer.Option(metavar="NAME", help="This context; default: the file's, else the lab.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The kubeconfig; default: $KUBECONFIG, ~/.kube/config.")
]


def undo_command(
    *,
    system: System = None,
    kube_context: Context = "",
    kubeconfig: Kubeconfig = None,
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
    with _reached(system, kube_context, kubeconfig) as (cluster, namespace, own):
        infrastructure = Infrastructure(CommandInfrastructure(node_off, node_on)) if node_on else own
        found = find_left(cluster, namespace)
        alive = [one for one in found if one.alive and not force]
        dead = [one for one in found if one not in alive]
        results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure, forget=forget)
    for one in alive:
        print(f"left alone: {one.run} ({one.owner}): {one.alive}")  # noqa: T201  # a command speaks on its streams
    for done in results:
        print(f"{done.result:8} {done.run}, {done.entry.fault}: {done.words}")  # noqa: T201
    for one in found:
        for text in one.unreadable:
            print(f"left     {one.where.namespace}/{one.where.name} holds what is no undo entry of ours: {text}")  # noqa: T201
    if not found:
        print("nothing is left to undo")  # noqa: T201
    bad = any(done.result == "left" for done in results) or any(one.unreadable for one in found)
    raise typer.Exit(1 if bad else 0)


def status_command(*, system: System = None, kube_context: Context = "", kubeconfig: Kubeconfig = None) -> None:
    """Say who is at work on the system, which faults are active, and what dead runs left. Reads only."""
    with _reached(system, kube_context, kubeconfig) as (cluster, namespace, _):
        if namespace is not None:
            lease = cluster.get("Lease", namespace, LEASE_NAME)
            holder, renewed = holder_of(lease), View(lease or {}).spec.get("renewTime")
            lease_words = f"{holder} holds the lease, renewed {renewed}" if holder else "nobody holds the lease"
            print(f"namespace {namespace}: {lease_words}")  # noqa: T201
        found = find_left(cluster, namespace)
    for one in found:
        print(f"{one.run} ({one.owner}): {one.alive or 'dead: gameday undo heals what it left'}")  # noqa: T201
        for entry in one.entries:
            target = entry.target
            print(f"  {entry.fault}: {entry.kind} {target.kind} {target.namespace or '-'}/{target.name}")  # noqa: T201
    if not found:
        print("no fault is active")  # noqa: T201


@contextmanager
def _reached(
    system: Path | None, context: str, kubeconfig: Path | None
) -> Iterator[tuple[Cluster, str | None, Infrastructure]]:
    """The cluster that is meant, the one namespace to look at (None: all), and what there is of it below the API.

    Never a current context by accident.
    """
    path = system or (None if context else find_config(Path.cwd()))
    if path is not None:
        config = read_config(path)
        with open_adoption(path, config, kubeconfig=kubeconfig, context=context).cluster as cluster:
            nodes = config.node_infrastructure.infrastructure() if config.node_infrastructure else None
            yield cluster, config.system.namespace, Infrastructure(nodes)
        return
    if context:
        with connect(kubeconfig=kubeconfig, context=context) as cluster:
            yield cluster, None, NO_INFRASTRUCTURE
        return
    try:
        facts = Lab().facts()
    except LabError as error:
        raise UsageError(f"which cluster? {error.what}", "name one: --system FILE or --kube-context NAME") from error
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster:
        yield cluster, None, LAB_INFRASTRUCTURE
