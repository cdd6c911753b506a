"""What a load of 1.0 is for a scenario: stated, remembered, or learned by a ramp at the session's first need."""

import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.checks.judge import Judgement
from chaos.errors import UsageError
from chaos.faults.permissions import LOAD
from chaos.faults.scenario_analysis import names_load
from chaos.plugin.markers import skip_refused
from chaos.plugin.options import Options
from chaos.plugin.session_report import REPORT, draw_run
from chaos.plugin.terminal import Voice
from chaos.system.adopt.live_spec import serving_container
from chaos.trial.capacity.ramp import RAMP_S, Ramp, learn
from chaos.trial.environment import Environment
from chaos.trial.preflight.consent import unallowed
from chaos.trial.replica_capacity import STATE_IT, CapacityCache, ReplicaCapacity, assumed, images_of, key_of, stated
from chaos.trial.request import TrialRequest

__all__ = ["tells_load", "with_capacity"]

LEARNED = pytest.StashKey[dict[str, ReplicaCapacity | UsageError]]()
"""By what it holds for, what this session has learned; also why it could not, which is not tried again."""


def tells_load(node: pytest.Item) -> bool:
    """Whether a scenario tells its load as a share of what a replica carries."""
    function = getattr(node, "function", None)
    return function is not None and names_load(function)


def with_capacity(
    request: pytest.FixtureRequest, environment: Environment, wanted: TrialRequest, options: Options
) -> TrialRequest:
    """The same request with what a load of 1.0 is, if the scenario names loads.

    The scenario is skipped if that has to be learned and the owners do not allow it, or `NotAllowed` is raised as the
    session has it. Raises `UsageError` in words if it could not be learned.
    """
    if not tells_load(request.node):
        return wanted
    written = environment.adoption.config.system.replica_rps if environment.adoption else None
    capacity = stated(options.replica_rps if options.replica_rps is not None else written)
    return replace(wanted, capacity=capacity or _learned(request, environment, wanted, options))


def _learned(
    request: pytest.FixtureRequest, environment: Environment, wanted: TrialRequest, options: Options
) -> ReplicaCapacity:
    slo, say = request.getfixturevalue("slo"), Voice(request.config).say
    # Also for what was learned before: the load of others' services is theirs to allow.
    why = (
        list(unallowed(environment.adoption, wanted.adopted, [LOAD])) if environment.adoption and wanted.adopted else []
    )
    if why and not options.dry_run:
        objections = [f"{one} (a load is told as a share of what a replica carries; or {STATE_IT})" for one in why]
        skip_refused(objections, require_consent=options.require_consent)
    origin = wanted.load.words or environment.origin_name
    key = key_of(wanted.system, cluster=_cluster(environment), origin=origin, profile=wanted.profile, slo=slo)
    session, name = request.config.stash.setdefault(LEARNED, {}), str(key)
    cache = CapacityCache.of_user()
    known = "" if why else session.get(name) or cache.known(key, _images(environment, wanted))
    if isinstance(known, ReplicaCapacity):
        return known
    if isinstance(known, UsageError):
        raise known
    if known:
        say(f"{known}; it is learned anew")
    if options.dry_run:
        say(f"a run would learn what one replica carries, by a ramp of at most {RAMP_S / 60:g} min; or {STATE_IT}")
        return assumed()
    run = options.runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-ramp-{options.seed}"
    try:
        most_rps = environment.rps_max and environment.rps_max / wanted.profile.requests_max
        ramp = Ramp(slo, run, options.seed, most_rps)
        session[name] = found = learn(environment, wanted, ramp, say=say, draw=_draw)
    except UsageError as unknown:
        session[name] = unknown
        raise
    cache.remember(key, found)
    return found


def _draw(judgement: Judgement) -> Path:
    draw_run(judgement)
    return judgement.run / REPORT


def _cluster(environment: Environment) -> str:
    """Where it holds: this machine for the lab, which is made anew each time; else the cluster's identity."""
    if environment.kind == "lab":
        return f"lab on {platform.node()}, {os.cpu_count()} processors"
    return environment.cluster.facts.uid


def _images(environment: Environment, wanted: TrialRequest) -> tuple[str, ...]:
    """The images that run now, of a system that runs already."""
    if wanted.adopted is None:
        return ()
    system = wanted.adopted.system
    selector = ",".join(f"{key}={value}" for key, value in system.selector.items())
    pods = environment.cluster.list("Pod", system.namespace, selector=selector)
    return images_of(pods, serving_container(system.template)["name"])
