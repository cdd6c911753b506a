"""The shell scripts that look for a process by its name and send it signals, run by this host's own shell."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cluster import Ran
from chaos.faults.containers import FIRST, LOOK, NAME_MAX, NOBODY, REFUSED, SIGNAL, Place, why_not_sent
from chaos.objects.base import Ref
from chaos.wait import until

PLACE = Place(Ref("Pod", "ns", "model-a", "uid-a"), "model", "containerd://a", 0)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process with a name that nobody else has, as long as the kernel keeps."""
    name = f"gd-{secrets.token_hex(6)}"
    assert len(name) == NAME_MAX
    program = shutil.copy(shutil.which("sleep") or "sleep", tmp_path / name)
    process = subprocess.Popen([program, "60"])
    try:
        # Between fork and exec it has our own name.
        until(lambda: _named(process, name), deadline_s=5, awaited="the sleeper")
        yield name, process
    finally:
        process.kill()
        process.wait()


def _named(process: subprocess.Popen[bytes], name: str) -> bool:
    return Path(f"/proc/{process.pid}/comm").read_text().strip() == name


def ran(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What became of a script."""
    return subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False, timeout=30)


def said(script: str, *words: str) -> str:
    """What a script printed."""
    done = ran(script, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_is_found_stopped_and_let_go(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Its id and its state are seen; STOP makes that T, CONT makes it another again."""
    name, process = sleeper
    assert said(SIGNAL, name, "STOP") == f"{process.pid}\n"
    until(lambda: said(LOOK, name) == f"{process.pid} T\n", deadline_s=5, awaited="the state T")
    said(SIGNAL, name, "CONT")
    until(lambda: said(LOOK, name) == f"{process.pid} S\n", deadline_s=5, awaited="the state S")


def test_a_killed_process_is_a_zombie_or_gone(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Until its parent has taken note of the end, the state is Z."""
    name, process = sleeper
    said(SIGNAL, name, "KILL")
    until(lambda: said(LOOK, name) == f"{process.pid} Z\n", deadline_s=5, awaited="the state Z")
    process.wait()
    assert said(LOOK, name) == ""


def test_only_the_whole_name_counts(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """A part of a name is another name, and a name that nobody has is told by its own exit code."""
    name, process = sleeper
    assert said(LOOK, name[:-1]) == ""
    assert ran(SIGNAL, name[:-1], "KILL").returncode == NOBODY
    assert process.poll() is None


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (Ran("fail", NOBODY), "no process called engine in container model"),
        (Ran("fail", FIRST), "process 1 of container model"),
        (Ran("fail", REFUSED, stderr="sh: kill: Operation not permitted"), "was not permitted: sh: kill: Operation"),
        (Ran("fail", reason='exec: "sh": executable file not found in $PATH'), "has no shell"),
        (Ran("fail", reason="403 pods is forbidden"), "403 pods is forbidden"),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(ran: Ran, words: str) -> None:
    """Each reason names the process or the container, and what is the matter."""
    assert words in why_not_sent(ran, PLACE, "engine", "STOP")
