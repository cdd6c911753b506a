"""What the fixtures hand out: the environment of a session, and one trial of a scenario, set up."""

import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from chaos.errors import GamedayError
from chaos.history.writing.redaction import redacted_message, redacted_words
from chaos.plugin.capacity import with_capacity
from chaos.plugin.markers import adopted_for, answering, load_for, manifests_for, may_deploy, profile_for, refuse_unmet
from chaos.plugin.options import Options, options_of
from chaos.plugin.session_report import SessionReport
from chaos.plugin.spec_fields import marked
from chaos.plugin.stash import SESSION_REPORT, STAGED, scenario_id
from chaos.plugin.terminal import Voice, signals_heal, uncaptured
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.adopted_environment import adopted_environment
from chaos.trial.config import read_config
from chaos.trial.environment import Environment, context_environment
from chaos.trial.lab_environment import lab_environment
from chaos.trial.request import LoadSettings, Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, rejudge_trial, run_trial

__all__ = ["environment", "promised", "stage"]


def promised(config: pytest.Config) -> Slo:
    """What users were promised: as gameday.toml says, else 99 % and 5 s."""
    file = options_of(config).config_file
    part = read_config(file).slo if file else None
    return part.slo() if part else Slo(availability=0.99, latency_p99_s=5.0)


def environment(config: pytest.Config) -> Iterator[Environment]:
    """The cluster of a session; one that cannot be had ends the session with pytest's usage error."""
    with signals_heal(config):
        try:
            with _opened(config, options_of(config)) as opened:
                yield opened
        except GamedayError as error:
            pytest.exit(redacted_message(str(error)), returncode=int(pytest.ExitCode.USAGE_ERROR))


@contextmanager
def _opened(config: pytest.Config, options: Options) -> Iterator[Environment]:
    opening: AbstractContextManager[Environment]
    with uncaptured(config):
        if options.config_file:
            opening = adopted_environment(
                options.config_file,
                kubeconfig=options.kubeconfig,
                context=options.context,
                service_url=options.service_url,
                infrastructure=options.infrastructure,
                say=Voice(config).say,
                load_image=options.load_image,
                uid=options.cluster_uid,
            )
        elif options.context:
            opening = context_environment(
                kubeconfig=options.kubeconfig,
                context=options.context,
                image=options.image,
                service_url=options.service_url,
                infrastructure=options.infrastructure,
                load_image=options.load_image,
                dry_run=options.dry_run,
                uid=options.cluster_uid,
                say=Voice(config).say,
            )
        else:
            words = "pytest " + " ".join(redacted_words(config.invocation_params.args))
            opening = lab_environment(
                nodes=options.lab_nodes,
                keep=options.keep_lab,
                words=words,
                progress=Terminal(),
                image=options.image,
                release=options.lab_release,
            )
        opened = opening.__enter__()
    try:
        yield opened
    finally:
        with uncaptured(config):
            opening.__exit__(None, None, None)


def session_report(config: pytest.Config) -> SessionReport:
    """The report of this session, begun with its first trial."""
    if SESSION_REPORT not in config.stash:
        config.stash[SESSION_REPORT] = SessionReport(options_of(config))
    return config.stash[SESSION_REPORT]


def stage(request: pytest.FixtureRequest) -> Iterator[RunningTrial]:
    """One trial of this scenario, set up."""
    options, report = options_of(request.config), session_report(request.config)
    output = Output(say=Voice(request.config).say, draw=report.drawer(request.node))
    if options.rejudge:
        placeholder = SystemSpec(name="saved", image="saved")
        request.node.stash[STAGED] = rejudge_trial(options.rejudge, placeholder, output)
        yield request.node.stash[STAGED]
        return
    with _live(request, options, report, output) as ready:
        request.node.stash[STAGED] = ready
        yield ready


@contextmanager
def _live(
    request: pytest.FixtureRequest, options: Options, report: SessionReport, output: Output
) -> Iterator[RunningTrial]:
    """A trial on the session's cluster, unless the scenario is skipped or refused."""
    # What a conftest or a marker has wrong is said before a cluster is started.
    manifests = manifests_for(request, options.manifests, options.fields)
    spec = manifests.spec if manifests else None
    if not (options.config_file or manifests):
        spec = marked(request, request.getfixturevalue("system_spec"), options.fields)
    environment: Environment = request.getfixturevalue("_environment")
    load = _load(environment, options)
    adopted = adopted_for(
        request,
        environment,
        options.fields,
        dry_run=options.dry_run,
        load=load,
        require_consent=options.require_consent,
        pods_max=options.pods_max,
    )
    system = adopted or manifests or spec
    spec = adopted.system.spec if adopted else spec
    assert spec is not None
    assert system is not None
    scenario = _scenario(request, options.seed)
    asked = {"require_consent": options.require_consent, "canary": options.canary}
    may_deploy(request, environment, spec, manifests, load, **asked)
    if adopted is None:
        refuse_unmet(request, environment, spec, ours=manifests is None, pods_max=options.pods_max)
    engine, canary = answering(environment)
    wanted = TrialRequest(
        scenario=scenario,
        run=_run_folder(options.runs, scenario),
        system=system,
        profile=profile_for(request, environment),
        load=load,
        roles=environment.adoption.find_roles() if environment.adoption else {},
        pods_max=options.pods_max,
        dry_run=options.dry_run,
        keep_namespace=options.keep_namespace,
        engine=engine,
        canary=canary or options.canary,
    )
    wanted = with_capacity(request, environment, wanted, options)
    report.begun(request.node.nodeid, wanted.run)
    with run_trial(environment, wanted, output) as ready:
        yield ready


def _load(environment: Environment, options: Options) -> LoadSettings:
    return load_for(
        environment,
        in_cluster=options.load_in_cluster,
        workers=options.load_workers,
        dry_run=options.dry_run,
        ingress=options.load_ingress,
    )


def _scenario(request: pytest.FixtureRequest, seed: int) -> ScenarioFacts:
    doc = (getattr(request.node, "function", None) and request.node.function.__doc__) or ""
    claim = doc.strip().partition("\n")[0]
    return ScenarioFacts(name=request.node.name, nodeid=scenario_id(request.node), claim=claim, seed=seed)


def _run_folder(runs: Path, scenario: ScenarioFacts) -> Path:
    """Name the run folder after when, the scenario's first words and parameters, and the seed."""
    name, _, parameters = scenario.name.removeprefix("test_").partition("[")
    words = textwrap.shorten(name.replace("_", " "), 32, placeholder="")
    slug = re.sub(r"[^a-z0-9]+", "-", f"{words} {parameters}".lower()).strip("-")
    return runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{slug}-{scenario.seed}"
