"""One hand at a time on the lab, and users that keep it up."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host.lock import User, lab_lock, register_use, users
from chaos.progress import Silent, Step
from chaos.wait import until

OWN_COMMAND = shlex.join(Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode().split("\0"))


class _Spoken:
    def __init__(self) -> None:
        self.steps: list[str] = []

    @contextmanager
    def step(self, name: str, *, estimate_s: float | None = None) -> Iterator[Step]:  # noqa: ARG002  # the role's shape
        self.steps.append(name)
        with Silent().step(name) as step:
            yield step


def test_a_second_hand_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    """Who finds the lab held waits, in words, and gets it when it is free."""
    path, spoken, order = tmp_path / "lock", _Spoken(), []

    def second() -> None:
        with lab_lock("taking the lab down", spoken, path=path):
            order.append("second")

    with lab_lock("starting the lab", path=path):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: spoken.steps, deadline_s=5, awaited="the second to wait")
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert spoken.steps == [f"waiting: another gameday (process {os.getpid()}) is starting the lab"]
    assert not path.exists()


def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is never freed is an error that names its holder."""
    monkeypatch.setattr("chaos.lab.host.lock.LOCK_DEADLINE_S", 0.2)
    path = tmp_path / "lock"
    with (
        lab_lock("starting the lab", path=path),
        pytest.raises(LabError, match=f"process {os.getpid()}.* is starting the lab, for more than 0.2 s"),
        lab_lock("taking the lab down", path=path),
    ):
        pytest.fail("the lock was held twice")


def test_a_dead_holders_lock_is_free(tmp_path: Path) -> None:
    """A lock file that a killed process left stops nobody."""
    path = tmp_path / "lock"
    path.write_text("1 starting the lab")
    spoken = _Spoken()
    with lab_lock("starting the lab", spoken, path=path):
        assert path.read_text() == f"{os.getpid()} starting the lab"
    assert spoken.steps == []


def test_a_user_is_listed_while_it_uses(tmp_path: Path) -> None:
    """Pid, words and command are told as long as the block runs, also of two uses by one process."""
    with register_use(tmp_path, "one"), register_use(tmp_path, "two"):
        found = users(tmp_path)
        assert [(user.pid, user.words) for user in found] == [(os.getpid(), "one"), (os.getpid(), "two")]
        assert found[0].command == OWN_COMMAND
    assert users(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_user_is_forgotten(tmp_path: Path) -> None:
    """What a process that was killed left does not count, and is cleared away."""
    program = (
        "import sys, signal\nfrom pathlib import Path\nfrom chaos.lab.host.lock import register_use\n"
        "with register_use(Path(sys.argv[1]), 'a trial'):\n    print('in use', flush=True); signal.pause()\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in use\n"
        assert [(user.pid, user.words) for user in users(tmp_path)] == [(other.pid, "a trial")]
        other.kill()
    assert users(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_users_command_is_told_without_its_credentials(tmp_path: Path) -> None:
    """Whoever waits for the lab reads it: a key is a hash there, and everything else as it was written."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom chaos.lab.host.lock import register_use, users\n"
        "with register_use(Path(sys.argv[1]), 'a trial'):\n    print(users(Path(sys.argv[1]))[0])\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path), "--api-key", "hunter2", "--nodes", "3"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "hunter2" not in said
    assert f"{tmp_path} --api-key redacted:" in said
    assert said.endswith("--nodes 3)\n")


def test_a_user_is_named_in_words() -> None:
    """A refusal tells who uses the lab by pid, purpose and command."""
    assert str(User(7, "a trial", "pytest scenarios")) == "process 7 (a trial: pytest scenarios)"
