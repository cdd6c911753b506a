"""Where capacity is measured: the lab, a named context, or a system that already runs, with its owners' consent.

On an adopted system the search is an action like any fault, `capacity`: it looks for the load that breaks the SLO, so
the lease is held before the first request. To change the number of replicas takes consent of its own, `scale`; without
it only the present number is measured.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.cli.capacity.output import Screen
from chaos.cli.cluster import found_here
from chaos.errors import NotAllowed, UsageError
from chaos.faults import Scale
from chaos.faults.permissions import Activity
from chaos.faults.scenario_analysis import activity_of
from chaos.plugin.markers import allow_deploying
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.spec.compatibility import refuse_fields
from chaos.trial.adopted_environment import adopted_environment
from chaos.trial.config import pin_of
from chaos.trial.environment import Environment, context_environment, reference_profile, reference_spec
from chaos.trial.lab_environment import lab_environment
from chaos.trial.preflight.checks import require_rights
from chaos.trial.preflight.consent import unallowed
from loadgen.profiles import Profile

__all__ = ["CAPACITY", "Place", "Where", "placed"]

CAPACITY = Activity("capacity")

SCALE = activity_of(Scale)

REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Where:
    """The environment as the command line gives it; `system` is a file, `context` one of the kubeconfig."""

    system: Path | None
    context: str
    cluster_uid: str
    kubeconfig: Path | None
    image: str
    service_url: str
    lab_nodes: int
    keep_lab: bool
    command: str

    @property
    def file(self) -> Path | None:
        """The file that names a system: as given, or as found here, unless a context is to deploy one."""
        if self.system is not None:
            return self.system
        kubeconfig = () if self.kubeconfig else ("cluster.kubeconfig",)
        used = (*kubeconfig, "node_infrastructure", "safety.abort", "traffic.request.headers")
        return None if self.image else found_here(*used)


@dataclass(frozen=True, slots=True)
class Place:
    """A system in its environment, to be deployed or found there; the numbers of replicas that may be measured."""

    environment: Environment
    spec: SystemSpec
    profile: Profile
    replicas: tuple[int, ...]
    adopted: Adopted | None = None
    slo: Slo | None = None


@contextmanager
def placed(
    where: Where, *, replicas: int | None, losses: int, fields: Mapping[str, Any], screen: Screen
) -> Iterator[Place]:
    """Find or plan the system. `replicas` is the greatest number (None: the default); up to `losses` fewer count too.

    `fields` are changed in the spec of what is deployed; a system that already runs is as it is.

    Raises `UsageError`, `ClusterRefused` and `NotAllowed` in words before anything is written.
    """
    with _environment(where, screen) as environment:
        if environment.adoption is not None:
            refuse_fields(fields)
            place = _on_adopted(environment, replicas, losses, screen)
            if environment.begin():
                place = _on_adopted(environment, replicas, losses, screen)
            environment.claim()
        else:
            most = replicas or REPLICAS
            spec = reference_spec(environment).having(**fields).having(replicas=most, autoscale=None)
            allow_deploying(environment, [SCALE], claims=any(volume.storage for volume in spec.volumes))
            place = Place(environment, spec, reference_profile(), _counts(most, losses))
        yield place


def _environment(where: Where, screen: Screen) -> AbstractContextManager[Environment]:
    if where.file is not None:
        return adopted_environment(
            where.file,
            kubeconfig=where.kubeconfig,
            context=where.context,
            service_url=where.service_url,
            say=screen.say,
            uid=where.cluster_uid,
        )
    if where.context:
        return context_environment(
            kubeconfig=where.kubeconfig,
            context=where.context,
            image=where.image,
            service_url=where.service_url,
            uid=where.cluster_uid or pin_of(Path.cwd(), where.context),
            uid_option="--cluster-uid",
            say=screen.say,
        )
    if where.kubeconfig is not None:
        raise UsageError("--kubeconfig goes with --kube-context NAME", "name the context, or leave both for the lab")
    return lab_environment(nodes=where.lab_nodes, keep=where.keep_lab, words=where.command, progress=Terminal())


def _on_adopted(environment: Environment, replicas: int | None, losses: int, screen: Screen) -> Place:
    adoption = environment.adoption
    assert adoption is not None
    adopted = adoption.find()
    spec, config = adopted.system.spec, adoption.config
    _measurable(adopted, replicas)
    profile = config.traffic.request_profile()
    if profile is None:
        raise UsageError(f"{adoption.path}: traffic.profile is missing", "say what one request is: see docs/staging.md")
    if refused := list(unallowed(adoption, adopted, [CAPACITY])):
        raise NotAllowed("; ".join(refused))
    nodes = len(environment.cluster.facts.nodes)
    radius = environment.blast_radius(spec, adopted.system.namespace, None, wanted=spec.replicas, nodes=nodes)
    counts = _counts(spec.replicas, min(losses, radius.pods_max))
    activities = [CAPACITY]
    if len(counts) > 1:
        kind = adopted.system.workload.kind
        why = [f"gameday scales Deployments, and the system is a {kind}"] if kind != SCALE.workload_kind else []
        if why := why or list(unallowed(adoption, adopted, [SCALE])):
            screen.say(f"only the present {spec.replicas} replicas are measured: {'; '.join(why)}")
            counts = counts[:1]
        else:
            activities.append(SCALE)
    require_rights(adoption, adopted, activities)
    slo = config.slo.slo() if config.slo else None
    return Place(environment, spec, profile, counts, adopted, slo)


def _measurable(adopted: Adopted, replicas: int | None) -> None:
    """Raises `UsageError` for a system whose number of replicas changes by itself, or is not the given one."""
    spec, workload = adopted.system.spec, adopted.system.workload
    if spec.autoscale is not None:
        raise UsageError(
            f"an autoscaler changes the number of replicas of {workload.name} under load, so none can be measured",
            "measure a copy without it, or try its maximum with a scenario: scenarios/test_load_spike.py",
        )
    if replicas is not None and replicas != spec.replicas:
        raise UsageError(
            f"{workload.name} has {spec.replicas} replicas, not {replicas}: more than there are is not measured",
            "leave --replicas out",
        )


def _counts(most: int, losses: int) -> tuple[int, ...]:
    return tuple(range(most, max(1, most - losses) - 1, -1))
