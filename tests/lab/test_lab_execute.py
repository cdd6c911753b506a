"""Commands in real containers: what they print, how they end, and what stands in their way."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from exec_room import started

from chaos.clock import Clock
from chaos.cluster import Cluster, Command, DryRunExecutor, Journal, LiveExecutor, NullJournal, Ran, execute
from chaos.lab.images.recipes import PAUSE_IMAGE
from chaos.objects.base import Ref

pytestmark = pytest.mark.root

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def model(cluster: Cluster) -> Ref:
    """A running pod of the model's image, which has a shell."""
    return started(cluster, "exec-model")


@pytest.fixture
def run(cluster: Cluster, model: Ref) -> Run:
    """Run a command in the model's container."""

    def run_it(*argv: str, timeout_s: float = 10) -> Ran:
        executor = LiveExecutor(cluster, NullJournal())
        return execute(cluster, executor, NullJournal(), Command(model, "model", argv, timeout_s=timeout_s))

    return run_it


def test_a_command_that_ends_well_is_ok(run: Run) -> None:
    """Standard output and error come back apart, word by word as they were given, with exit code 0."""
    ran = run("sh", "-c", 'echo "$0"; echo trouble >&2', "two  words & more")
    assert ran == Ran("ok", 0, "two  words & more\n", "trouble\n")


def test_long_output_comes_whole(run: Run) -> None:
    """Output that fills many frames is not cut."""
    ran = run("sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done")
    assert len(ran.stdout) == 20000 * 11


def test_a_command_that_fails_tells_its_exit_code(run: Run) -> None:
    """An exit code other than 0 is `fail`, with the code."""
    ran = run("sh", "-c", "exit 7")
    assert (ran.outcome, ran.exit_code) == ("fail", 7)


def test_a_command_that_does_not_exist_is_a_refusal_in_words(run: Run) -> None:
    """A program that the image lacks could not be started, and the runtime says so."""
    ran = run("no-such-program")
    assert ran.outcome == "fail"
    assert "no-such-program" in ran.reason


def test_a_command_that_never_ends_is_left_in_time(run: Run) -> None:
    """After the time limit nobody can know what became of it."""
    before_s = time.monotonic()
    ran = run("sleep", "15", timeout_s=2)
    assert ran.outcome == "info"
    assert time.monotonic() - before_s < 10


def test_an_image_without_a_shell_says_so(cluster: Cluster) -> None:
    """In an image that holds one program only, a shell cannot be started."""
    pod = started(cluster, "exec-pause", PAUSE_IMAGE)
    ran = execute(
        cluster, LiveExecutor(cluster, NullJournal()), NullJournal(), Command(pod, "model", ("sh", "-c", "true"))
    )
    assert ran.outcome == "fail"
    assert "executable file not found" in ran.reason


def test_a_successor_of_the_same_name_is_not_touched(cluster: Cluster, model: Ref) -> None:
    """A pod with another UID is not the one that was meant."""
    other = Ref("Pod", model.namespace, model.name, "another-uid")
    ran = execute(cluster, LiveExecutor(cluster, NullJournal()), NullJournal(), Command(other, "model", ("true",)))
    assert ran.outcome == "fail"
    assert "is not there" in ran.reason


def test_a_container_that_does_not_exist_is_refused(cluster: Cluster, model: Ref) -> None:
    """The API server's refusal is an outcome, in its own words."""
    ran = execute(cluster, LiveExecutor(cluster, NullJournal()), NullJournal(), Command(model, "no-such", ("true",)))
    assert ran.outcome == "fail"
    assert "no-such" in ran.reason


@pytest.mark.parametrize("dry_run", [False, True])
def test_it_is_journalled_without_its_output(cluster: Cluster, model: Ref, tmp_path: Path, *, dry_run: bool) -> None:
    """The journal has the command before and the exit code after, never what was printed; dry_run, nothing runs."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        executor = DryRunExecutor(journal) if dry_run else LiveExecutor(cluster, journal)
        ran = execute(cluster, executor, journal, Command(model, "model", ("cat", "/proc/1/comm"), fault="f-1"))
    begin, end = map(json.loads, path.read_text().splitlines())
    assert (begin["action"], begin["fault"], begin["target"]["uid"]) == ("exec", "f-1", model.uid)
    assert begin["detail"] == {"container": "model", "command": ["cat", "/proc/1/comm"]}
    assert end["outcome"] == ("fail" if dry_run else "ok")
    assert ran.stdout == ("" if dry_run else "tini\n")
    assert "tini" not in path.read_text()
