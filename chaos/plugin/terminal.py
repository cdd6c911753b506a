"""What a session says on the terminal past pytest's capturing, and the signals that end it."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

import pytest

from chaos.errors import one_line

__all__ = ["Voice", "sigterm_interrupts", "uncaptured"]


class Voice:
    """Says what a trial does, a line at a time, with the seconds since it began."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print the line, past pytest's capturing."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            with uncaptured(self._config):
                reporter.write_line(f"{time.monotonic() - self._began:5.0f} s  {one_line(text)}")


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written in the block reach the terminal, from the start of a line."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        if reporter is not None:
            reporter.ensure_newline()
        yield


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end the session as Ctrl-C does, so that faults are healed and the lab is taken down."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
