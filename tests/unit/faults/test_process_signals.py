"""The shell scripts that look for a process by its name and send it signals, run by this host's own shells."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.cluster import Ran
from chaos.faults import containers
from chaos.faults.container_scripts import COMMAND, FIRST, LOOK, NOBODY, REFUSED, SIGNAL, SURVEY, UNGUARDED
from chaos.faults.containers import Place, look, why_not_sent
from chaos.objects.base import Ref
from chaos.objects.process import NAME_MAX
from chaos.safety.owner import started_tick
from chaos.wait import until

PLACE = Place(Ref("Pod", "ns", "model-a", "uid-a"), "model", "containerd://a", 0)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process with a name that nobody else has, as long as the kernel keeps."""
    name = f"gd-{secrets.token_hex(6)}"
    assert len(name) == NAME_MAX
    program = shutil.copy(shutil.which("sleep", path=os.defpath) or "sleep", tmp_path / name)
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


SHELLS = [shell.split() for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]

NO_WATCHDOG = ("", "", "0")


def ran(script: str, *words: str, shell: list[str] = SHELLS[0], path: str = "") -> subprocess.CompletedProcess[str]:
    """What became of a script, once nothing of it holds its streams."""
    argv = [shutil.which(shell[0]) or shell[0], *shell[1:], "-c", script, "sh", *words]
    given = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, env=given)


def said(script: str, *words: str, shell: list[str] = SHELLS[0]) -> str:
    """What a script printed."""
    done = ran(script, *words, shell=shell)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_is_found_stopped_and_let_go(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Its id and its state are seen; STOP makes that T, CONT makes it another again."""
    name, process = sleeper
    assert said(SIGNAL, name, "STOP", *NO_WATCHDOG) == f"{process.pid}\n"
    until(lambda: said(LOOK, name) == f"{process.pid} T\n", deadline_s=5, awaited="the state T")
    said(SIGNAL, name, "CONT", *NO_WATCHDOG)
    until(lambda: said(LOOK, name) == f"{process.pid} S\n", deadline_s=5, awaited="the state S")


def test_a_killed_process_is_a_zombie_or_gone(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Until its parent has taken note of the end, the state is Z."""
    name, process = sleeper
    said(SIGNAL, name, "KILL", *NO_WATCHDOG)
    until(lambda: said(LOOK, name) == f"{process.pid} Z\n", deadline_s=5, awaited="the state Z")
    process.wait()
    assert said(LOOK, name) == ""


def test_only_the_whole_name_counts(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """A part of a name is another name, and a name that nobody has is told by its own exit code."""
    name, process = sleeper
    assert said(LOOK, name[:-1]) == ""
    assert ran(SIGNAL, name[:-1], "KILL", *NO_WATCHDOG).returncode == NOBODY
    assert process.poll() is None


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (Ran("fail", NOBODY), "no process called engine in container model"),
        (Ran("fail", FIRST), "process 1 of container model"),
        (Ran("fail", REFUSED, stderr="sh: kill: Operation not permitted"), "was not permitted: sh: kill: Operation"),
        (
            Ran("fail", UNGUARDED),
            "nothing can be left in container model that takes it back",
        ),
        (Ran("fail", reason='exec: "sh": executable file not found in $PATH'), "has no shell"),
        (Ran("fail", reason="403 pods is forbidden"), "403 pods is forbidden"),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(ran: Ran, words: str) -> None:
    """Each reason names the process or the container, and what is the matter."""
    assert words in why_not_sent(ran, PLACE, "engine", "STOP")


@pytest.fixture
def watchdog() -> Iterator[str]:
    """The name of watchdogs that nobody else has; any that are left end."""
    name = f"gameday-{secrets.token_hex(4)}"[:NAME_MAX]
    yield name
    for pid in watching(name):
        os.kill(pid, signal.SIGTERM)


def watching(name: str) -> list[int]:
    """The processes of a name that have not ended, whether or not anybody has taken note of their end."""
    found = []
    for file in Path("/proc").glob("[0-9]*/comm"):
        try:
            if file.read_text().strip() == name and started_tick(int(file.parent.name)) is not None:
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def only(name: str) -> int:
    """The one process of a name, once what it sleeps in has a name of its own."""
    until(lambda: len(watching(name)) == 1, deadline_s=15, awaited=f"one {name}")
    return watching(name)[0]


def children(pid: int) -> list[int]:
    """The processes that one began."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def awaited_state(name: str, state: str) -> None:
    """Wait until the only process of a name has a state."""
    until(lambda: said(LOOK, name).endswith(f" {state}\n"), deadline_s=15, awaited=f"the state {state}")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_stopped_process_goes_on_by_itself(
    sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str, shell: list[str]
) -> None:
    """Nobody comes back, and the whole session is hung up on: the watchdog continues it, and is gone with that."""
    name, process = sleeper
    argv = [*shell, "-c", SIGNAL, "sh", name, "STOP", watchdog, "CONT", "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as sent:
        assert sent.communicate(timeout=30)[0] == f"{process.pid}\n".encode()
        os.killpg(sent.pid, signal.SIGHUP)
    awaited_state(name, "T")
    assert only(watchdog)
    awaited_state(name, "S")
    until(lambda: not watching(watchdog), deadline_s=15, awaited="the end of the watchdog")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_watchdog_ends_with_the_heal_and_takes_its_sleep_along(
    sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str, shell: list[str]
) -> None:
    """Nothing of ours is left in the container, and a fault of another watchdog keeps its own."""
    name, process = sleeper
    other = watchdog[:-1] + "x"
    said(SIGNAL, name, "0", other, "CONT", "60", shell=shell)
    said(SIGNAL, name, "STOP", watchdog, "CONT", "60", shell=shell)
    mine, its = only(watchdog), only(other)
    until(lambda: len(children(mine)) == 1, deadline_s=15, awaited="its sleep")
    (nap,) = children(mine)
    said(SIGNAL, name, "CONT", watchdog, "CONT", "0", shell=shell)
    until(lambda: not watching(watchdog), deadline_s=15, awaited="the end of the watchdog")
    assert started_tick(nap) is None
    assert watching(other) == [its]
    os.kill(its, signal.SIGTERM)
    assert process.poll() is None


def test_a_watchdog_that_is_put_off_is_another_one(sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str) -> None:
    """Signal 0 changes nothing but that the earlier one ends, and never before the later one is there."""
    name, _ = sleeper
    said(SIGNAL, name, "STOP", watchdog, "CONT", "60")
    first = only(watchdog)
    said(SIGNAL, name, "0", watchdog, "CONT", "2")
    until(lambda: first not in watching(watchdog), deadline_s=15, awaited="the end of the first")
    awaited_state(name, "T")
    awaited_state(name, "S")


def test_watchdogs_end_where_the_process_is_gone(sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str) -> None:
    """What has ended needs nothing any more, and that nobody of the name is there is still said."""
    name, process = sleeper
    said(SIGNAL, name, "STOP", watchdog, "CONT", "60")
    process.kill()
    process.wait()
    assert ran(SIGNAL, name, "CONT", watchdog, "CONT", "0").returncode == NOBODY
    until(lambda: not watching(watchdog), deadline_s=15, awaited="the end of the watchdog")


def test_nothing_is_sent_where_nothing_can_be_left(
    sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str, tmp_path: Path
) -> None:
    """An image without `sleep`, or with one that does not run, keeps its process going; a plain signal needs none."""
    name, process = sleeper
    assert ran(SIGNAL, name, "STOP", watchdog, "CONT", "60", path="/nowhere").returncode == UNGUARDED
    (tmp_path / "sleep").write_text("#!/nowhere/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    assert ran(SIGNAL, name, "STOP", watchdog, "CONT", "60", path=str(tmp_path)).returncode == UNGUARDED
    assert said(LOOK, name) == f"{process.pid} S\n"
    assert watching(watchdog) == []
    assert ran(SIGNAL, name, "0", *NO_WATCHDOG, path="/nowhere").returncode == 0


@pytest.mark.parametrize("name", ["plain", "a) S 1 (b", "new\nline) 7"])
def test_a_process_is_known_by_its_start_too(tmp_path: Path, name: str) -> None:
    """Numbers are given again. The start is read right whatever a process is called."""
    probe = SIGNAL.partition("called() {")[0] + 'begun "$1" && echo "$start"'
    program = shutil.copy(shutil.which("sleep", path=os.defpath) or "sleep", tmp_path / name)
    with subprocess.Popen([program, "60"]) as process:
        try:
            until(lambda: _named(process, name), deadline_s=5, awaited="the sleeper")
            assert said(probe, str(process.pid)) == f"{started_tick(process.pid)}\n"
        finally:
            process.kill()
    assert ran(probe, str(process.pid)).returncode != 0


def test_what_a_watchdog_sleeps_in_is_not_seen_as_a_process_of_that_name(
    sleeper: tuple[str, subprocess.Popen[bytes]], watchdog: str
) -> None:
    """Else a service whose own process is called `sleep` would never be seen stopped."""
    name, _ = sleeper
    said(SIGNAL, name, "0", watchdog, "CONT", "60")
    mine = only(watchdog)
    until(lambda: [_comm(one) for one in children(mine)] == ["sleep"], deadline_s=15, awaited="its sleep")
    assert f"{children(mine)[0]} " not in said(LOOK, "sleep")


def test_what_others_call_nearly_so_is_seen(tmp_path: Path) -> None:
    """The workers of a service whose own name begins like a watchdog's are processes like any other."""
    name = f"gd-{secrets.token_hex(6)}"
    program = shutil.copy(shutil.which("sleep", path=os.defpath) or "sleep", tmp_path / name)
    script = 'echo gameday-api > /proc/self/comm; "$1" 60 & wait'
    with subprocess.Popen([*SHELLS[0], "-c", script, "sh", program]) as parent:
        try:
            until(lambda: said(LOOK, name), deadline_s=15, awaited="the worker")
            (worker,) = children(parent.pid)
            assert said(LOOK, name).startswith(f"{worker} ")
        finally:
            os.kill(children(parent.pid)[0], signal.SIGKILL)
            parent.kill()


def _comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_only_processes_are_read_of_what_a_container_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shell may print anything, also what is secret: neither a proof nor a reason holds it."""
    context: Any = SimpleNamespace(fault="f-1", cluster=None, executor=None, journal=None)
    printed = "welcome\n17 T\nTOKEN sk-canary\n18 \x1b[31m\n19 SK\n20 S\n"
    monkeypatch.setattr(containers, "execute", lambda *_: Ran("ok", 0, printed))
    seen = look(context, PLACE, "engine") or ()
    assert [(one.pid, one.state) for one in seen] == [("17", "T"), ("20", "S")]
    said = why_not_sent(Ran("fail", REFUSED, stderr="no\nright " + "x" * 10_000), PLACE, "engine", "STOP")
    assert "was not permitted: no right xxx" in said
    assert len(said) < 300


def test_a_very_process_is_hit_by_its_number_and_start(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Not another of its name, nor another that has its number now."""
    _, process = sleeper
    start = started_tick(process.pid)
    assert ran(SIGNAL, f"{process.pid}:{int(start or 0) + 1}", "STOP", *NO_WATCHDOG).returncode == NOBODY
    assert said(SIGNAL, f"{process.pid}:{start}", "STOP", *NO_WATCHDOG) == f"{process.pid}\n"
    until(lambda: said(LOOK, f"{process.pid}:{start}") == f"{process.pid} T\n", deadline_s=5, awaited="the state T")
    said(SIGNAL, f"{process.pid}:{start}", "CONT", *NO_WATCHDOG)


def test_a_survey_tells_of_processes_as_the_kernel_does(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Number, start, parent, state, size and name; and that there is a `sleep`."""
    name, process = sleeper
    lines = said(SURVEY).splitlines()
    assert lines[0] == "sleep"
    (line,) = [one for one in lines if one.endswith(f" {name}")]
    pid, start, parent, state, size, _ = line.split()
    assert (int(pid), start, int(parent)) == (process.pid, str(started_tick(process.pid)), os.getpid())
    assert state in {"S", "R"}
    assert int(size) > 0
    assert "sleep" not in ran(SURVEY, path="/nowhere").stdout.splitlines()


def test_every_process_is_never_the_whole_host(sleeper: tuple[str, subprocess.Popen[bytes]]) -> None:
    """Only a shell that came by an exec takes the word: its parent is outside of the container's processes."""
    _, process = sleeper
    assert said(LOOK, "*") == ""
    assert ran(SIGNAL, "*", "0", *NO_WATCHDOG).returncode == NOBODY
    assert process.poll() is None


INSIDE = """
mount -t proc proc /proc
cp "$(command -v sleep)" "$1/server"; cp "$(command -v sleep)" "$1/engine"
"$1/server" 600 & "$1/engine" 600 &
touch "$1/ready"
wait
"""


@pytest.mark.root
def test_every_process_of_a_container_but_its_first_and_guests(tmp_path: Path) -> None:
    """In namespaces of its own, entered as an exec does: the server's two stop and go on, and we do not."""
    if os.geteuid() or not all(map(shutil.which, ("unshare", "nsenter"))):
        pytest.skip("root, unshare and nsenter are needed")
    argv = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", INSIDE, "sh", tmp_path]
    with subprocess.Popen(argv) as outside:
        try:
            until((tmp_path / "ready").exists, deadline_s=10, awaited="the processes inside")
            until(lambda: children(outside.pid), deadline_s=5, awaited="process 1")
            (first,) = children(outside.pid)
            until(
                lambda: sorted(map(_comm, children(first))) == ["engine", "server"], deadline_s=5, awaited="the server"
            )
            enter = ["nsenter", "--target", str(first), "--pid", "--mount", "--", SHELLS[0][0]]

            def inside(script: str, *words: str) -> str:
                done = subprocess.run(
                    [*enter, "-c", script, "sh", *words], capture_output=True, text=True, check=False, timeout=30
                )
                assert done.returncode == 0, done.stderr
                return done.stdout

            assert len(inside(SIGNAL, "*", "STOP", "gameday-0123456", "CONT", "60").split()) == 2
            until(
                lambda: [line.split()[1] for line in inside(LOOK, "*").splitlines()] == ["T", "T"],
                deadline_s=10,
                awaited="both stopped",
            )
            inside(SIGNAL, "*", "CONT", "gameday-0123456", "CONT", "0")
            assert [line.split()[1] for line in inside(LOOK, "*").splitlines()] == ["S", "S"]
        finally:
            outside.kill()


def test_a_command_is_run_later_unless_it_is_put_off_or_taken_back(tmp_path: Path, watchdog: str) -> None:
    """With its words as they are, spaces and all; earlier ones end, and with 0 none is left."""
    made = tmp_path / "made by it"
    assert ran(COMMAND, watchdog, "60", "touch", str(made)).returncode == 0
    first = only(watchdog)
    assert ran(COMMAND, watchdog, "1", "touch", str(made)).returncode == 0
    until(made.exists, deadline_s=15, awaited="the command")
    assert first not in watching(watchdog)
    made.unlink()
    assert ran(COMMAND, watchdog, "60", "touch", str(made)).returncode == 0
    assert ran(COMMAND, watchdog, "0").returncode == 0
    until(lambda: not watching(watchdog), deadline_s=15, awaited="the end of the watchdog")
    assert not made.exists()
    assert ran(COMMAND, watchdog, "60", "touch", str(made), path="/nowhere").returncode == UNGUARDED
