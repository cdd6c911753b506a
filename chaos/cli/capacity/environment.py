"""Where capacity is measured: the lab, a named context, or a system that already runs, with its owners' consent.

On an adopted system the search is an action like any fault, `capacity`: it looks for the load that breaks the SLO. To
change the number of replicas takes consent of its own, `scale`; without it only the present number is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.cli.capacity.progress import Screen
from chaos.errors import NotAllowed, UsageError
from chaos.faults.permissions import ACTIONS, Action
from chaos.plugin.requirements import allow_deploying, limits_of
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.spec.requirements import refuse_fields
from chaos.trial.config import find_config
from chaos.trial.environment import Ground, on_adopted, on_context, on_lab
from chaos.trial.preflight.permissions import require_rights, unallowed
from chaos.trial.reference_model import reference_profile, reference_spec
from loadgen.profiles import Profile

__all__ = ["CAPACITY", "Place", "Where", "placed"]

CAPACITY = Action("capacity", ())

SCALE = ACTIONS["Scale"]

REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Where:
    """What the command line says of the place; `system` is a file, `context` one of the kubeconfig."""

    system: Path | None
    context: str
    kubeconfig: Path | None
    image: str
    service_url: str
    lab_nodes: int
    keep_lab: bool
    command: str

    @property
    def file(self) -> Path | None:
        """The file that names a system: as told, or as found here, unless a context is to deploy one."""
        if self.system is not None:
            return self.system
        return None if self.image else find_config(Path.cwd())


@dataclass(frozen=True, slots=True)
class Place:
    """A ground with a system on it: what to deploy, or what was found; the numbers of replicas that may be measured."""

    ground: Ground
    spec: SystemSpec
    profile: Profile
    replicas: tuple[int, ...]
    adopted: Adopted | None = None
    slo: Slo | None = None
    nodes_max: int | None = None
    pods_max: int | None = None


@contextmanager
def placed(
    where: Where, *, replicas: int | None, losses: int, fields: Mapping[str, Any], screen: Screen
) -> Iterator[Place]:
    """Stand there. `replicas` is the greatest number, None for what is usual; up to `losses` fewer are measured too.

    `fields` are changed in the spec of what is deployed; a system that already runs is as it is.

    Raises `UsageError`, `ClusterRefused` and `NotAllowed` in words before anything is written.
    """
    with _ground(where, screen) as ground:
        if ground.adoption is not None:
            refuse_fields(fields)
            place = _on_adopted(ground, replicas, losses, screen)
            ground.begin()
        else:
            most = replicas or REPLICAS
            spec = reference_spec(ground).having(**fields).having(replicas=most, autoscale=None)
            allow_deploying(ground, [SCALE], claims=any(volume.storage for volume in spec.volumes))
            place = Place(ground, spec, reference_profile(), _counts(most, losses))
        yield place


def _ground(where: Where, screen: Screen) -> AbstractContextManager[Ground]:
    if where.file is not None:
        return on_adopted(
            where.file,
            kubeconfig=where.kubeconfig,
            context=where.context,
            service_url=where.service_url,
            say=screen.say,
        )
    if where.context:
        return on_context(
            kubeconfig=where.kubeconfig, context=where.context, image=where.image, service_url=where.service_url
        )
    if where.kubeconfig is not None:
        raise UsageError("--kubeconfig goes with --kube-context NAME", "name the context, or leave both for the lab")
    return on_lab(nodes=where.lab_nodes, keep=where.keep_lab, words=where.command, progress=Terminal())


def _on_adopted(ground: Ground, replicas: int | None, losses: int, screen: Screen) -> Place:
    adoption = ground.adoption
    assert adoption is not None
    adopted = adoption.find()
    spec, config = adopted.system.spec, adoption.config
    _measurable(adopted, replicas)
    profile = config.traffic.request_profile()
    if profile is None:
        raise UsageError(f"{adoption.path}: traffic.profile is missing", "say what one request is: see docs/staging.md")
    if refused := list(unallowed(adoption, adopted, [CAPACITY])):
        raise NotAllowed("; ".join(refused))
    pods_max, nodes_max = limits_of(ground, adopted, None)
    counts = _counts(spec.replicas, min(losses, pods_max or 0))
    actions = [CAPACITY]
    if len(counts) > 1:
        kind = adopted.system.workload.kind
        why = [f"gameday scales Deployments, and the system is a {kind}"] if kind != SCALE.workload_kind else []
        if why := why or list(unallowed(adoption, adopted, [SCALE])):
            screen.say(f"only the present {spec.replicas} replicas are measured: {'; '.join(why)}")
            counts = counts[:1]
        else:
            actions.append(SCALE)
    require_rights(adoption, adopted, actions)
    slo = config.slo.slo() if config.slo else None
    return Place(ground, spec, profile, counts, adopted, slo, nodes_max, pods_max)


def _measurable(adopted: Adopted, replicas: int | None) -> None:
    """Raises `UsageError` for a system whose number of replicas does not stand still, or is not as asked for."""
    spec, workload = adopted.system.spec, adopted.system.workload
    if spec.autoscale is not None:
        raise UsageError(
            f"an autoscaler changes the number of replicas of {workload.name} under load, so a limit of n has no n",
            "measure a copy without it, or try its maximum with a scenario: scenarios/test_load_spike.py",
        )
    if replicas is not None and replicas != spec.replicas:
        raise UsageError(
            f"{workload.name} has {spec.replicas} replicas, not {replicas}: more than there are is not measured",
            "leave --replicas out",
        )


def _counts(most: int, losses: int) -> tuple[int, ...]:
    return tuple(range(most, max(1, most - losses) - 1, -1))
