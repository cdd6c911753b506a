"""The signals that end a session: the first heals, the second is answered, the third aborts."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.plugin.terminal import Voice, uncaptured

PROGRAM = """
import select, signal, sys
from chaos.plugin.terminal import signals_heal

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started these tests
signal.signal(signal.SIGINT, signal.default_int_handler)  # or a shell, in the background


def wait_for_a_line():
    # In pieces, as Python hears a signal that comes right before a wait only after it.
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
    sys.stdin.readline()


try:
    with signals_heal():
        try:
            print("at work", flush=True)
            wait_for_a_line()
        finally:
            print("healing", flush=True)
            wait_for_a_line()
            print("healed", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def session(signals: Sequence[int]) -> tuple[list[str], str]:
    """What a session says that is sent a signal while it is at work, and the others while it heals."""
    argv = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, bufsize=1, **pipes) as process:  # type: ignore[call-overload]
        said = [process.stdout.readline().strip()]
        process.send_signal(signals[0])
        said.append(process.stdout.readline().strip())
        for number in signals[1:]:
            process.send_signal(number)
            if number == signals[1]:
                answered = process.stderr.readline() + process.stderr.readline()
        rest, told = process.communicate("go on\n", timeout=30)
    return [*said, *rest.splitlines()], (answered if signals[1:] else "") + told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_heals(number: int) -> None:
    """What a trial did is undone before the session ends."""
    assert session([number]) == (["at work", "healing", "healed", "interrupted"], "")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_is_answered(second: int) -> None:
    """Who is impatient, and a CI job that is cancelled, do not cut the healing short."""
    said, told = session([signal.SIGTERM, second])
    assert said == ["at work", "healing", "healed", "interrupted"]
    assert "once more aborts it, and gameday undo does the rest" in told


def test_the_third_signal_aborts() -> None:
    """A heal that hangs holds nobody up for ever."""
    said, _ = session([signal.SIGTERM, signal.SIGTERM, signal.SIGINT])
    assert said == ["at work", "healing", "interrupted"]


def test_a_second_signal_of_which_nobody_reads_cuts_nothing_short() -> None:
    """The other end of a pipe, or the terminal, may be gone: by the same Ctrl-C, or because it was closed."""
    argv = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, bufsize=1, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "at work\n"
        process.stderr.close()
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "healing\n"
        process.send_signal(signal.SIGHUP)
        rest, _ = process.communicate("go on\n", timeout=30)
    assert rest == "healed\ninterrupted\n"


def test_words_that_nobody_hears_stop_nothing() -> None:
    """A trial says what it does while it heals, too."""

    def gone(*_: object) -> None:
        raise BrokenPipeError

    plugins = {"terminalreporter": SimpleNamespace(write_line=gone, ensure_newline=gone)}
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=plugins.get))
    Voice(config).say("stopped")
    with uncaptured(config):
        pass
