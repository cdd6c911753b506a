"""The other workloads of a system that already runs, e.g. a router in front: each is recorded and bounded by itself."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from chaos.cluster import Recorder, Scope
from chaos.history.writing.jsonl import private_folder, write_private
from chaos.history.writing.redaction import without_secrets
from chaos.system.adopt.drift import compared
from chaos.system.adopt.live_spec import serving_container
from chaos.trial.context import TrialContext
from chaos.trial.request import TrialRequest, trial_facts

__all__ = ["ROLES", "are_whole", "has_all_endpoints", "stop_recording", "with_roles"]

ROLES = "roles"
"""The folder in a run folder that has a folder for each of them, with its own trial.json, watch.jsonl, adopted.json."""


def with_roles(
    context: TrialContext, request: TrialRequest, stack: ExitStack, say: Callable[[str], None]
) -> TrialContext:
    """The context with one like it for each other workload, recorded until `stack` is closed.

    Each has its own pods, disruption budget, owners' consent and bounds. Raises as recording and reading do.
    """
    contexts = {role: _context(context, request, role, stack, say) for role in request.roles}
    return replace(context, roles=contexts) if contexts else context


def are_whole(context: TrialContext) -> bool:
    """Whether every workload has all its replicas and no release is under way."""
    return all(one.has_all_replicas() and one.is_rolled_out() for one in context.all)


def has_all_endpoints(context: TrialContext) -> bool:
    """Whether each Ready pod of every workload is among the ready endpoints of its Service."""
    return all(one.has_all_endpoints() for one in context.all)


def stop_recording(context: TrialContext) -> None:
    """End every record; a witness that failed is noted. Raises `HarnessBroken` if a watch did not end."""
    for witness in context.witnesses:
        witness.stop()
        if witness.failure is not None:
            context.journal.event("note", text=witness.failure.what)
    for one in context.all:
        one.recorder.stop()


def _context(
    context: TrialContext, request: TrialRequest, role: str, stack: ExitStack, say: Callable[[str], None]
) -> TrialContext:
    found, environment, folder = request.roles[role], context.environment, request.run / ROLES / role
    system, cluster = found.system, context.cluster
    private_folder(folder)
    facts = trial_facts(environment, replace(request, system=found, capacity=None), context.clock, system)
    write_private(folder / "trial.json", json.dumps(without_secrets({**facts, "role": role}), indent=1) + "\n")
    stack.enter_context(compared(cluster, system, folder / "adopted.json", say))
    scopes = [*found.scopes, Scope("Node", None)]
    recorder = stack.enter_context(Recorder(cluster, context.clock, folder / "watch.jsonl", scopes))
    return replace(
        context,
        role=role,
        recorder=recorder,
        system=system,
        selector=system.selector,
        workload_kind=system.workload_kind,
        blast_radius=partial(environment.blast_radius, system.spec, system.namespace, request.pods_max),
        data=replace(
            context.data, container=serving_container(system.template)["name"], files=(), port=system.spec.port
        ),
        consent=stack.enter_context(environment.consent(found, load_action=request.load_action)),
    )
