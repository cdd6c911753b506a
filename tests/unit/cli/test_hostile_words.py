"""What the commands print of words that strangers wrote: it steers neither a terminal nor a CI system."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from capacity_stories import SLO, Search
from hostile_words import HOSTILE, compared, steers
from rich.console import Console
from typer.testing import CliRunner

from chaos.checks.judge import Judgement
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.cli import scenarios, undo
from chaos.cli.app import app
from chaos.cli.capacity.output import Screen, show
from chaos.errors import NotAllowed
from chaos.faults.undo.find import Left
from chaos.faults.undo.restore import Undone
from chaos.objects.base import Ref
from chaos.plugin import markers
from chaos.review import review
from chaos.safety import UndoEntry
from chaos.trial.capacity.search import Measurement

every_word = pytest.mark.parametrize("text", HOSTILE)


def entry_of(text: str) -> UndoEntry:
    """An undo entry that has it wherever one may be written."""
    return UndoEntry("uncordon", Ref("Node", text, text, "u-1"), text, {"own_end_s": text}, fault=text)


def strangers_wrote(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a cluster: an undo journal, and a lease."""
    spec = {"holderIdentity": text, "renewTime": text}
    cluster = SimpleNamespace(get=lambda *_: {"metadata": {}, "spec": spec})
    reached = SimpleNamespace(cluster=nullcontext(cluster), namespace=None, infrastructure=None, adoption=None)
    journal = Ref("ConfigMap", text, text, "u-2")
    dead, alive = Left(journal, text, text, "", (entry_of(text),), (text,)), Left(journal, text, text, text, ())
    monkeypatch.setattr(undo, "_reached", lambda *_: reached)
    monkeypatch.setattr(undo, "find_left", lambda *_, **__: (dead, alive))
    done = [Undone(entry_of(text), text, "left", text)]
    monkeypatch.setattr(undo, "undo_all", lambda *_, **__: done)
    monkeypatch.setattr(undo, "unrecorded_executor", lambda _: None)


@every_word
@pytest.mark.parametrize(("command", "words"), [("undo", "left alone: "), ("status", " holds the lease, renewed ")])
def test_what_is_left_in_a_cluster_is_told_as_text(
    text: str, command: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs, their owners, faults, objects, reasons and the holder of the lease are whatever somebody wrote there."""
    strangers_wrote(text, monkeypatch)
    said = CliRunner().invoke(app, [command]).output
    assert words in said
    assert steers(said) == []


@every_word
def test_a_comparison_is_told_as_text(text: str) -> None:
    """A run folder may be another's."""
    said = compared(text, 400)
    assert "before" in said
    assert steers(said) == []


@every_word
def test_a_measurement_is_told_as_text(text: str, tmp_path: Path) -> None:
    """What a step is unknown for, and a finding's reason, may quote the service; so may what is said meanwhile."""
    history = Search(100).begun().step(10).history()
    asked = Measurement(
        slo=SLO, replicas=(3,), from_rps=5, to_rps=50, resolution=1.25, repeats=2, step_s=15, time_s=300, need_rps=None
    )
    finding = Finding(text, Answer.UNKNOWN, text, text, text, reason=text, settle=text)
    out = io.StringIO()
    console = Console(file=out, width=400)
    show(Judgement(tmp_path, history, Verdict.of([finding])), asked, console)
    screen = Screen(console)
    screen.say(text)
    screen.show(replace(rate_steps(history, SLO)[0], answer=Answer.UNKNOWN, reason=text))
    assert "10/s" in out.getvalue()
    assert steers(out.getvalue()) == []


@contextmanager
def _nowhere(*_: object) -> Iterator[None]:
    """No cluster."""
    yield None


@every_word
def test_a_scenario_is_told_as_text(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim and its needs are those of whoever wrote the file."""
    item = SimpleNamespace(
        nodeid=f"{text}.py::{text}",
        function=SimpleNamespace(__doc__=text),
        iter_markers=lambda name=None: (
            iter([SimpleNamespace(name="needs", args=(text,), kwargs={text: text})]) if name == "needs" else iter(())
        ),
    )
    monkeypatch.setattr(scenarios, "_collected", lambda _: [item])
    monkeypatch.setattr(scenarios, "_reached", _nowhere)
    monkeypatch.setattr(scenarios, "found_here", lambda *_: None)
    monkeypatch.setattr(scenarios, "scenario_activities", lambda *_: ())
    monkeypatch.setattr(scenarios, "deployed_fields", lambda _: {})
    said = CliRunner().invoke(app, ["scenarios", "--from", str(tmp_path)]).output
    assert "    needs: " in said
    assert steers(said) == []


@every_word
def test_a_scenario_that_is_skipped_is_told_as_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the owners object to, and what a cluster lacks, is in their words."""
    with pytest.raises(pytest.skip.Exception) as skipped:
        markers.skip_refused([text], require_consent=False)
    with pytest.raises(NotAllowed) as refused:
        markers.skip_refused([text], require_consent=True)
    monkeypatch.setattr(markers, "lacks_to_deploy", lambda *_, **__: [text])
    nothing: Any = SimpleNamespace(node=None)
    with pytest.raises(pytest.skip.Exception) as unmet:
        markers.refuse_unmet(nothing, nothing, nothing, ours=True)
    assert [steers(str(told.value)) for told in (skipped, refused, unmet)] == [[], [], []]


LABELS = {"app": "chat"}
PLAIN = "curl -f localhost/ready"


def write_manifests(folder: Path, text: str) -> None:
    """A service whose readiness probe runs a command with that text, and which has no liveness probe."""
    server = {
        "name": "server",
        "image": "registry.example/chat:1",
        "ports": [{"containerPort": 8000}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"exec": {"command": ["sh", "-c", text]}},
    }
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [server]}}
    spec = {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": template}
    ports = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8000}]}
    bound = {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}
    metadata = {"name": "chat"}
    made = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": bound},
    ]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(made))


def probed(patch: dict[str, Any]) -> list[str]:
    """The command of the liveness probe that a patch adds."""
    command: list[str] = patch["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["exec"]["command"]
    return command


@pytest.mark.parametrize("text", [*HOSTILE, PLAIN, "a\n##[b]\n::c \U0001f600\U000e0001\x7f"])
def test_a_patch_steers_nothing_and_is_the_same_patch(text: str, tmp_path: Path) -> None:
    """What `gameday init` prints of a probe goes into a job's log as it is, and into a shell."""
    write_manifests(tmp_path, text)
    (lack,) = [one for one in review([str(tmp_path)]).findings if one.rule == "liveness-probe-missing"]
    assert steers(lack.patch) == []
    assert "EOF" not in lack.patch.splitlines()
    assert probed(yaml.safe_load(lack.patch)) == ["sh", "-c", text]
    if text == PLAIN:
        assert lack.patch.count("\n") > 5


@every_word
def test_a_review_steers_nothing(text: str, tmp_path: Path) -> None:
    """The manifests under review may be those of a pull request."""
    write_manifests(tmp_path, text)
    said = CliRunner().invoke(app, ["review", str(tmp_path)]).output
    assert "livenessProbe" in said
    assert steers(said) == []
    assert any(repr(["sh", "-c", text]) in repr(one) for one in yaml.safe_load_all(said))
