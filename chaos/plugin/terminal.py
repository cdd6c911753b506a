"""What a session says on the terminal past pytest's capturing, and the signals that end it."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType

import pytest

from chaos.errors import one_line

__all__ = ["Voice", "signals_heal", "uncaptured"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEALING = b"\ngameday is healing what it did; once more aborts it, and gameday undo does the rest\n"


class Voice:
    """Says what a trial does, a line at a time, with the seconds since it began."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print the line, past pytest's capturing; where nobody listens any more, that stops nothing."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            with suppress(OSError), uncaptured(self._config):
                reporter.write_line(f"{time.monotonic() - self._began:5.0f} s  {one_line(text)}")


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written in the block reach the terminal, from the start of a line."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        if reporter is not None:
            with suppress(OSError):
                reporter.ensure_newline()
        yield


@contextmanager
def signals_heal(config: pytest.Config | None = None) -> Iterator[None]:
    """Let SIGTERM and a terminal that is closed end the session as Ctrl-C does: by healing what it did.

    The second is only answered, so that it does not cut the healing short; the third aborts. `config` is that of a
    session of pytest, past whose capturing the answer goes.
    """
    received, terminal = itertools.count(1), _stderr(config)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if next(received) == 2:
            # Unbuffered, as nothing else is safe while another write may be under way. There may be nobody to read it.
            with suppress(OSError):
                os.write(terminal, HEALING)
        else:
            raise KeyboardInterrupt

    # Whoever started us may have it ignored, as nohup and shells do for what runs in the background.
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        with suppress(OSError):
            os.close(terminal)


def _stderr(config: pytest.Config | None) -> int:
    """A descriptor of its own for the standard error of this process; where there is none, one that takes nothing."""
    if config is not None:
        with uncaptured(config):
            return _stderr(None)
    try:
        return os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        return -1
