"""The pytest plugin: the fixtures `trial`, `system` and `traffic`, and how a verdict is shown.

It works in any repository: a conftest.py there gives `system_spec` (what is to be deployed) and `request_profile` (what
one request is). A scenario changes the spec with `@pytest.mark.system(replicas=4)`.
"""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.checks.verdict import NotProven
from chaos.errors import GamedayError, NotAllowed, UsageError
from chaos.plugin.options import Options, add_options, read_options
from chaos.plugin.requirements import (
    adopted_for,
    consent_for,
    limits_of,
    load_for,
    manifests_for,
    marked,
    may_deploy,
    profile_for,
    refuse_unmet,
)
from chaos.plugin.session_report import Gallery
from chaos.plugin.terminal import Voice, sigterm_interrupts, uncaptured
from chaos.plugin.untried_session import untried
from chaos.progress import Terminal
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.config import read_config
from chaos.trial.environment import Ground, on_adopted, on_context, on_lab
from chaos.trial.setup import Callbacks, Staged, UnderTest, in_words, inert, staged
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from chaos.trial.trial_json import ScenarioFacts
from loadgen.profiles import Profile

__all__: list[str] = []

OPTIONS = pytest.StashKey[Options]()
GALLERY = pytest.StashKey[Gallery]()
STAGED = pytest.StashKey[Staged]()
UNTRIED = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read our options and declare the marker."""
    config.addinivalue_line("markers", "system(**fields): fields of the SystemSpec that this scenario changes")
    config.addinivalue_line(
        "markers", "deployed(**fields): the same where the scenario deploys its system; one that already runs is free"
    )
    config.addinivalue_line(
        "markers",
        "needs(*what, nodes, node_label): what must be there, e.g. node-power or data; else the scenario is skipped",
    )
    config.stash[OPTIONS] = read_options(config)
    config.stash[GALLERY] = Gallery(config.stash[OPTIONS])


def pytest_report_header(config: pytest.Config) -> str:
    """Say where scenarios run and with which seed."""
    options = config.stash[OPTIONS]
    return f"gameday: scenarios {options.where}, seed {options.seed}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """When a saved run is judged again, keep the one scenario that it was a trial of."""
    run = config.stash[OPTIONS].rejudge
    if run is None:
        return
    wanted = _saved_nodeid(run)
    kept = [item for item in items if item.nodeid == wanted]
    if not kept:
        raise pytest.UsageError(f"--rejudge {run}: it is a trial of {wanted}, which is not among the tests collected")
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid != wanted])
    items[:] = kept


def _saved_nodeid(run: Path) -> str:
    try:
        return str(json.loads((run / "trial.json").read_text())["nodeid"])
    except (OSError, ValueError, KeyError) as error:
        raise pytest.UsageError(f"--rejudge {run}: not a run folder ({error})") from None


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The cluster that this session's scenarios run on."""
    options = request.config.stash[OPTIONS]
    with sigterm_interrupts():
        try:
            with _ground(request.config, options) as stood:
                yield stood
        except GamedayError as error:
            pytest.exit(str(error), returncode=int(pytest.ExitCode.USAGE_ERROR))


@contextmanager
def _ground(config: pytest.Config, options: Options) -> Iterator[Ground]:
    with uncaptured(config):
        if options.system:
            opening = on_adopted(
                options.system,
                kubeconfig=options.kubeconfig,
                context=options.context,
                service_url=options.service_url,
                means=options.means,
                say=Voice(config).say,
                load_image=options.load_image,
            )
        elif options.context:
            opening = on_context(
                kubeconfig=options.kubeconfig,
                context=options.context,
                image=options.image,
                service_url=options.service_url,
                means=options.means,
                load_image=options.load_image,
            )
        else:
            words = "pytest " + " ".join(config.invocation_params.args)
            opening = on_lab(nodes=options.lab_nodes, keep=options.keep_lab, words=words, progress=Terminal())
        stood = opening.__enter__()
    try:
        yield stood
    finally:
        with uncaptured(config):
            opening.__exit__(None, None, None)


@pytest.fixture(scope="session")
def system_spec() -> SystemSpec:
    """What is deployed, before a scenario's marker changes it: to be given by your conftest.py."""
    raise UsageError(
        "no system to test", "define a fixture system_spec in conftest.py that returns a chaos.system.SystemSpec"
    )


@pytest.fixture(scope="session")
def request_profile() -> Profile:
    """What one request is: to be given by your conftest.py."""
    raise UsageError(
        "no request to send", "define a fixture request_profile in conftest.py that returns a loadgen profile"
    )


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Staged]:
    """One trial of this scenario, set up."""
    options = request.config.stash[OPTIONS]
    callbacks = Callbacks(say=Voice(request.config).say, draw=request.config.stash[GALLERY].drawer(request.node))
    if options.rejudge:
        placeholder = SystemSpec(name="saved", image="saved")
        request.node.stash[STAGED] = inert(options.rejudge, placeholder, callbacks=callbacks)
        yield request.node.stash[STAGED]
        return
    # What a conftest or a marker has wrong is told before a cluster is started.
    manifests = manifests_for(request, options.manifests, options.fields)
    spec = manifests.spec if manifests else None
    if not (options.system or manifests):
        spec = marked(request, request.getfixturevalue("system_spec"), options.fields)
    ground: Ground = request.getfixturevalue("ground")
    load = load_for(ground, in_cluster=options.load_in_cluster, workers=options.load_workers, dry_run=options.dry_run)
    adopted = adopted_for(
        request,
        ground,
        options.fields,
        dry_run=options.dry_run,
        load=load,
        require_consent=options.require_consent,
    )
    spec = adopted.system.spec if adopted else spec
    assert spec is not None
    scenario = _scenario(request, options.seed)
    may_deploy(request, ground, spec, manifests, load)
    refuse_unmet(request, ground, spec, ours=adopted is None and manifests is None)
    run = request.config.stash[GALLERY].begun(request.node.nodeid, _run_folder(options.runs, scenario))
    pods_max, nodes_max = limits_of(ground, adopted, options.pods_max)
    with staged(
        ground,
        spec,
        profile_for(request, ground),
        scenario,
        run=run,
        dry_run=options.dry_run,
        pods_max=pods_max,
        nodes_max=nodes_max,
        load_wish=load,
        keep_namespace=options.keep_namespace,
        callbacks=callbacks,
        adopted=adopted,
        manifests=manifests,
        consent=consent_for(ground, adopted),
        claim=ground.claim,
        lost=ground.stop,
    ) as ready:
        request.node.stash[STAGED] = ready
        yield ready


@pytest.fixture
def trial(stage: Staged) -> Trial:
    """The trial: phases, faults and the judgement."""
    return stage.trial


@pytest.fixture
def system(stage: Staged) -> UnderTest:
    """The system under test, deployed and available."""
    return stage.system


@pytest.fixture
def traffic(stage: Staged) -> Traffic:
    """Users: streams of requests to the system."""
    return stage.traffic


@pytest.fixture(scope="session")
def slo(request: pytest.FixtureRequest) -> Slo:
    """What users were promised: as gameday.toml says; one in a hundred may fail, and 5 s, where no file says."""
    system = request.config.stash[OPTIONS].system
    told = read_config(system).slo if system else None
    return told.slo() if told else Slo(availability=0.99, latency_p99_s=5.0)


def _scenario(request: pytest.FixtureRequest, seed: int) -> ScenarioFacts:
    doc = (getattr(request.node, "function", None) and request.node.function.__doc__) or ""
    claim = doc.strip().partition("\n")[0]
    return ScenarioFacts(name=request.node.name, nodeid=request.node.nodeid, claim=claim, seed=seed)


def _run_folder(runs: Path, scenario: ScenarioFacts) -> Path:
    """Name the run folder after when, the scenario's first words and parameters, and the seed."""
    name, _, parameters = scenario.name.removeprefix("test_").partition("[")
    words = textwrap.shorten(name.replace("_", " "), 32, placeholder="")
    slug = re.sub(r"[^a-z0-9]+", "-", f"{words} {parameters}".lower()).strip("-")
    return runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{slug}-{scenario.seed}"


# --- hooks of a scenario's run --------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A scenario that returns without a verdict has proved nothing."""
    ready = pyfuncitem.stash.get(STAGED, None)
    try:
        result = yield
    except BaseException as error:
        # pytest does not throw it into the fixture, which has to say why the trial ended early.
        if ready is not None:
            ready.trial.stop(in_words(error))
        if isinstance(error, NotAllowed) and not pyfuncitem.config.stash[OPTIONS].require_consent:
            pytest.skip(str(error))
        raise
    if ready is not None and ready.trial.judgement is None:
        raise NotProven("the scenario returned without trial.judge(…): nothing was claimed, so nothing is proved")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show our own errors as the sentences that they are, without a traceback."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NotProven | GamedayError):
        report.longrepr = f"{type(call.excinfo.value).__name__}:\n{call.excinfo.value}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session whose scenarios were all skipped proves nothing, so it is none that went well."""
    if session.exitstatus == pytest.ExitCode.OK and (words := untried(session)):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        session.config.stash[UNTRIED] = words


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show one row a trial, and write the page of the session."""
    if words := config.stash.get(UNTRIED, ""):
        terminalreporter.write_line(words)
    config.stash[GALLERY].finish(terminalreporter)
