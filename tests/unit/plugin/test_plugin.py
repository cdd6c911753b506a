"""What pytest shows and refuses: options, scenarios without a verdict, and our own errors."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import saved_histories
from probe_stories import endpoints
from report_pages import parse
from rollout_stories import Rolling
from saved_trials import TRIAL

pytest_plugins = ["pytester"]

SCENARIO = """
from chaos.checks import Recovered

def test_claim(trial, system, traffic):
    '''A claim.'''
    with traffic.steady(rate_rps=5):
        trial.baseline(duration_s=1000)
        trial.recovery()
    {end}
"""


@pytest.fixture
def saved(pytester: pytest.Pytester) -> Path:
    """A run folder of a trial that recorded nothing but its facts."""
    run = pytester.path / "saved"
    run.mkdir()
    (run / "trial.json").write_text(json.dumps(TRIAL))
    return run


def test_a_scenario_that_never_judges_fails(pytester: pytest.Pytester, saved: Path) -> None:
    """A scenario that returns without a verdict is failed, in words and without a traceback."""
    pytester.makepyfile(test_scenario=SCENARIO.format(end=""))
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["NotProven:", "*returned without trial.judge*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_saved_run_of_links_is_not_read(pytester: pytest.Pytester, saved: Path) -> None:
    """What others hand over may lead to what has no end."""
    (saved / "requests.jsonl").symlink_to("/dev/zero")
    pytester.makepyfile(test_scenario=SCENARIO.format(end="trial.judge(Recovered())"))
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*requests.jsonl is no file, as no trial writes it*"])


@pytest.mark.parametrize(
    "facts",
    [
        "[]",
        "7",
        "[" * 100_000,
        json.dumps({**TRIAL, "system": 5}),
        json.dumps({**TRIAL, "system": {"workload": 5}}),
        json.dumps({**TRIAL, "capacity": [1]}),
    ],
    ids=["a list", "a number", "deep", "a number for a system", "a number for a workload", "a list for a capacity"],
)
def test_a_saved_run_of_another_shape_is_told_in_words(pytester: pytest.Pytester, saved: Path, facts: str) -> None:
    """Without a traceback, whoever wrote it."""
    (saved / "trial.json").write_text(facts)
    pytester.makepyfile(test_scenario=SCENARIO.format(end="trial.judge(Recovered())"))
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.TESTS_FAILED)
    for out in (result.stdout, result.stderr):
        out.no_fnmatch_line("*Traceback*")
        out.no_fnmatch_line("*Error: '*")
        out.no_fnmatch_line("*/chaos/*.py:*")


def test_a_saved_run_without_evidence_is_unknown(pytester: pytest.Pytester, saved: Path) -> None:
    """Judging an empty record again ends in UNKNOWN, writes the verdict and the report, and names the replay."""
    pytester.makepyfile(test_scenario=SCENARIO.format(end="trial.judge(Recovered())"))
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["UNKNOWN recovered*", "*replay: pytest 'test_scenario.py::test_claim' --gameday-seed 7"]
    )
    assert json.loads((saved / "verdict.json").read_text())["answer"] == "UNKNOWN"
    assert (saved / "report.html").stat().st_size > 0


def test_junit_has_a_property_for_each_finding(pytester: pytest.Pytester, saved: Path) -> None:
    """One testcase a scenario, with the verdict, the run, the seed and each finding in one line."""
    pytester.makepyfile(test_scenario=SCENARIO.format(end="trial.judge(Recovered())"))
    pytester.runpytest("--gameday-rejudge", str(saved), "--junitxml", "junit.xml")
    cases = ET.parse(pytester.path / "junit.xml").getroot().findall(".//testcase")  # noqa: S314  # we wrote it
    (told,) = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    assert (told["verdict"], told["seed"], told["cluster"]) == ("UNKNOWN", "7", "lab")
    assert {"finding recovered", "finding completed", "finding steady-state", "finding fault-landed"} <= set(told)
    assert str(told["finding recovered"]).startswith("UNKNOWN recovered")


REFUSED = """
from chaos.errors import NotProven, {error}
from chaos.plugin import markers

CANARY = "sk-canary-" + "1234567890abcdef"
TOLD = f"403 denied: https://u:{{CANARY}}@hub/v2?sig={{CANARY}} with Bearer {{CANARY}}"
COMMAND = "exec failed: serve --api-key hunter" + "2x"

def test_claim():
    raise {error}(TOLD)

def test_lacks():
    markers._skip([TOLD])

def test_command():
    if {error} is not NotProven:  # its words are those of the record
        raise {error}(COMMAND)

def test_lacks_a_command():
    markers._skip([COMMAND])
"""


@pytest.mark.parametrize("error", ["ClusterRefused", "TimedOut", "NotAllowed", "HarnessBroken", "NotProven"])
def test_our_errors_quote_no_secret_of_the_cluster(pytester: pytest.Pytester, error: str) -> None:
    """What a server or a webhook says is shown on the terminal and in JUnit's file, without what lets in."""
    pytester.makepyfile(test_scenario=REFUSED.format(error=error))
    result = pytester.runpytest("--junitxml", "junit.xml", "-rA")
    told = result.stdout.str() + result.stderr.str() + (pytester.path / "junit.xml").read_text()
    assert told.count("redacted@hub") >= 4
    assert "sk-canary-1234567890abcdef" not in told
    assert "hunter2x" not in told


MEASURES = """
class Raises:
    name = "own-check"

    def __call__(self, history):
        raise KeyError("boom")

def test_claim(trial, system, traffic):
    '''A claim.'''
    trial.judge({checks}needs_fault=False)
"""


@pytest.mark.parametrize(("checks", "answer"), [("", "PASS"), ("Raises(), ", "UNKNOWN")], ids=["none", "one raises"])
def test_a_check_that_raises_is_a_pass_nowhere(pytester: pytest.Pytester, checks: str, answer: str) -> None:
    """JUnit, the page and verdict.json say the same of a measurement, and show what raised, where in the source."""
    story = Rolling().stands("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    run = saved_histories.saved(story.history(), pytester.path / "measured")
    facts = json.loads((run / "trial.json").read_text()) | {"nodeid": TRIAL["nodeid"]}
    (run / "trial.json").write_text(json.dumps(facts))
    pytester.makepyfile(test_scenario=MEASURES.format(checks=checks))
    pytester.runpytest("--gameday-rejudge", str(run), "--junitxml", "junit.xml")
    (case,) = ET.parse(pytester.path / "junit.xml").getroot().findall(".//testcase")  # noqa: S314  # we wrote it
    told = {one.get("name"): one.get("value") for one in case.iter("property")}
    (page,) = [one for one in parse((run / "report.html").read_text()) if one.attributes.get("id") == "report"]
    verdict = json.loads((run / "verdict.json").read_text())
    assert told["verdict"] == json.loads(page.text)["headline"]["answer"] == verdict["answer"] == answer
    assert ("finding own-check" in told) is (case.find("failure") is not None) is bool(checks)
    raised = [one["values"]["traceback"] for one in verdict["findings"] if one["check"] == "own-check"]
    assert ['raise KeyError("boom")' in text for text in raised] == [True] * bool(checks)


def test_a_saved_run_knows_its_system_and_what_a_replica_carried(pytester: pytest.Pytester, saved: Path) -> None:
    """Counts and rates that checks are given are those of the record; an older run has none, and says so."""
    facts = json.loads((saved / "trial.json").read_text())
    told = {"replica_rps": 2.5, "source": "learned", "learned_ns": 1, "replicas": 1, "images": [], "run": "r"}
    spec = {"name": "m", "image": "i", "replicas": 6, "disruption_budget": {"max_unavailable": 2}}
    (saved / "trial.json").write_text(json.dumps(facts | {"capacity": told, "at_once": 3, "spec": spec}))
    pytester.makepyfile(
        test_scenario="""
        def test_claim(trial, system, traffic):
            print(system.replicas, system.at_once, system.evictable, system.share(0.5), traffic.rps(2.0))
            trial.judge()
        """
    )
    result = pytester.runpytest("--gameday-rejudge", str(saved), "-rA")
    result.stdout.fnmatch_lines(["*6 3 2 3 5.0*"])
    (saved / "trial.json").write_text(json.dumps(facts))
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    result.stdout.fnmatch_lines(["*a load of 2: what one replica carries within the SLO is not known*"])


def test_only_the_saved_scenario_is_judged_again(pytester: pytest.Pytester, saved: Path) -> None:
    """Other scenarios are deselected; if the saved one is not there, pytest refuses with its name."""
    pytester.makepyfile(test_other="def test_claim(trial): pass")
    result = pytester.runpytest("--gameday-rejudge", str(saved))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*it is a trial of test_scenario.py::test_claim, which is not among*"])


def test_our_errors_have_no_traceback(pytester: pytest.Pytester) -> None:
    """A mistake of the user's is shown as its one or two lines."""
    pytester.makepyfile(
        """
        from chaos.errors import UsageError
        def test_mistake():
            raise UsageError("replicas: 0 is too few", "give at least 1")
        """
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["UsageError:", "replicas: 0 is too few", "  to mend it: give at least 1"])
    result.stdout.no_fnmatch_line("*def test_mistake*")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--gameday-lab-nodes", "0"], "*--gameday-lab-nodes 0: give at least 1*"),
        (["--gameday-pods-max", "0"], "*--gameday-pods-max 0: give at least 1*"),
        (["--gameday-replica-rps", "0"], "*--gameday-replica-rps 0: is no rate above 0*"),
        (["--gameday-kubeconfig", "there"], "*--gameday-kubeconfig goes with --gameday-kube-context NAME*"),
        (
            ["--gameday-cluster-uid", "u-1"],
            "*--gameday-cluster-uid goes with --gameday-kube-context or --gameday-config*",
        ),
        (["--gameday-system-field", "replicas"], "*--gameday-system-field replicas: give NAME=VALUE*"),
        (["--gameday-rejudge", "nowhere"], "*--gameday-rejudge nowhere: not a run folder*"),
        (["--no-such-option"], "*unrecognized arguments: --no-such-option*"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(pytester: pytest.Pytester, options: list[str], words: str) -> None:
    """A wrong option ends the session with pytest's usage error and one line that names it."""
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])


def test_a_repository_without_a_system_is_told_what_to_define(pytester: pytest.Pytester) -> None:
    """Without a fixture system_spec the error names the fixture and the type that it returns."""
    pytester.makepyfile("def test_claim(trial): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no system to test", "*define a fixture system_spec in conftest.py*"])


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("system(replica=4)", "*SystemSpec: there is no field replica*"),
        ("system(replicas=0)", "*SystemSpec.replicas: must be*"),
        ("system(4)", "*@pytest.mark.system: 4 has no name*"),
    ],
)
def test_a_wrong_marker_argument_is_named(pytester: pytest.Pytester, marker: str, words: str) -> None:
    """A field that does not exist, or a value that may not be, is told before anything is deployed."""
    pytester.makeconftest(
        """
        import pytest
        from chaos.system import SystemSpec

        @pytest.fixture(scope="session")
        def system_spec():
            return SystemSpec(name="model", image="registry.example/model:1")
        """
    )
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_claim(trial): pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--gameday-kube-context", "x", "--gameday-node-off", "a {node}"),
            "--gameday-node-off and --gameday-node-on go together",
        ),
        (("--gameday-node-off", "a {node}", "--gameday-node-on", "b {node}"), "the lab has its own means"),
    ],
)
def test_node_infrastructure_options_that_do_not_go_together_are_refused(
    pytester: pytest.Pytester, options: tuple[str, ...], words: str
) -> None:
    """Half a means would leave a node switched off; the lab's nodes are nobody else's to stop."""
    result = pytester.runpytest(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--gameday-load-workers", "0"], "--gameday-load-workers 0: is not in 1..64"),
        (["--gameday-load-image", "x"], "the lab makes its own"),
        (["--gameday-load-in-cluster", "--gameday-dry-run", "--gameday-config", "x.toml"], "load pods are a change"),
    ],
)
def test_options_about_load_that_cannot_be_are_refused(pytester: pytest.Pytester, words: list[str], told: str) -> None:
    """Before anything is started, with the option named."""
    result = pytester.runpytest(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in result.stderr.str()


SKIPPED = """
import pytest

def test_claim(trial):
    '''A claim.'''

@pytest.fixture
def _stage():
    pytest.skip("not allowed")
"""


def test_a_session_that_tried_nothing_is_none_that_went_well(pytester: pytest.Pytester) -> None:
    """With every scenario skipped pytest's exit code is that of a session without tests, and a line says so."""
    pytester.makepyfile(test_scenario=SKIPPED)
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["nothing was tried: 1 skipped, which proves nothing*"])


def test_other_tests_keep_their_exit_code(pytester: pytest.Pytester) -> None:
    """One test that passed is something; and tests that are no scenarios may all be skipped."""
    pytester.makepyfile(test_scenario=SKIPPED, test_other="def test_other(): pass")
    assert pytester.runpytest().ret == pytest.ExitCode.OK
    pytester.makepyfile(test_scenario="import pytest\n\n@pytest.mark.skip\ndef test_plain(): pass", test_other="")
    assert pytester.runpytest().ret == pytest.ExitCode.OK
