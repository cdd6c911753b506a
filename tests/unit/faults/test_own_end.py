"""What a fault sends a process is taken back in its container, whatever becomes of the run that sent it."""

import inspect
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from chaos.cluster import Command, NullJournal, Ran
from chaos.errors import HarnessBroken
from chaos.faults import (
    ALL_FAULTS,
    AutoscalerRestart,
    ClusterUpgrade,
    Fault,
    FaultContext,
    MemoryHog,
    MetricsDown,
    NodeDown,
    NotReady,
    ProcessHang,
    containers,
    not_ready,
)
from chaos.faults.base import BY_UNDO, NOTHING_LEFT
from chaos.faults.containers import Place
from chaos.faults.memory_hog import END_S
from chaos.faults.support import own_end, reach
from chaos.faults.targets import Targets
from chaos.faults.undo.restore import heal, restore
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.safety.undo_rules import refusal
from chaos.wait import until
from loadgen.pod.contract import SILENCE_MAX_S

POD = Ref("Pod", "ns", "chat-1", "uid-1")


class Host:
    """A cluster with one pod, whose container is this host: what is run in it runs here, unless it is out of reach."""

    def __init__(self) -> None:
        self.scripts: list[tuple[str, ...]] = []
        self.reachable = True
        self.path = ""
        self.container = "containerd://one"

    def get(self, *_: object) -> dict[str, Any]:
        """The pod."""
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        status = {"name": "model", "containerID": self.container, "restartCount": 0, "state": running}
        named = {"name": POD.name, "namespace": POD.namespace, "uid": POD.uid}
        return {
            "metadata": named,
            "spec": {"containers": [{"name": "model", "readinessProbe": {"exec": {"command": ["true"]}}}]},
            "status": {"containerStatuses": [status]},
        }

    def objects(self, _kind: str) -> list[dict[str, Any]]:
        """The same, as the watch shows it."""
        return [self.get()]

    def execute(self, _cluster: object, _executor: object, _journal: object, command: Command) -> Ran:
        """Run a command here."""
        self.scripts.append(command.argv[4:])
        if not self.reachable:
            return Ran("fail", reason="no route to host")
        argv = [shutil.which(command.argv[0]) or "sh", *command.argv[1:]]
        env = {"PATH": self.path} if self.path else None
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, env=env)
        code = done.returncode
        return Ran("ok" if code == 0 else "fail", code, done.stdout, done.stderr, f"exit code {code}")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """This host as a container; what is left in it acts after 5 s."""
    made = Host()
    monkeypatch.setattr(containers, "execute", made.execute)
    monkeypatch.setattr(own_end, "OWN_END_S", 5.0)
    return made


@pytest.fixture
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a name that nobody else has; it may begin otherwise."""
    name = f"{getattr(request, 'param', 'gd-')}{secrets.token_hex(6)}"
    program = shutil.copy(shutil.which("sleep", path=os.defpath) or "sleep", tmp_path / name)
    with subprocess.Popen([program, "120"]) as process:
        try:
            until(lambda: _name(process) == name, deadline_s=5, awaited="the engine")
            yield process
        finally:
            process.kill()


def _name(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def _state(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def context_of(host: Host) -> FaultContext:
    """A fault's context on that host."""
    made = cast("Any", host)
    return FaultContext(made, made, NullJournal(), "process-hang-1", made, "ns")


def hang_of(engine: subprocess.Popen[bytes]) -> ProcessHang:
    """A hang of the engine."""
    return ProcessHang(Targets("one pod", (POD,), 1), process=_name(engine))


def signals(host: Host) -> list[tuple[str, str]]:
    """Each signal with the time after which it is taken back."""
    return [(words[1], words[4]) for words in host.scripts if len(words) == 5]


def test_a_hang_ends_though_nobody_comes_back(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """The run is cut off for good once its signal was sent; the entry and the proof say that it ends by itself."""
    context = context_of(host)
    hang = hang_of(engine).inject(context)
    assert hang.missed == ""
    assert "ends by itself" in hang.landed()
    (entry,) = context.entries
    assert entry.detail["own_end_s"] == 5.0
    assert refusal(replace(entry, key="0001"), "ns") == ""
    assert _state(engine) == "T"
    host.reachable = False
    until(lambda: _state(engine) == "S", deadline_s=30, awaited="the engine to go on by itself")
    assert "could not be put off" in hang.heal()


@pytest.mark.parametrize("engine", ["g$;", "g`"], indirect=True)
def test_what_no_later_run_would_take_back_is_not_done(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """The undo entry of a process with such a name is refused by whoever finds it: this run may be killed."""
    context = context_of(host)
    hang = hang_of(engine).inject(context)
    assert "process cannot be" in hang.missed
    assert (_state(engine), context.entries) == ("S", ())


def test_a_hang_lasts_while_its_run_lives(
    host: Host, engine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is put off again and again, and once it is healed nothing is put off any more."""
    monkeypatch.setattr(own_end, "OWN_END_S", 9.0)
    hang = hang_of(engine).inject(context_of(host))
    began = time.monotonic()
    while time.monotonic() - began < 11:
        assert _state(engine) == "T"
        time.sleep(0.1)
    assert hang.heal() == ""
    assert _state(engine) in {"R", "S"}  # it was woken a moment ago
    assert signals(host)[0] == ("STOP", "9")
    assert ("0", "9") in signals(host)
    assert signals(host)[-1] == ("CONT", "0")
    sent = len(host.scripts)
    time.sleep(2.5)
    assert len(host.scripts) == sent


def test_an_end_that_came_is_not_put_off_any_more(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """Out of reach for longer than that, and back again: the hang was over meanwhile, and the trial is told."""
    hang = hang_of(engine).inject(context_of(host))
    host.reachable = False
    until(lambda: _state(engine) == "S", deadline_s=30, awaited="the engine to go on by itself")
    time.sleep(1)
    host.reachable = True
    sent = len(host.scripts)
    until(lambda: len(host.scripts) > sent + 1, deadline_s=15, awaited="an end that is put off again")
    assert hang.heal() == "chat-1: the fault may have ended by itself, as its end could not be put off"


def test_nothing_is_stopped_that_nothing_could_let_go(
    host: Host, engine: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Refused in words, with nothing left to undo."""
    host.path = str(tmp_path)
    context = context_of(host)
    hang = hang_of(engine).inject(context)
    assert "nothing can be left in container model that takes it back" in hang.missed
    assert _state(engine) == "S"
    assert context.entries == ()


def test_a_container_that_was_started_anew_is_let_be(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """What was sent ended with the container, so nothing is put off in the next one, nor said to be late."""
    context = context_of(host)
    hang = hang_of(engine).inject(context)
    host.container = "containerd://two"
    sent = len(host.scripts)
    time.sleep(4)
    assert len(host.scripts) == sent
    assert hang.heal() == ""
    assert len(host.scripts) == sent


def test_a_later_run_ends_what_waits(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """It knows the watchdog by the entry, also where the process goes on already: the run died before its signal."""
    context = context_of(host)
    hang = hang_of(engine).inject(context)
    (entry,) = context.entries
    hang.stop()
    heal(context)
    assert restore(context_of(host), entry) == ("nothing", f"{_name(engine)} in ns/chat-1 is not stopped")
    assert signals(host)[-1] == ("0", "0")


def test_a_withdrawn_replica_comes_back_too(host: Host, engine: subprocess.Popen[bytes]) -> None:
    """The other signal is the fault's own; the sleeper takes CONT for that, and USR1 would end it."""
    context = context_of(host)
    away = NotReady(Targets("one pod", (POD,), 1), process=_name(engine), off="STOP", on="CONT").inject(context)
    assert away.missed == ""
    (entry,) = context.entries
    assert (entry.kind, entry.detail["own_end_s"]) == ("signal-process", 5.0)
    host.reachable = False
    until(lambda: _state(engine) == "S", deadline_s=30, awaited="the engine to go on by itself")
    away.stop()


BOTH = Targets("two pods", (POD, Ref("Pod", "ns", "chat-2", "uid-2")), 1)
FAULTS: Mapping[str, Callable[[str], Fault]] = {
    "hang": lambda process: ProcessHang(BOTH, process=process),
    "not ready": lambda process: NotReady(BOTH, process=process, off="STOP", on="CONT"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_could_not_be_made_puts_no_end_off(
    fault: Callable[[str], Fault], host: Host, engine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second pod raises, as on a full disk, nobody has the injection to stop it: the first goes on by itself.

    Until then what was sent is there to be undone.
    """
    context = context_of(host)
    place_of, reached = containers.place_of, threading.Event()

    def one_only(recorder: Any, ref: Ref, container: str) -> Place | None:
        if ref == POD:
            return place_of(recorder, ref, container)
        assert reached.wait(20)
        raise HarnessBroken("actions.jsonl cannot be written: No space left on device")

    def signal(*given: Any, **more: Any) -> containers.Sent:
        try:
            return containers.signal(*given, **more)
        finally:
            reached.set()

    for module in (reach, not_ready):
        monkeypatch.setattr(module, "place_of", one_only)
    monkeypatch.setattr(own_end, "signal", signal)
    with pytest.raises(HarnessBroken, match="No space left"):
        fault(_name(engine)).inject(context)
    assert [entry.target for entry in context.entries] == [POD]
    until(lambda: _state(engine) == "T", deadline_s=5, awaited="the engine stopped")
    until(lambda: _state(engine) == "S", deadline_s=30, awaited="the engine to go on by itself")


@pytest.mark.parametrize("detail", [{}, {"own_end_s": 600.0}])
def test_entries_with_and_without_an_end_of_their_own_are_executed(detail: dict[str, float]) -> None:
    """Those of a run of an earlier version have none."""
    known = {"container": "model", "container_id": "containerd://one", "process": "engine"}
    assert refusal(UndoEntry("continue-process", POD, "", {**known, **detail}), "ns") == ""


STAGING = Path(__file__).parents[3] / "docs/staging.md"
ENDS = {
    "nothing is left to undo": NOTHING_LEFT,
    f"ends by itself after {END_S:g} s": MemoryHog.if_run_dies,
    f"ends by itself {own_end.OWN_END_S / 60:g} min after": ProcessHang.if_run_dies,
    "stays, unless the CronJob": BY_UNDO,
    "stays off, unless that CronJob has the command": NodeDown.if_run_dies,
    "closed nodes stay so until `gameday undo`": ClusterUpgrade.if_run_dies,
    "a controller that was ended": AutoscalerRestart.if_run_dies,
    "stands still until the lab's next command": MetricsDown.if_run_dies,
}


def test_what_becomes_of_each_fault_if_the_run_dies_is_told_and_written() -> None:
    """Every kind of fault stands in one row of docs/staging.md, with what a trial says as it makes it."""
    rows = [line.split("|")[1:3] for line in STAGING.read_text().splitlines() if line.startswith("| `")]
    written = {name.strip(" `"): end.strip() for names, end in rows for name in names.split(",") if "HTTP" not in names}
    told = {fault.name: fault.if_run_dies for fault in ALL_FAULTS}
    for name, words in told.items():
        assert [said for begins, said in ENDS.items() if written[name].startswith(begins)] == [words], name
    assert f"load pods after {SILENCE_MAX_S:g} s" in written["memory-hog"]


def test_only_what_leaves_nothing_may_say_so() -> None:
    """Whatever records an undo entry outlasts its run; a fault of somebody's own counts so unless it says otherwise."""
    assert Fault.if_run_dies == BY_UNDO
    for fault in ALL_FAULTS:
        kinds = [kind for kind in fault.__mro__ if issubclass(kind, Fault) and kind.__module__ != Fault.__module__]
        source = "".join(inspect.getsource(inspect.getmodule(kind) or kind) for kind in kinds)
        outlasts = any(word in source for word in (".record(", "Change(", "cordon(", "Drain(", "_template."))
        crash = fault.name == "process-crash"  # beside two in its module that do
        no_entry = (NOTHING_LEFT, MemoryHog.if_run_dies, AutoscalerRestart.if_run_dies)
        assert (fault.if_run_dies in no_entry) is (not outlasts or crash), fault.name
