"""The cluster that a gameday.toml names, for the system that already runs there, as the environment of a session."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from chaos.cluster import unrecorded_executor
from chaos.faults import Infrastructure
from chaos.faults.infrastructure import NO_INFRASTRUCTURE
from chaos.faults.permissions import LOAD
from chaos.faults.undo import find_left, undo_leftovers
from chaos.safety import BlastRadius
from chaos.safety.abort_conditions import AbortCommand
from chaos.safety.lease import RunLease
from chaos.safety.owner import Owner
from chaos.semantics.features import rules_of
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.trial.config import read_config
from chaos.trial.environment import SharedEnvironment
from chaos.trial.preflight.adopted_cluster import Adoption, open_adoption
from chaos.trial.preflight.checks import ADOPTED_KINDS, require_served
from chaos.trial.preflight.consent import Consent, owners_of

__all__ = ["AdoptedEnvironment", "adopted_environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedEnvironment(SharedEnvironment):
    """A cluster of others, with the system that already runs there.

    Only `claim` writes: it takes the lease of the system's namespace, and undoes what dead runs left. Where there is
    something to take over or to undo, `begin` does that at once. `until_end` leaves both at the session's end.
    """

    adoption: Adoption
    abort_command: AbortCommand
    say: Callable[[str], None]

    @override
    def begin(self) -> bool:
        if not self.abort_command.started:
            self.until_end.enter_context(self.abort_command)
        found = find_left(self.cluster, self.adoption.config.system.namespace)
        dead = any(not one.alive for one in found)
        # Of another version's run: nobody undoes it here, so that people have to know.
        for one in () if self.lease.taken else found:
            for text in one.refused:
                self.say(f"{one.where.namespace}/{one.where.name} holds what is not undone, see gameday undo: {text}")
        if not self.lease.taken and (dead or self.lease.held()):
            return self.claim()
        if dead:  # what could not be undone is in the way of every trial, not of the first alone
            self._undo_leftovers()
        return dead

    @override
    def claim(self, *, nodes: bool = False) -> bool:
        if self.lease.taken:
            return False
        self.until_end.enter_context(self.lease)
        self._undo_leftovers()
        return True

    def _undo_leftovers(self) -> None:
        namespace = self.adoption.config.system.namespace
        for done in undo_leftovers(self.cluster, namespace, self.infrastructure):
            self.say(f"of the dead run {done.run}: {done.words}")

    @override
    def stop_reason(self) -> str:
        return (self.lease.lost if self.lease.taken else "") or self.abort_command.objection

    @override
    def consent(self, adopted: Adopted | None, *, load_action: str = LOAD.name) -> Consent:
        assert adopted is not None, "only the system that already runs is tried here"
        return Consent(owners_of(self.adoption, adopted), load=load_action)

    @override
    def blast_radius(
        self, spec: SystemSpec, namespace: str, pods_max: int | None, *, wanted: int, nodes: int
    ) -> BlastRadius:
        # Of fewer replicas than it is meant to have so many fewer may be lost: as many must serve in the end.
        tolerated = max(0, spec.losses_tolerated - max(0, spec.replicas_floor - wanted))
        bound = self.adoption.pods_max(wanted, tolerated)
        return BlastRadius(namespace, min(pods_max or bound, bound), self.adoption.config.safety.nodes_max)


@contextmanager
def adopted_environment(
    path: Path,
    *,
    kubeconfig: Path | None,
    context: str,
    service_url: str,
    infrastructure: Infrastructure = NO_INFRASTRUCTURE,
    say: Callable[[str], None],
    load_image: str = "",
    uid: str = "",
) -> Iterator[AdoptedEnvironment]:
    """The cluster of a gameday.toml. No namespace is swept: they are left to their owners.

    Raises `UsageError` or `ClusterRefused` before anything is written.
    """
    config = read_config(path)
    adoption = open_adoption(path, config, kubeconfig=kubeconfig, context=context, uid=uid)
    cluster, namespace = adoption.cluster, config.system.namespace
    require_served(cluster, ADOPTED_KINDS)
    if told := rules_of(cluster.facts.version)[1]:
        say(told)
    adoption.find()
    holder = Owner.this_process().holder(time.time_ns())
    with cluster, ExitStack() as until_end:
        yield AdoptedEnvironment(
            cluster=cluster,
            timings=config.cluster.timings.timings(),
            service_url=service_url or config.traffic.url or "",
            load_image_name=load_image or config.load.image or "",
            infrastructure=replace(
                adoption.infrastructure, nodes=infrastructure.nodes or adoption.infrastructure.nodes
            ),
            limits=config.abort_limits(),
            rps_max=config.safety.rps_max,
            adoption=adoption,
            lease=RunLease(cluster, unrecorded_executor(cluster), namespace, holder, say=say),
            abort_command=AbortCommand(config.safety.abort, every_s=config.safety.abort_every_s),
            until_end=until_end,
            say=say,
        )
