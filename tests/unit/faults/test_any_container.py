"""Faults of containers by their node, by the user's commands, and from a container beside: done, proved and undone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chaos.cluster import Command, Done, DryRunExecutor, NullJournal, Ran
from chaos.faults import (
    Fault,
    FaultContext,
    MemoryHog,
    NotReady,
    ProcessCrash,
    ProcessHang,
    containers,
    memory_hog,
    not_ready,
)
from chaos.faults.container_scripts import COMMAND, LOOK, SIGNAL, SURVEY
from chaos.faults.infrastructure import Infrastructure, OwnMeans
from chaos.faults.support import reach
from chaos.faults.targets import Targets
from chaos.faults.undo.restore import heal, restore
from chaos.objects.base import Ref
from chaos.objects.process import ProcessView
from chaos.safety import UndoEntry
from chaos.safety.undo_rules import refusal

POD = Ref("Pod", "llm", "chat-1", "uid-1")
ONE = Targets("one pod", (POD,), 1)
NO_SHELL = Ran("fail", reason='exec: "sh": executable file not found in $PATH')
SERVER = ProcessView(1, 500, 0, "S", 90_000, "llama-server")


@dataclass
class Node:
    """A node: what it was told, and what it says of it."""

    words: str = "the node"
    seen: tuple[ProcessView, ...] = (SERVER,)
    still: bool = False
    obeys: bool = True
    refuses: str = ""
    told: list[tuple[object, ...]] = field(default_factory=list)

    def processes(self, *_: str) -> tuple[ProcessView, ...]:
        """What is there."""
        return self.seen

    def freeze(self, node: str, container: str) -> str:
        """As it obeys."""
        self.told.append(("freeze", node, container))
        self.still = self.obeys
        return self.refuses

    def thaw(self, node: str, container: str) -> str:
        """As it obeys."""
        self.told.append(("thaw", node, container))
        self.still = self.still and not self.obeys
        return self.refuses

    def frozen(self, *_: str) -> bool:
        """What the kernel says."""
        return self.still

    def kill(self, _node: str, _container: str, processes: Sequence[ProcessView], name: str) -> str:
        """It is told who."""
        self.told.append(("kill", name, *(one.name for one in processes)))
        return self.refuses

    def fill(self, *_: object, timeout_s: float) -> str:
        """It is told that."""
        self.told.append(("fill", timeout_s))
        return self.refuses

    def drop(self, node: str, address: str, port: int, head: str) -> str:
        """It is told what."""
        self.told.append(("drop", node, address, port, head))
        return self.refuses

    def let_pass(self, node: str, address: str, port: int) -> str:
        """It is told what."""
        self.told.append(("pass", node, address, port))
        return self.refuses


class Pod:
    """A cluster with one pod, that answers each script as it is told; patches of it are kept."""

    def __init__(self, **answers: Ran) -> None:
        self.answers = answers
        self.ran: list[tuple[str, ...]] = []
        self.patched: list[Any] = []
        self.ready, self.container_id, self.beside = True, "containerd://a", "running"
        self.probe: dict[str, Any] = {"httpGet": {"path": "/health", "port": 8080}}

    def get(self, *_: object) -> dict[str, Any]:
        """The pod."""
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        status = {"name": "chat", "containerID": self.container_id, "state": running, "imageID": ""}
        chat = {"name": "chat", "readinessProbe": self.probe, "resources": {"limits": {"memory": "1Gi"}}}
        beside = [one["spec"]["ephemeralContainers"][0] for one in self.patched]
        told = {"running": running, "waiting": {"waiting": {"reason": "ErrImagePull"}}}[self.beside]
        return {
            "metadata": {"name": POD.name, "namespace": POD.namespace, "uid": POD.uid},
            "spec": {"nodeName": "n1", "containers": [chat], "ephemeralContainers": beside},
            "status": {
                "podIP": "10.1.2.3",
                "conditions": [{"type": "Ready", "status": str(self.ready)}],
                "containerStatuses": [status],
                "ephemeralContainerStatuses": [{"name": one["name"], "state": told} for one in beside],
            },
        }

    def objects(self, _kind: str) -> list[dict[str, Any]]:
        """The same, as the watch shows it."""
        return [self.get()]

    def do(self, order: Any) -> Done:
        """Take a patch."""
        self.patched.append(order.body)
        return Done("ok", 200)

    def execute(self, _cluster: object, _executor: object, _journal: object, command: Command) -> Ran:
        """Answer a script by its name, and where it ran; a plain command by its first word."""
        names = {LOOK: "look", SIGNAL: "signal", SURVEY: "survey", COMMAND: "command"}
        name = names.get(command.argv[2], "hog") if command.argv[:2] == ("sh", "-c") else command.argv[0]
        self.ran.append((command.container, name, *command.argv[4:]))
        where = "beside_" if command.container.startswith(reach.DEBUG_NAME) else ""
        return self.answers.get(f"{where}{name}", NO_SHELL)


Made = tuple[Pod, FaultContext]


@pytest.fixture(autouse=True)
def _no_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "DEBUG_S", 0.2)


def made(monkeypatch: pytest.MonkeyPatch, below: Infrastructure, pod: Pod, executor: object = None) -> FaultContext:
    """A fault's context in which that pod is."""
    for module in (containers, not_ready):
        monkeypatch.setattr(module, "execute", pod.execute)
    monkeypatch.setattr("chaos.faults.undo.restore_process.execute", pod.execute)
    anything = cast("Any", pod)
    hand = cast("Any", executor or pod)
    return FaultContext(anything, hand, NullJournal(), "f-1", anything, "llm", infrastructure=below)


def by(node: Node, **own: Any) -> Infrastructure:
    """What that node offers."""
    return Infrastructure(containers=cast("Any", node), probes=cast("Any", node), own=OwnMeans(**own))


def test_a_container_without_a_shell_is_frozen_by_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proved by the kernel's word, recorded before, and thawed by the heal; nothing was run in it but the question."""
    node, pod = Node(), Pod()
    context = made(monkeypatch, by(node), pod)
    hang = ProcessHang(ONE).inject(context)
    assert hang.missed == ""
    assert "is frozen by the node" in hang.landed()
    (entry,) = context.entries
    assert refusal(entry, "llm") == ""
    assert [words[1] for words in pod.ran] == ["survey"]
    assert hang.heal() == ""
    assert node.told == [("freeze", "n1", "containerd://a"), ("thaw", "n1", "containerd://a")]
    assert context.entries == ()


def test_a_freeze_that_the_kernel_does_not_confirm_has_not_landed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has one that the node refuses; both stay recorded until the kernel says that nothing stands still."""
    for node, told in ((Node(obeys=False), "does not say"), (Node(refuses="no freezer"), "no freezer")):
        context = made(monkeypatch, by(node), Pod())
        hang = ProcessHang(ONE).inject(context)
        assert told in hang.missed
        assert hang.landed() == ""
        assert len(context.entries) == 1


def test_a_container_that_does_not_thaw_is_not_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has the last word; without the node's means it is left to people."""
    node = Node()
    context = made(monkeypatch, by(node), Pod())
    hang = ProcessHang(ONE).inject(context)
    node.obeys = False
    assert "is still frozen" in hang.heal()
    (entry,) = context.entries
    bare = made(monkeypatch, Infrastructure(), Pod())
    assert restore(bare, entry)[0] == "left"


def test_process_one_is_killed_by_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The container's own shell sees that it is process 1, and sends nothing."""
    survey = Ran("ok", 0, "sleep\n1 500 0 S 90000 llama-server\n")
    node, pod = Node(), Pod(survey=survey)
    crash = ProcessCrash(ONE).inject(made(monkeypatch, by(node), pod))
    assert crash.missed == ""
    assert node.told == [("kill", "KILL", "llama-server")]
    assert [words[1] for words in pod.ran] == ["survey"]
    assert crash.landed() == ""
    pod.container_id = "containerd://b"
    refused = ProcessCrash(ONE).inject(made(monkeypatch, by(Node(refuses="no such right")), Pod(survey=survey)))
    assert "no such right" in refused.missed


def test_memory_is_filled_by_the_node_where_there_is_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """And refused in words where the node cannot either."""
    node = Node()
    assert MemoryHog(ONE).inject(made(monkeypatch, by(node), Pod())).missed == ""
    assert [words[0] for words in node.told] == ["fill"]
    assert "no shell" in MemoryHog(ONE).inject(made(monkeypatch, Infrastructure(), Pod())).missed
    assert "full" in MemoryHog(ONE).inject(made(monkeypatch, by(Node(refuses="full")), Pod())).missed


def test_memory_of_too_many_pieces_is_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is two processes: of a server of hundreds of gigabytes they would use up the node's."""
    node, pod = Node(), Pod()
    missed = MemoryHog(ONE, piece_mib=1).inject(made(monkeypatch, by(node), pod)).missed
    assert "1025 pieces of 1 MiB are more than 1024: give a larger piece_mib" in missed
    assert [words[1] for words in pod.ran if words[1] == "hog"] == node.told == []
    late = Ran("fail", memory_hog.LATE, reason="exit code 4")
    slow = Pod(survey=Ran("ok", 0, "sleep\n"), hog=late)
    assert "not full within 15 s" in MemoryHog(ONE).inject(made(monkeypatch, Infrastructure(), slow)).missed


@pytest.mark.parametrize("killed", [False, True])
def test_memory_that_is_never_full_is_let_go(*, killed: bool) -> None:
    """No piece is begun after the time, though there are more to come; nor if the first shell was ended for its memory.

    What is left holds its memory as long as any.
    """
    argv = ["sh", "-c", memory_hog.HOG, "sh", "0", "1", "1000000"]
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE) as filling:
        try:
            if killed:
                time.sleep(0.2)
                filling.kill()
                filling.wait()
            # Every piece has the same pipe, which ends with the last of them.
            filling.communicate(timeout=60)
            assert filling.returncode == (-signal.SIGKILL if killed else memory_hog.LATE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(filling.pid, signal.SIGKILL)


def test_readiness_requests_are_dropped_by_the_node_of_a_server_that_knows_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Landed by the watch alone, and let pass again by the heal."""
    survey = Ran("ok", 0, "sleep\n1 500 0 S 90000 llama-server\n")
    for pod in (Pod(), Pod(survey=survey)):
        node = Node()
        context = made(monkeypatch, by(node), pod)
        away = NotReady(ONE).inject(context)
        assert (away.missed, away.landed()) == ("", "")
        pod.ready = False
        assert "is not Ready" in away.landed()
        (entry,) = context.entries
        assert refusal(entry, "llm") == ""
        assert away.heal() == ""
        assert node.told == [("drop", "n1", "10.1.2.3", 8080, "GET /health "), ("pass", "n1", "10.1.2.3", 8080)]
        assert {words[1] for words in pod.ran} == {"survey"}


def test_probes_that_are_still_dropped_are_not_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node says why, and the entry stays."""
    node = Node()
    context = made(monkeypatch, by(node), Pod())
    away = NotReady(ONE).inject(context)
    node.refuses = "nft: busy"
    assert "nft: busy" in away.heal()
    assert len(context.entries) == 1


REFERENCE = Ran("ok", 0, "sleep\n1 5 0 S 10 tini\n7 6 1 S 9000 model-server\n")


def test_only_the_reference_server_is_sent_its_own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its process's name; whoever names another says himself that it knows them."""
    pod = Pod(survey=REFERENCE, signal=Ran("ok", 0, "7\n"))
    away = NotReady(ONE).inject(made(monkeypatch, by(Node()), pod))
    assert away.missed == ""
    away.stop()
    assert pod.ran[-1][1:4] == ("signal", "model-server", "USR1")
    named = NotReady(ONE, process="tini", off="HUP", on="WINCH").inject(made(monkeypatch, by(Node()), pod))
    named.stop()
    assert pod.ran[-1][1:4] == ("signal", "tini", "HUP")


READY = {"not_ready": ("touch", "/srv/drain"), "ready": ("rm", "/srv/drain")}


def test_the_users_commands_are_run_in_the_container_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog that would take it back is left before; the entry says nothing of the command."""
    done = Ran("ok", 0)
    pod = Pod(command=done, touch=done, rm=done)
    context = made(monkeypatch, by(Node(), **READY), pod)
    away = NotReady(ONE).inject(context)
    assert away.missed == ""
    assert [words[1] for words in pod.ran] == ["command", "touch"]
    assert pod.ran[0][-2:] == READY["ready"]
    (entry,) = context.entries
    assert "rm" not in entry.text()
    assert away.heal() == ""
    assert [words[1] for words in pod.ran[2:]] == ["rm", "command"]
    assert pod.ran[-1][3] == "0"


def test_a_command_that_nothing_would_take_back_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a shell for the watchdog it is refused; and a way back that fails is no heal."""
    pod = Pod(touch=Ran("ok", 0))
    away = NotReady(ONE).inject(made(monkeypatch, by(Node(), **READY), pod))
    assert "no shell" in away.missed
    assert [words[1] for words in pod.ran] == ["command"]
    pod = Pod(command=Ran("ok", 0), touch=Ran("ok", 0), rm=Ran("fail", 1, reason="exit code 1"))
    context = made(monkeypatch, by(Node(), **READY), pod)
    away = NotReady(ONE).inject(context)
    assert "exit code 1" in away.heal()
    (entry,) = context.entries
    assert restore(made(monkeypatch, Infrastructure(), pod), entry)[0] == "left"
    pod.container_id = "containerd://b"
    assert heal(context) == ""


@pytest.mark.parametrize(
    ("look", "ready", "result"),
    [
        (Ran("ok", 0, ""), True, "nothing"),
        (Ran("ok", 0, "9 Z\n"), True, "nothing"),
        (Ran("ok", 0, "9 S\n"), True, "left"),
        (Ran("ok", 0, ""), False, "left"),
        (NO_SHELL, True, "left"),
    ],
)
def test_whoever_knows_no_command_sees_whether_the_watchdog_has_run_it(
    monkeypatch: pytest.MonkeyPatch, look: Ran, result: str, *, ready: bool
) -> None:
    """As the CronJob that undoes, which has no file: it is gone, and the pod is Ready again."""
    pod = Pod(look=look)
    pod.ready = ready
    detail = {"container": "chat", "container_id": "containerd://a"}
    context = made(monkeypatch, Infrastructure(), pod)
    assert restore(context, UndoEntry("run-ready", POD, "gameday undo", detail))[0] == result


@pytest.mark.parametrize(
    ("probe", "told"),
    [({}, "no readiness probe"), ({"exec": {"command": ["true"]}}, "runs a command"), ({"grpc": {"port": 1}}, "")],
)
def test_a_probe_that_cannot_be_dropped_is_refused_with_what_would_allow_it(
    monkeypatch: pytest.MonkeyPatch, probe: dict[str, Any], told: str
) -> None:
    """Before anything is done to anybody."""
    node, pod = Node(), Pod()
    pod.probe = probe
    missed = NotReady(ONE).inject(made(monkeypatch, by(node), pod)).missed
    assert told in missed
    assert bool(missed) == bool(told)
    assert bool(node.told) != bool(told)
    bare = NotReady(ONE).inject(made(monkeypatch, Infrastructure(), pod)).missed
    assert not told or told == "runs a command" or told in bare
    assert "probe" in bare or "not_ready and ready" in bare


def test_a_container_beside_sends_the_signal_and_is_told_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the target's processes and its user; a second fault takes the same one."""
    pod = Pod(
        beside_survey=Ran("ok", 0, "sleep\n1 5 0 S 10 tini\n7 6 1 S 9000 engine\n8 7 0 S 300 sleep\n"),
        beside_signal=Ran("ok", 0, "7\n"),
        beside_look=Ran("ok", 0, "7 T\n"),
    )
    context = made(monkeypatch, Infrastructure(own=OwnMeans(debug_image="busybox:1")), pod)
    for _ in range(2):
        hang = ProcessHang(ONE).inject(context)
        assert hang.missed == ""
        assert "through the ephemeral container gameday-debug-" in hang.landed()
        hang.stop()
    (body,) = pod.patched
    (beside,) = body["spec"]["ephemeralContainers"]
    assert (beside["targetContainerName"], beside["image"]) == ("chat", "busybox:1")
    (entry,) = context.entries
    assert entry.detail["through"] == beside["name"]
    assert f"-c {beside['name']} " in entry.manual
    assert "kill -CONT 7" in entry.manual
    assert refusal(entry, "llm") == ""


def test_a_container_beside_that_does_not_come_is_told_with_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be taken away again."""
    pod = Pod()
    pod.beside = "waiting"
    context = made(monkeypatch, Infrastructure(own=OwnMeans(debug_image="x:1")), pod)
    missed = ProcessHang(ONE).inject(context).missed
    assert "ErrImagePull" in missed
    assert "cannot be removed" in missed
    assert ProcessHang(ONE).inject(context).missed == missed
    assert len(pod.patched) == 1, "each would stay until its pod goes"


FAULTS: dict[str, Fault] = {
    "hang": ProcessHang(ONE),
    "crash": ProcessCrash(ONE),
    "hog": MemoryHog(ONE),
    "not ready": NotReady(ONE),
    "named": NotReady(ONE, process="engine"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("own", [{}, READY, {"debug_image": "busybox:1"}], ids=["none", "commands", "debug"])
def test_a_dry_run_says_how_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, own: dict[str, Any]
) -> None:
    """Nothing is asked of the container, nor told to its node."""
    node, pod = Node(), Pod()
    context = made(monkeypatch, by(node, **own), pod, DryRunExecutor(NullJournal()))
    injection = fault.inject(context)
    assert injection.missed.startswith("dry_run: nothing was done")
    assert len(injection.missed) > len("dry_run: nothing was done: chat-1: ")
    assert (pod.ran, node.told, pod.patched, context.entries) == ([], [], [], ())


def test_what_cannot_be_asked_is_no_image_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right that is missing is told as that, and nothing is done another way."""
    refused = Ran("fail", reason="403 pods is forbidden")
    node = Node()
    for fault in (ProcessHang(ONE), ProcessCrash(ONE), MemoryHog(ONE)):
        assert "403" in fault.inject(made(monkeypatch, by(node), Pod(survey=refused))).missed
    assert node.told == []


def test_entries_of_earlier_versions_are_read() -> None:
    """They name no other container."""
    known = {"container": "chat", "container_id": "containerd://a", "process": "engine"}
    assert refusal(UndoEntry("continue-process", POD, "", known), "llm") == ""
