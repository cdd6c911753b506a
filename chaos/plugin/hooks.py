"""The pytest plugin's hooks: which tests are scenarios, and how a verdict is shown.

A guest in every session: a module that pytest loads at its start (this one, options, fixtures) imports nothing of the
engine before a session uses a fixture or an option of gameday.
"""

import json
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from chaos.errors import GamedayError, NotAllowed, NotProven
from chaos.plugin import fixtures
from chaos.plugin.options import add_options, given, options_of
from chaos.plugin.stash import SESSION_REPORT, STAGED, UNTRIED, scenario_id
from pytest_gameday import clash, clash_words

__all__: list[str] = []

TRIED = ("passed", "failed", "error", "xfailed", "xpassed")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options and the fixtures."""
    add_options(parser)
    pluginmanager.register(fixtures, "gameday-fixtures")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse options that cannot be."""
    config.addinivalue_line("markers", "system(**fields): fields of the SystemSpec that this scenario changes")
    config.addinivalue_line("markers", "deployed(**fields): the same, but only where the scenario deploys its system")
    config.addinivalue_line(
        "markers",
        "needs(*what, replicas_min, at_once_min, evictable_min, nodes, …): what must be there; else it is skipped",
    )
    config.addinivalue_line("markers", "quick: a ready-made scenario that takes little time")
    if given(config):
        options_of(config)


def is_scenario(item: pytest.Item) -> bool:
    """Whether a test uses a fixture of a trial."""
    return "_stage" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a session whose scenarios cannot run; when a saved run is judged again, keep only its own scenario."""
    if any(map(is_scenario, items)):
        if place := clash():
            raise pytest.UsageError(clash_words(place))
        options_of(config)
    if not given(config) or (run := options_of(config).rejudge) is None:
        return
    _require_files(run)
    wanted = _saved_nodeid(run)
    kept = [item for item in items if scenario_id(item) == wanted]
    if not kept:
        raise pytest.UsageError(
            f"--gameday-rejudge {run}: it is a trial of {wanted}, which is not among the tests collected"
        )
    config.hook.pytest_deselected(items=[item for item in items if scenario_id(item) != wanted])
    items[:] = kept


def _require_files(run: Path) -> None:
    from reports.build.session import require_files

    try:
        require_files(run)
    except GamedayError as error:
        raise pytest.UsageError(f"--gameday-rejudge {run}: {error}") from None


def _saved_nodeid(run: Path) -> str:
    try:
        return str(json.loads((run / "trial.json").read_text())["nodeid"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise pytest.UsageError(f"--gameday-rejudge {run}: not a run folder ({error})") from None


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> str | list[str]:
    """Say where scenarios run and with which seed, if there are any."""
    if not any(map(is_scenario, items)):
        return []
    options = options_of(config)
    return f"gameday: scenarios {options.where}, seed {options.seed}"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A scenario that returns without a verdict has proved nothing."""
    ready = pyfuncitem.stash.get(STAGED, None)
    try:
        result = yield
    except BaseException as error:
        # pytest does not throw it into the fixture, which has to say why the trial ended early.
        if ready is not None:
            ready.trial.stop(_in_words(error))
        if isinstance(error, NotAllowed) and not options_of(pyfuncitem.config).require_consent:
            pytest.skip(_without_secrets(error))
        raise
    if ready is not None and ready.trial.judgement is None:
        raise NotProven("the scenario returned without trial.judge(…): nothing was claimed, so nothing is proved")
    return result


def _in_words(error: BaseException) -> str:
    from chaos.trial.run import in_words

    return in_words(error)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show our own errors as the sentences that they are, without a traceback, nor a secret in the cluster's words."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NotProven | GamedayError):
        report.longrepr = f"{type(call.excinfo.value).__name__}:\n{_without_secrets(call.excinfo.value)}"
    return report


def _without_secrets(error: BaseException) -> str:
    """An error in words, of which those of the cluster may quote a command; what is not proved quotes the record."""
    from chaos.history.writing.redaction import redacted_message, without_secrets

    text = str(error)
    return redacted_message(text) if isinstance(error, GamedayError) else str(without_secrets(text))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session whose scenarios were all skipped proves nothing, so it is none that went well."""
    if session.exitstatus == pytest.ExitCode.OK and (words := _untried(session)):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        session.config.stash[UNTRIED] = words


def _untried(session: pytest.Session) -> str:
    """Say that all scenarios were skipped, and that no other test ran; empty if something was tried."""
    terminal: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not any(map(is_scenario, session.items)):
        return ""
    if any(terminal.stats.get(kind) for kind in TRIED):
        return ""
    skipped = len(terminal.stats.get("skipped") or ())
    return f"nothing was tried: {skipped} skipped, which proves nothing (pytest -rs says why)" if skipped else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show one row a trial, and write the page of the session."""
    if words := config.stash.get(UNTRIED, ""):
        terminalreporter.write_line(words)
    if (report := config.stash.get(SESSION_REPORT, None)) is not None:
        report.finish(terminalreporter)
