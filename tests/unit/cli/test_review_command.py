"""The command `gameday review`: its formats, and which exit code it has when."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hostile_words import HOSTILE, steers
from review_findings import finding
from typer.testing import CliRunner, Result

from chaos.cli.app import app
from chaos.cli.review import command
from chaos.errors import UsageError
from chaos.review import Review, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

FORMATS = ("text", "json", "sarif", "github", "markdown")

Answer = Callable[[Review], None]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Decide what the rules find."""

    def decide(found: Review) -> None:
        monkeypatch.setattr(command, "review", lambda *_: found)

    return decide


def invoke(*argv: str, given: str | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["review", *argv], input=given)


@pytest.mark.parametrize("fail_on", [*SEVERITIES, "never"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_it_fails_only_for_the_given_severity_and_worse(answer: Answer, severity: Severity, fail_on: str) -> None:
    """In every format alike."""
    answer(Review((finding(severity=severity),)))
    worse = {"error": 1, "warning": 2, "note": 3, "never": 0}[fail_on]
    expected = int(severity in SEVERITIES[:worse])
    assert {invoke("a", "--fail-on", fail_on, "--format", one).exit_code for one in FORMATS} == {expected}


def test_without_an_option_it_fails_for_an_error_alone(answer: Answer) -> None:
    """A warning is shown, and lets a pull request pass; what was silenced fails nothing."""
    answer(Review((finding(severity="warning"), finding(severity="note")), (), ((finding(), "a batch job"),)))
    assert invoke("a").exit_code == 0
    answer(Review((finding(severity="warning"), finding())))
    assert invoke("a").exit_code == 1


def test_nothing_found_is_no_failure(answer: Answer) -> None:
    """Not even where a note would be."""
    answer(Review(()))
    assert {invoke("a", "--fail-on", "note", "--format", one).exit_code for one in FORMATS} == {0}


def test_each_format_is_what_its_name_says(answer: Answer) -> None:
    """On standard output, and nothing else beside."""
    answer(Review((finding(),)))
    said = {one: invoke("a", "--format", one).stdout for one in FORMATS}
    assert said["text"] == invoke("a").stdout
    assert said["text"].startswith("---\n# error: startup-probe-missing, deploy/chat.yaml:12\n")
    assert json.loads(said["json"])["findings"][0]["rule"] == "startup-probe-missing"
    assert json.loads(said["sarif"])["runs"][0]["results"][0]["ruleId"] == "startup-probe-missing"
    assert said["github"].startswith("::error file=deploy/chat.yaml,line=12,title=startup-probe-missing::")
    assert said["markdown"].startswith("### gameday review: 1 error, 0 warnings, 0 notes\n")


@pytest.mark.parametrize(
    "argv", [(), ("a", "--format", "xml"), ("a", "--fail-on", "nothing"), ("a", "--frmat", "json")]
)
def test_a_mistake_in_the_command_line_is_exit_2(answer: Answer, argv: tuple[str, ...]) -> None:
    """And says nothing on standard output, where a program would read it."""
    answer(Review((finding(),)))
    done = invoke(*argv)
    assert (done.exit_code, done.stdout) == (2, "")


def test_a_path_that_is_not_there_is_a_mistake_too(tmp_path: Path) -> None:
    """Exit 2, with the path in its words: a review of nothing would seem to have found nothing."""
    done = invoke(str(tmp_path / "nowhere"))
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    assert "nowhere" in done.exception.what


def deployment(image: str) -> str:
    """One that has no release: both bounds are 0."""
    labels = {"app": "chat"}
    container = {"name": "server", "image": image, "ports": [{"containerPort": 8000}]}
    spec = {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    return yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"}, "spec": spec})


def test_files_folders_and_standard_input_are_reviewed_alike(tmp_path: Path) -> None:
    """With several paths at once, and `-` for what helm or kustomize made."""
    text = deployment("registry.example/chat:1")
    (tmp_path / "chat.yaml").write_text(text)
    (tmp_path / "empty").mkdir()
    wanted = ("rollout-impossible", "error", "Deployment chat")
    for argv, given in (
        ((str(tmp_path),), None),
        ((str(tmp_path / "chat.yaml"),), None),
        ((str(tmp_path / "chat.yaml"), str(tmp_path / "empty")), None),
        (("-",), text),
    ):
        done = invoke(*argv, "--format", "json", given=given)
        assert done.exit_code == 1, done.output
        found = [(one["rule"], one["severity"], one["object"]) for one in json.loads(done.stdout)["findings"]]
        assert wanted in found


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_manifests_of_a_stranger_steer_nothing(form: str, text: str, tmp_path: Path) -> None:
    """Whatever they hold; in GitHub's own format no line is a command but those of the findings."""
    (tmp_path / "chat.yaml").write_text(deployment(text))
    said = invoke(str(tmp_path), "--format", form).stdout
    lines = steers(said.replace("\u200b", ""))
    ours = ("::error file=", "::warning file=", "::notice file=")
    assert [line for line in lines if form != "github" or not line.startswith(ours) or not line.isprintable()] == []
    assert "rollout-impossible" in said
