"""Start programs and wait for what they bring about: the lab's, which outlive us, and children, which end with us."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

from chaos.errors import LabError, TimedOut
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.command import WITH_US
from chaos.lab.host.network import NAMESPACES
from chaos.lab.host.paths import LabPaths
from chaos.wait import until

__all__ = [
    "Child",
    "Launcher",
    "Process",
    "await_components",
    "entering",
    "in_netns",
    "last_lines",
    "processes_recorded",
    "record_process",
    "start_child",
    "start_process",
    "terminated_as_exit",
]

T = TypeVar("T")

START_DEADLINE_S, POLL_S = 20.0, 0.05
TAIL_LINES, TAIL_BYTES = 8, 20_000
ENDED_ALREADY = -1
# Nothing of ours in it: proxies, credentials and locales of the caller are no business of the cluster's.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 1; shift; done; shift; '


@dataclass(frozen=True, slots=True)
class Process:
    """A program that was started. By the kernel's time of its start no other of the same pid is taken for it."""

    name: str
    pid: int
    started_ticks: int
    log_path: str

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return Path(self.log_path)

    def alive(self) -> bool:
        """Whether it still runs."""
        return _started_ticks(self.pid) == self.started_ticks

    def stands_still(self) -> bool:
        """Whether a signal has stopped it."""
        return self.alive() and _fields(self.pid)[:1] == ["T"]

    def signal(self, number: int) -> None:
        """Send it a signal, and nobody else who has its pid by now. Raises LabError if it does not run any more."""
        try:
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(handle, number)
                    return
            finally:
                os.close(handle)
        except ProcessLookupError:
            pass
        raise LabError(f"{self.name} does not run any more", "gameday lab status")

    def argv(self) -> list[str]:
        """What it was given, without its own path: `kubelet --config=…`. Raises LabError if it does not run."""
        words = Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().split("\0")[:-1] if self.alive() else []
        if len(words) < 2:
            raise LabError(f"{self.name} does not run any more", "gameday lab logs")
        return words[1:]

    def end(self, within_s: float) -> None:
        """End it, by force if it takes longer than that; it may have ended."""
        if not self.alive():
            return
        with contextlib.suppress(LabError):
            self.signal(signal.SIGTERM)
            try:
                until(lambda: not self.alive(), deadline_s=within_s, awaited=f"{self.name} to end")
            except TimedOut:
                self.signal(signal.SIGKILL)


def entering(groups: Sequence[Path], namespaces: Sequence[str], argv: Sequence[str | Path]) -> list[str]:
    """A command that enters a place and becomes `argv`, keeping its pid. It fails before, if it cannot enter.

    Args:
        groups: The folders of its control groups.
        namespaces: Its namespaces, as arguments of nsenter; none stays in ours.
        argv: The program.
    """
    return ["sh", "-c", ENTER + 'exec "$@"', "sh", *_words(groups, namespaces, argv)]


def start_process(
    name: str, argv: Sequence[str | Path], *, groups: Sequence[Path], namespaces: Sequence[str] = (), logs: Path
) -> Process:
    """Start a program as nobody's child, its output appended to LOGS/NAME.log; the place is that of `entering`.

    Raises LabError if it cannot be started there.
    """
    log = logs / f"{name}.log"
    script = f'log=$1; shift; {ENTER}echo $$; exec "$@" >> "$log" 2>&1'
    command = ["setsid", "--fork", "sh", "-c", script, "sh", str(log), *_words(groups, namespaces, argv)]
    try:
        # The pipes close when the program is executed; until then its shell may complain.
        started = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env=ENVIRONMENT,
            timeout=START_DEADLINE_S,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"{name} cannot be started: {error}", "gameday lab doctor") from error
    if not started.stdout.strip().isdecimal():  # the shell says its pid once it is in the groups
        raise LabError(f"{name} cannot be started: {started.stderr.strip()}", "gameday lab doctor")
    pid = int(started.stdout)
    # One that has ended already is found so by whoever awaits what it should bring about, and quotes its log.
    return Process(name, pid, _started_ticks(pid) or ENDED_ALREADY, str(log))


def record_process(process: Process, folder: Path) -> Process:
    """Note in `folder` which process it is, for those who come after us; return it."""
    whole = folder / f"{process.name}.new"
    whole.write_text(json.dumps(asdict(process)))
    whole.rename(folder / f"{process.name}.json")
    return process


def processes_recorded(folder: Path) -> tuple[Process, ...]:
    """The processes noted in `folder`, by name."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # the lab may be taken down while we look
            found.append(Process(**json.loads(path.read_text())))
    return tuple(found)


def _words(groups: Sequence[Path], namespaces: Sequence[str], argv: Sequence[str | Path]) -> list[str]:
    enter = ["nsenter", *namespaces, "--"] if namespaces else []
    return [str(word) for word in (*groups, "--", *enter, *argv)]


def _fields(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on (proc_pid_stat(5)); nothing of one that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started_ticks(pid: int) -> int | None:
    fields = _fields(pid)
    return None if not fields or fields[0] in "ZX" else int(fields[19])


class Launcher:
    """Starts programs; safe to use from several threads. `kube` is the control plane's, `node_kube` the nodes'."""

    def __init__(self, paths: LabPaths, cgroups: Cgroups, kube: Path, node_kube: Path) -> None:
        self.paths, self.cgroups, self.kube, self.node_kube = paths, cgroups, kube, node_kube
        self._started: list[Process] = []
        self._lock = threading.Lock()

    @property
    def started(self) -> tuple[Process, ...]:
        """What was started, in order."""
        with self._lock:
            return tuple(self._started)

    def run(self, name: str, argv: Sequence[str | Path], *, group: str, namespaces: Sequence[str] = ()) -> Process:
        """Start `argv` as the component `name`. Raises LabError if it cannot be started."""
        groups = self.cgroups.folders(group)
        process = start_process(name, argv, groups=groups, namespaces=namespaces, logs=self.paths.logs)
        record_process(process, self.paths.processes)
        with self._lock:
            self._started.append(process)
        return process


def in_netns(name: str) -> tuple[str, ...]:
    """The arguments of nsenter for one of the lab's network namespaces."""
    return (f"--net={NAMESPACES / name}",)


@dataclass(frozen=True, slots=True)
class Child:
    """A program started by this process; it was not yet waited for, so its pid cannot be another's."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None


def start_child(name: str, argv: Sequence[str | Path], *, folder: Path) -> Child:
    """Start a program in `folder`, its output appended to NAME.log there. Raises LabError if it cannot be started.

    The kernel kills it when the calling *thread* ends, so call this from a thread that stays. It has a session of its
    own: Ctrl-C at the terminal reaches us alone, and we end it in order.
    """
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                [*WITH_US, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"{name} cannot be started: {error}", "install util-linux (for setpriv)") from error
    return Child(name, log, process)


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


def await_components(
    attempt: Callable[[], T | None],
    *,
    components: Sequence[Process | Child],
    awaited: str,
    deadline_s: float,
    suspects: Sequence[Process | Child] | None = None,
    last_seen: Callable[[], str] = lambda: "",
) -> T:
    """As `chaos.wait.until`, but give up at once when one of the components ends. Raises `LabError`."""

    def attempt_while_alive() -> T | None:
        for component in components:
            if not component.alive():
                raise LabError(f"{component.name} ended while {awaited} was awaited{last_lines([component])}")
        return attempt()

    try:
        return until(attempt_while_alive, deadline_s=deadline_s, awaited=awaited, poll_s=POLL_S, last_seen=last_seen)
    except TimedOut as late:
        raise LabError(f"{late.what}{last_lines(components if suspects is None else suspects)}") from late


def last_lines(components: Sequence[Process | Child]) -> str:
    """The last lines of each component's log, headed by its name; empty if there are no logs."""
    parts = []
    for component in components:
        try:
            with component.log.open("rb") as file:
                file.seek(max(0, component.log.stat().st_size - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            continue
        parts.append(f"\n  {component.name} said last:" + "".join(f"\n    {line}" for line in lines))
    return "".join(parts)
