"""What a scenario asks for by its markers, and whether the system of this session is that."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import NotAllowed, one_line
from chaos.faults import AutoscalerRestart, MetricsDown
from chaos.faults.infrastructure import NO_METRICS_PATH
from chaos.faults.permissions import (
    CANARY,
    DEPLOYED,
    ENGINE_METRICS,
    LOAD,
    LOAD_POLICY,
    Activity,
    deployed_kinds,
    deploying_rights,
)
from chaos.faults.scenario_analysis import activities_of, raises_load
from chaos.history.writing.redaction import redacted_message
from chaos.plugin.room import lacks_of_room, room_here
from chaos.plugin.spec_fields import deployed_fields, wanted_fields
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.deploy.manifest_folder import Manifests, read_manifests
from chaos.system.spec.compatibility import NAME_DATA, NO_DATA, refuse_fields, unmet
from chaos.trial.config_parts import LoadPart, TrafficPart
from chaos.trial.environment import Environment
from chaos.trial.preflight.checks import require_rights, require_to_deploy, require_usage, without_keda, without_metrics
from chaos.trial.preflight.consent import unallowed
from chaos.trial.request import LoadSettings
from loadgen.profiles import Profile

__all__ = [
    "adopted_for",
    "allow_deploying",
    "answering",
    "lacks_of_adopted",
    "lacks_to_deploy",
    "load_for",
    "manifests_for",
    "may_deploy",
    "profile_for",
    "refuse_unmet",
    "scenario_activities",
    "skip_refused",
]

DATA_NEED, AUTOSCALER_NEED = "data", "autoscaler"
BY_METRICS_PATH = (MetricsDown.name, AutoscalerRestart.name)


def adopted_for(
    request: pytest.FixtureRequest,
    environment: Environment,
    fields: Mapping[str, Any],
    *,
    dry_run: bool,
    load: LoadSettings,
    require_consent: bool = False,
    pods_max: int | None = None,
) -> Adopted | None:
    """The system that already runs, as it is now; the scenario is skipped if it asks for another one or is not allowed.

    A `dry_run` session does not even look at the lease. Raises `UsageError` for `fields` that the session would change,
    `ClusterRefused` naming rights or metrics that are missing; with `require_consent` also `NotAllowed`.
    """
    if environment.adoption is None:
        return None
    refuse_fields(fields)
    adopted = environment.adoption.find()
    activities = scenario_activities(request.node, load)
    if lacks := lacks_of_adopted(request.node, environment, adopted, activities, pods_max):
        _skip(lacks)
    skip_refused(unallowed(environment.adoption, adopted, activities), require_consent=require_consent)
    require_rights(environment.adoption, adopted, activities, load_pods=load.in_cluster)
    require_usage(environment.adoption, adopted, scales=_scales(request.node))
    if not dry_run and environment.begin():
        return environment.adoption.find()
    return adopted


def skip_refused(objections: Iterable[str], *, require_consent: bool) -> None:
    """Skip the scenario for what the owners object to, if anything; `NotAllowed` is raised with `require_consent`."""
    if refused := "; ".join(objections):
        if require_consent:
            raise NotAllowed(refused)
        _skip([refused])


def _skip(lacks: Iterable[str]) -> None:
    pytest.skip(one_line(redacted_message("; ".join(dict.fromkeys(lacks)))))


def lacks_of_adopted(
    node: pytest.Item,
    environment: Environment,
    adopted: Adopted,
    activities: Iterable[Activity],
    pods_max: int | None = None,
) -> list[str]:
    """Why a scenario cannot be had on the system that already runs, whoever allows it; empty if it can."""
    spec = adopted.system.spec
    chosen = tuple(activities)
    lacks = [
        *unmet(spec, wanted_fields(node)),
        *_without_data(node, spec, NAME_DATA),
        *_without_autoscaler(node, spec),
        *_unfit(chosen, adopted.system.workload.kind),
        *lacks_of_room(node, room_here(environment, spec, adopted, pods_max), chosen),
    ]
    # What another system would need of the cluster is not looked up: there may be no right to.
    return lacks or [*_lacking(node, environment, ours=False)]


def manifests_for(request: pytest.FixtureRequest, folder: Path | None, fields: Mapping[str, Any]) -> Manifests | None:
    """The manifests to deploy; the scenario is skipped if it asks for another system than theirs.

    Raises `UsageError` for a folder that holds no one system, and for `fields` that the session would change.
    """
    if folder is None:
        return None
    refuse_fields(fields)
    manifests = read_manifests(folder)
    spec = manifests.spec
    if lacks := [
        *unmet(spec, wanted_fields(request.node)),
        *_without_data(request.node, spec, "manifests cannot say it"),
        *_without_autoscaler(request.node, spec),
    ]:
        _skip(lacks)
    return manifests


def may_deploy(
    request: pytest.FixtureRequest,
    environment: Environment,
    spec: SystemSpec,
    manifests: Manifests | None,
    load: LoadSettings,
    *,
    require_consent: bool = False,
    canary: bool = False,
) -> None:
    """Make sure that a trial that deploys its system may do all that this scenario does, and on the lab no more.

    It is skipped where the owners of the nodes do not allow it, or `NotAllowed` is raised with `require_consent`.
    Raises `ClusterRefused` naming the rights that are missing, before anything of the trial is written.
    """
    if environment.adoption is None:
        # Of a kind that nobody serves no right can be asked for.
        if manifests is None and spec.by_keda and (words := without_keda(environment.cluster)):
            _skip([words])
        skip_refused(environment.unallowed(_activities(request.node)), require_consent=require_consent)
        kinds: Iterable[str] = deployed_kinds(keda=spec.by_keda)
        if manifests:
            kinds = sorted({str(one["kind"]) for one in manifests.objects})
        # Claims that are written in manifests are among their kinds, and nobody fills or watches them.
        claims = manifests is None and any(volume.storage for volume in spec.volumes)
        activities = (*_activities(request.node), *_policy_of(load), *((CANARY,) if canary else ()))
        allow_deploying(environment, activities, kinds=kinds, claims=claims, load_pods=load.in_cluster)


def allow_deploying(
    environment: Environment,
    activities: Iterable[Activity],
    *,
    kinds: Iterable[str] = DEPLOYED,
    claims: bool = False,
    load_pods: bool = False,
) -> None:
    """The same for whatever these faults are made by. Raises `ClusterRefused` as `may_deploy` does."""
    rights = deploying_rights(
        activities,
        kinds,
        proxied=environment.proxied,
        claims=claims,
        load_pods=load_pods,
        shared=environment.shared,
    )
    # On the lab the servers' own metrics are read, too; elsewhere no trial is refused for want of that.
    environment.grant((*rights, *(replace(one, everywhere=True) for one in ENGINE_METRICS.permissions)))
    require_to_deploy(environment.cluster, rights)


def refuse_unmet(
    request: pytest.FixtureRequest,
    environment: Environment,
    spec: SystemSpec,
    *,
    ours: bool,
    pods_max: int | None = None,
) -> None:
    """Skip the scenario if the cluster has not what its markers say that it needs, before anything is deployed.

    `ours`: whether the spec is what is deployed, so that it says which storage classes that takes.
    """
    if lacks := lacks_to_deploy(request.node, environment, spec, ours=ours, pods_max=pods_max):
        _skip(lacks)


def lacks_to_deploy(
    node: pytest.Item, environment: Environment, spec: SystemSpec, *, ours: bool, pods_max: int | None = None
) -> list[str]:
    """What the cluster lacks for a scenario, in words; empty for nothing. `ours` as for `refuse_unmet`."""
    lacks = list(_lacking(node, environment, ours=ours))
    lacks += lacks_of_room(node, room_here(environment, spec, None, pods_max), _activities(node))
    if environment.kind == "context" and environment.adoption is None and deployed_fields(node).get("autoscale"):
        lacks += [words] if (words := without_metrics(environment.cluster)) else []
    if ours:
        lacks += [words] if spec.by_keda and (words := without_keda(environment.cluster)) else []
        lacks += _without_data(node, spec, "give one fill or files")
        classes = dict.fromkeys(volume.storage_class for volume in spec.volumes if volume.storage_class)
        lacks += [words for name in classes if (words := environment.lacks(f"storage-class:{name}"))]
    return lacks


def profile_for(request: pytest.FixtureRequest, environment: Environment) -> Profile:
    """What one request is: as the system's file says, else the fixture `request_profile`."""
    named = environment.adoption.config.traffic.request_profile() if environment.adoption else None
    profile: Profile = named or request.getfixturevalue("request_profile")
    return profile


def answering(environment: Environment) -> tuple[tuple[str, str], bool]:
    """What answers, with its version, and whether each replica is to be asked directly, as the system's file says."""
    traffic = environment.adoption.config.traffic if environment.adoption else TrafficPart()
    return (traffic.engine or "", traffic.engine_version), traffic.canary


def load_for(
    environment: Environment, *, in_cluster: bool, workers: int | None, dry_run: bool, ingress: tuple[str, ...] = ()
) -> LoadSettings:
    """Where the load comes from: as this session's options say, else as the system's file does.

    A `dry_run` session makes no pods on a system that already runs: traffic then comes from this host.
    """
    written = environment.adoption.config.load if environment.adoption else LoadPart()
    pods = (in_cluster or written.in_cluster) and not (dry_run and environment.adoption)
    return LoadSettings(workers=workers or written.workers, in_cluster=pods, ingress=ingress or written.ingress)


def _without_data(node: pytest.Item, spec: SystemSpec, fix: str) -> Iterator[str]:
    """Say that nothing is known to survive, where the scenario needs data that do."""
    if not spec.kept_files and any(DATA_NEED in marker.args for marker in node.iter_markers("needs")):
        yield f"{NO_DATA}: {fix}"


def _without_autoscaler(node: pytest.Item, spec: SystemSpec) -> Iterator[str]:
    """Say that nothing scales a system, where the scenario is about that."""
    if _scales(node) and (spec.autoscale is None or "cpu_percent" not in spec.autoscale.model_fields_set):
        yield "no autoscaler on the utilisation of CPU owns the system: the scenario tells its load by that target"
    elif _scales(node) and spec.autoscale and spec.autoscale.replicas_max <= spec.autoscale.replicas_min:
        yield f"the autoscaler may not add to its {spec.autoscale.replicas_min} replicas: raise maxReplicas"


def _scales(node: pytest.Item) -> bool:
    named = any(AUTOSCALER_NEED in marker.args for marker in node.iter_markers("needs"))
    return named or "autoscale" in wanted_fields(node)


def _activities(node: pytest.Item) -> tuple[Activity, ...]:
    """The faults that the scenario's own code names, or the helpers that it calls."""
    function = getattr(node, "function", None)
    return activities_of(function) if function is not None else ()


def scenario_activities(node: pytest.Item, load: LoadSettings) -> tuple[Activity, ...]:
    """The same, and a load that rises or comes from pods of ours: all that the owners have to allow."""
    function = getattr(node, "function", None)
    rises = function is not None and raises_load(function)
    return (*_activities(node), *((LOAD,) if rises or load.in_cluster else ()), *_policy_of(load))


def _policy_of(load: LoadSettings) -> tuple[Activity, ...]:
    return (LOAD_POLICY,) if load.in_cluster and load.ingress else ()


def _unfit(activities: Iterable[Activity], kind: str) -> Iterator[str]:
    """Which faults cannot be made on a workload of that kind."""
    for activity in activities:
        if activity.workload_kind not in ("", kind):
            yield f"{activity.name} changes a {activity.workload_kind}, and the system is a {kind}"


def _lacking(node: pytest.Item, environment: Environment, *, ours: bool) -> Iterator[str]:
    """What the cluster lacks of what the scenario's markers and faults need; `ours`: to deploy our own system."""
    if environment.infrastructure.metrics is None and any(one.name in BY_METRICS_PATH for one in _activities(node)):
        yield NO_METRICS_PATH
    for marker in node.iter_markers("needs"):
        needs = [need for need in marker.args if need not in (DATA_NEED, AUTOSCALER_NEED)]
        if not ours:
            # What others wrote has its claims, of whatever class.
            needs = [need for need in needs if not need.startswith("storage-class:")]
        yield from (reason for need in needs if (reason := environment.lacks(need)))
