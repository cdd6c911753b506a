"""The pytest plugin: the fixtures `trial`, `system` and `traffic`, and how a verdict is shown.

It works in any repository: a conftest.py there gives `system_spec` (what is to be deployed) and `request_profile` (what
one request is). A scenario changes the spec with `@pytest.mark.system(replicas=4)`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import textwrap
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import pytest

from chaos.errors import GamedayError, UsageError
from chaos.facts import ScenarioFacts
from chaos.ground import Ground, on_context, on_lab
from chaos.judgement import Judgement
from chaos.options import Options, add_options, read_options
from chaos.progress import Terminal
from chaos.stage import Callbacks, Staged, UnderTest, in_words, inert, staged
from chaos.system import SystemSpec
from chaos.traffic import Traffic
from chaos.trial import Trial
from chaos.verdict import NotProven
from loadgen.profiles import Profile
from reports import Report, summarise, summary, write_html

__all__: list[str] = []

OPTIONS = pytest.StashKey[Options]()
REPORTS = pytest.StashKey[list[Report]]()
STAGED = pytest.StashKey[Staged]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read our options and declare the marker."""
    config.addinivalue_line("markers", "system(**fields): fields of the SystemSpec that this scenario changes")
    config.addinivalue_line("markers", "needs(*what): what this scenario needs of the cluster, e.g. node-power")
    config.stash[OPTIONS] = read_options(config)
    config.stash[REPORTS] = []


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
    with _sigterm_interrupts():
        try:
            with _ground(request.config, options) as stood:
                yield stood
        except GamedayError as error:
            pytest.exit(str(error), returncode=int(pytest.ExitCode.USAGE_ERROR))


@contextmanager
def _ground(config: pytest.Config, options: Options) -> Iterator[Ground]:
    with _uncaptured(config):
        if options.context:
            opening = on_context(
                kubeconfig=options.kubeconfig,
                context=options.context,
                image=options.image,
                service_url=options.service_url,
                means=options.means,
            )
        else:
            words = "pytest " + " ".join(config.invocation_params.args)
            opening = on_lab(nodes=options.lab_nodes, keep=options.keep_lab, words=words, progress=Terminal())
        stood = opening.__enter__()
    try:
        yield stood
    finally:
        with _uncaptured(config):
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
    callbacks = Callbacks(say=_Voice(request.config).say, draw=_draw(request))
    if options.rejudge:
        placeholder = SystemSpec(name="saved", image="saved")
        request.node.stash[STAGED] = inert(options.rejudge, placeholder, callbacks=callbacks)
        yield request.node.stash[STAGED]
        return
    spec = _marked(request, request.getfixturevalue("system_spec"))
    scenario = _scenario(request, options.seed)
    ground = request.getfixturevalue("ground")
    ground.require([need for marker in request.node.iter_markers("needs") for need in marker.args])
    with staged(
        ground,
        spec,
        request.getfixturevalue("request_profile"),
        scenario,
        run=_run_folder(options.runs, scenario),
        leashed=options.leashed,
        pods_max=options.pods_max,
        keep_namespace=options.keep_namespace,
        callbacks=callbacks,
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


def _marked(request: pytest.FixtureRequest, spec: SystemSpec) -> SystemSpec:
    """Apply the scenario's markers, the outermost first."""
    for marker in reversed(list(request.node.iter_markers("system"))):
        if marker.args:
            raise UsageError(f"@pytest.mark.system: {marker.args[0]!r} has no name", "name a field: system(replicas=4)")
        spec = spec.having(**marker.kwargs)
    fields = request.config.stash[OPTIONS].fields
    return spec.having(**fields) if fields else spec


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


def _draw(request: pytest.FixtureRequest) -> Callable[[Judgement], Path]:
    def draw(judgement: Judgement) -> Path:
        report = summarise(judgement.history, judgement.verdict, run=judgement.run)
        request.config.stash[REPORTS].append(report)
        facts = judgement.history.facts
        request.node.user_properties += [
            ("verdict", judgement.verdict.answer.name),
            ("run", str(judgement.run)),
            ("seed", facts.seed),
            ("cluster", facts.raw.get("cluster", {}).get("context", "")),
        ]
        path = judgement.run / "report.html"
        write_html(report, path)
        return path

    return draw


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show one row a trial."""
    if reports := config.stash[REPORTS]:
        terminalreporter.section("trials")
        width = shutil.get_terminal_size((100, 24)).columns
        terminalreporter.write_line(summary(reports, width=width, colour=terminalreporter.hasmarkup))


# --- the terminal and signals ---------------------------------------------------------------------------------------


class _Voice:
    """Says what a trial does, a line at a time, with the seconds since it began."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print the line, past pytest's capturing."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            with _uncaptured(self._config):
                reporter.write_line(f"{time.monotonic() - self._began:5.0f} s  {text}")


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written in the block reach the terminal, from the start of a line."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        if reporter is not None:
            reporter.ensure_newline()
        yield


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end the session as Ctrl-C does, so that faults are healed and the lab is taken down."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
