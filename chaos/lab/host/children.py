"""Child processes that end with this process, however it ends."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from chaos.errors import LabError

__all__ = ["Child", "start_child", "stop_children", "terminated_as_exit"]


class Child:
    """A program started by this process; it was not yet waited for, so its pid cannot be another's."""

    def __init__(self, name: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def reap(self) -> None:
        """Wait for its end, which `kill` made certain."""
        self._process.wait()


def start_child(name: str, argv: Sequence[str | Path], *, folder: Path) -> Child:
    """Start a program in `folder`, its output appended to NAME.log there. Raises LabError if it cannot be started.

    The kernel kills it when the calling *thread* ends, so call this from a thread that stays. It has a session of its
    own: Ctrl-C at the terminal reaches us alone, and we end it in order.
    """
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"{name} cannot be started: {error}", "install util-linux (for setpriv)") from error
    return Child(name, log, process)


def stop_children(children: Sequence[Child]) -> None:
    """Kill all of them and wait for their ends. What they keep is thrown away, so there is nothing to save first."""
    for child in children:
        child.kill()
    for child in children:
        child.reap()


@contextlib.contextmanager
def terminated_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind this process like `sys.exit`, so that what was started is ended in order.

    Only where nobody handles the signal yet, and only in the main thread, which alone may say so.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def exit_in_order(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, exit_in_order)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
