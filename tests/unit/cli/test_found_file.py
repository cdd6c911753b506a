"""A gameday.toml that was only found, as in a stranger's checkout, has nothing run on this host."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from chaos.cli import cluster as reaching
from chaos.cli import scenarios, undo
from chaos.cli.app import app
from chaos.cli.capacity.environment import Where
from chaos.cli.cluster import found_here, reach
from chaos.errors import GamedayError, UsageError
from loadgen.driver import channel
from loadgen.driver.reachability import await_reachable

PLAIN = '[cluster]\ncontext = "staging"\nuid = "1"\n[system]\nnamespace = "llm"\ndeployment = "chat"\n'
EXEC = """\
apiVersion: v1
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never,
  command: touch, args: [RAN]}}}]
contexts: [{name: staging, context: {cluster: c, user: u}}]
"""
KUBECONFIG = PLAIN.replace("[cluster]\n", '[cluster]\nkubeconfig = "ci/kubeconfig"\n')
NODES = PLAIN + '[node_infrastructure]\noff = "off {node}"\non = "on {node}"\n'
READY = PLAIN + 'not_ready = ["x"]\nready = ["touch", "/x"]\n'
ABORT = PLAIN + '[safety]\nabort = ["./is-it-well.sh"]\n'
REQUEST = PLAIN + '[traffic]\nprofile = "http"\nrequest = { path = "/", headers = { x-team = "HEADER" } }\n'
SENT = REQUEST.replace("HEADER", "${AWS_SECRET_ACCESS_KEY}")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's folder, in which we are; its kubeconfig has a credential plugin."""
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/kubeconfig").write_text(EXEC.replace("RAN", str(tmp_path / "ran")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The files with which a cluster was reached."""
    seen: list[Path | None] = []

    def reach(system: Path | None, *_: object) -> Any:
        seen.append(system)
        raise UsageError("reached")

    for module in (undo, scenarios):
        monkeypatch.setattr(module, "reach", reach)
    return seen


def where(kubeconfig: Path | None = None, system: Path | None = None) -> Where:
    """What `gameday capacity` was given."""
    return Where(system, "", "", kubeconfig, "", "", 3, keep_lab=False, command="")


def refused(*arguments: str) -> str:
    """What a command is refused with."""
    with pytest.raises(GamedayError) as wrong:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    return str(wrong.value)


@pytest.mark.parametrize("command", ["status", "undo", "scenarios"])
@pytest.mark.parametrize("name", ["gameday.toml", "pyproject.toml"])
def test_a_found_kubeconfig_is_not_used(command: str, name: str, checkout: Path) -> None:
    """Its plugin would be run before anything is said; the error names the key and how to consent."""
    text = KUBECONFIG if name == "gameday.toml" else KUBECONFIG.replace("[", "[tool.gameday.").replace("[[", "[")
    (checkout / name).write_text(text)
    said = refused(command)
    assert "cluster.kubeconfig" in said
    assert f"--system {name}" in said
    assert not (checkout / "ran").exists()


def test_one_that_was_named_is_used(checkout: Path) -> None:
    """Naming the file is the consent; so is another kubeconfig on the command line."""
    (checkout / "gameday.toml").write_text(KUBECONFIG)
    assert "cluster.kubeconfig" not in refused("status", "--system", "gameday.toml")
    assert (checkout / "ran").exists()
    (checkout / "ran").unlink()
    (checkout / "own").write_text(EXEC.replace("RAN", str(checkout / "own-ran")))
    assert "cluster.kubeconfig" not in refused("status", "--kubeconfig", "own")
    assert (checkout / "own-ran").exists()
    assert not (checkout / "ran").exists()


@pytest.mark.parametrize(
    ("text", "command", "key"),
    [
        pytest.param(NODES, ("undo",), "node_infrastructure", id="a node is switched on"),
        pytest.param(
            NODES, ("undo", "--node-off", "a {node}", "--node-on", "b {node}"), "", id="by commands of one's own"
        ),
        pytest.param(READY, ("undo",), "system.ready", id="a command is run in a container"),
        pytest.param(READY, ("status",), "", id="none is run"),
        pytest.param(NODES, ("status",), "", id="nothing is switched"),
        pytest.param(ABORT, ("status",), "", id="nothing is tried"),
        pytest.param(ABORT, ("scenarios",), "", id="only listed"),
        pytest.param(SENT, ("undo",), "", id="nothing is sent"),
        pytest.param(PLAIN, ("undo",), "", id="a context alone"),
        pytest.param(PLAIN, ("scenarios",), "", id="a context alone, listed"),
    ],
)
def test_only_what_a_command_would_run_is_in_its_way(
    text: str, command: tuple[str, ...], key: str, checkout: Path, met: list[Path | None]
) -> None:
    """What a file names otherwise is no harm: the cluster is of the user's own kubeconfig."""
    (checkout / "gameday.toml").write_text(text)
    said = refused(*command)
    assert key in said if key else said == "reached"
    assert met == ([] if key else [checkout / "gameday.toml"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (KUBECONFIG, "cluster.kubeconfig"),
        (NODES, "node_infrastructure"),
        (ABORT, "safety.abort"),
        (SENT, "traffic.request.headers"),
        (REQUEST, ""),
        (PLAIN, ""),
    ],
)
def test_a_search_for_capacity_runs_and_sends_nothing_of_a_found_file(text: str, key: str, checkout: Path) -> None:
    """It would run the commands, and send variables of the environment to the address that the file names."""
    (checkout / "gameday.toml").write_text(text)
    assert where(system=checkout / "gameday.toml").file == checkout / "gameday.toml"
    if not key:
        assert where().file == checkout / "gameday.toml"
        return
    with pytest.raises(UsageError, match=key):
        _ = where().file
    if text == KUBECONFIG:
        assert where(kubeconfig=Path("own")).file == checkout / "gameday.toml"


def test_without_a_file_nothing_is_asked(checkout: Path) -> None:
    """The lab is meant."""
    assert found_here("cluster.kubeconfig") is None
    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert found_here("cluster.kubeconfig") is None


@contextmanager
def _nowhere(*_: object) -> Iterator[None]:
    """No cluster."""
    yield None


def test_listing_scenarios_runs_no_code_of_the_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its conftest.py, nor what its options name; whoever gives --from means that code."""
    (package := checkout / "site/gameday_scenarios").mkdir(parents=True)
    (package / "test_one.py").write_text('def test_one() -> None:\n    """A claim."""\n')
    (checkout / "conftest.py").write_text("open('ran', 'w')\n")
    (checkout / "evil.py").write_text("open('ran', 'w')\n")
    (checkout / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p evil\nrequired_plugins = none\n")
    spec = SimpleNamespace(submodule_search_locations=[str(package)])
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: spec if name == scenarios.PACKAGE else find_spec(name, *more)
    )
    monkeypatch.setattr(scenarios, "_reached", _nowhere)
    done = CliRunner().invoke(app, ["scenarios"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "test_one.py::test_one\n    A claim." in done.output
    assert not (checkout / "ran").exists()


def test_reaching_asks_nothing_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that has a context of its own reads no file of the folder."""
    monkeypatch.setattr(reaching, "find_config", lambda _: pytest.fail("looked for a file"))
    monkeypatch.setattr(undo, "reach", lambda *given: given)
    assert undo._reached(None, "mine", None) == (None, "mine", None)


def test_no_module_of_the_folder_is_imported(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of ours that are started there are made of installed modules alone, as the one that starts them is."""
    (checkout / "tenacity.py").write_text(f"open({str(checkout / 'ran')!r}, 'w')\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(channel.__file__).parents[2]))
    assert await_reachable("http://127.0.0.1:1", list, deadline_s=0.1)
    assert not (checkout / "ran").exists()

    def nothing(command: list[str]) -> list[str]:
        assert command[1:3] == ["-P", "-m"]
        return ["true"]

    with channel.start(checkout, nothing) as generator:
        assert generator.wait(30) == 0


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(12))
        + "contexts: [{name: *a11}]\n",
        f"contexts: {'[' * 5000}",
        "contexts: [{name: {a: b}}]\n",
    ],
    ids=["more than memory holds", "without an end", "no name"],
)
def test_an_odd_kubeconfig_is_refused_in_words(tmp_path: Path, text: str) -> None:
    """Also where its only context would be taken."""
    (path := tmp_path / "config").write_text(text)
    with pytest.raises(UsageError, match="config"):
        reach(None, "", path)
