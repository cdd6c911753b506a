"""A run that dies with a process stopped, or withdrawn, in a real container: the next command puts that right."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from deadly_journal import DeadlyJournal, killed_at_each_line
from dying import IN_CONTAINERS
from exec_room import NAMESPACE, started

from chaos.clock import Clock
from chaos.cluster import Cluster, Journal, LiveExecutor, NullJournal, Recorder, Scope, connect, mutations
from chaos.faults import FaultContext, ProcessHang
from chaos.faults.containers import Place, look, place_of
from chaos.faults.context import UndoContext
from chaos.faults.support import own_end
from chaos.faults.targets import Targets
from chaos.faults.undo import find_left, undo_all
from chaos.lab import Lab
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import ClusterUndoLog
from chaos.wait import until

pytestmark = pytest.mark.root

CHILD_S = 60.0
READY_S = 30.0
SOON_S = 15.0

HEALED = ("ProcessHang", "NotReady")
ENDED = tuple(kind for kind in IN_CONTAINERS if kind not in HEALED)
"""Faults that end a container, which the kubelet starts anew: they leave nothing to undo."""


def _inject_and_heal(line: int, folder: str, pod: Ref, kind: str) -> None:
    facts, clock, room = Lab().facts(), Clock.start(), Path(folder)
    with (
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
        DeadlyJournal(room / f"actions-{line}.jsonl", clock, line) as journal,
        Recorder(cluster, clock, room / f"watch-{line}.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        undo = ClusterUndoLog(executor, NAMESPACE, f"run-{kind}-{line}", deadline_s=3600)
        context = FaultContext(cluster, executor, journal, f"{kind}-1", recorder, NAMESPACE, undo=undo)
        injection = IN_CONTAINERS[kind](Targets("one pod", (pod,), 1)).inject(context)
        assert injection.missed == ""
        assert injection.heal() == ""


@pytest.mark.parametrize("kind", HEALED)
def test_a_kill_at_each_step_is_healed(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """Killed after each line of its journal: nothing is left stopped or withdrawn, and undoing again does nothing."""
    pod = started(cluster, f"dead-{kind.lower()}")
    healed = 0
    for died in killed_at_each_line(_inject_and_heal, str(tmp_path), pod, kind, within_s=CHILD_S):
        left = find_left(cluster, NAMESPACE)
        results = undo_all(cluster, LiveExecutor(cluster, NullJournal()), left)
        assert [one.words for one in results if one.result == "left"] == []
        healed += sum(one.result == "undone" for one in results)
        assert "T" not in states(cluster, tmp_path, pod)
        until(lambda: ready(cluster, pod), deadline_s=READY_S, awaited=f"{pod.name} Ready")
        assert undo_all(cluster, LiveExecutor(cluster, NullJournal()), find_left(cluster, NAMESPACE)) == ()
        assert died or left == ()
    assert healed > 0


def _end_anew(line: int, folder: str, kind: str) -> None:
    """In a pod of its own each time: a container that ends again is waited for longer and longer."""
    facts = Lab().facts()
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster:
        pod = started(cluster, f"dead-{kind.lower()}-{line}")
    _inject_and_heal(line, folder, pod, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDED)
def test_a_kill_at_each_step_leaves_nothing_of_what_ends_by_itself(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """Killed after each line of its journal: there is nothing to undo, and the pod is or becomes Ready."""
    deaths = killed_at_each_line(_end_anew, str(tmp_path), kind, within_s=2 * CHILD_S)
    for line, _ in enumerate(deaths, start=1):
        pod = Ref("Pod", NAMESPACE, f"dead-{kind.lower()}-{line}")
        assert find_left(cluster, NAMESPACE) == ()
        until(lambda pod=pod: ready(cluster, pod), deadline_s=READY_S, awaited=f"{pod.name} Ready")
        LiveExecutor(cluster, NullJournal()).do(mutations.delete(pod))
    assert line > 1


def _hang_and_die(folder: str, pod: Ref) -> None:
    own_end.OWN_END_S = SOON_S
    facts, clock, room = Lab().facts(), Clock.start(), Path(folder)
    with (
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
        Journal(room / "actions.jsonl", clock) as journal,
        Recorder(cluster, clock, room / "watch.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        undo = ClusterUndoLog(executor, NAMESPACE, "run-dead", deadline_s=3600)
        context = FaultContext(cluster, executor, journal, "process-hang-1", recorder, NAMESPACE, undo=undo)
        assert ProcessHang(Targets("one pod", (pod,), 1)).inject(context).missed == ""
        os.kill(os.getpid(), signal.SIGKILL)


def test_nobody_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    """A stopped process goes on by itself after its run was killed; undoing finds nothing to do then."""
    pod = started(cluster, "nobody")
    process = multiprocessing.get_context("spawn").Process(target=_hang_and_die, args=(str(tmp_path), pod))
    process.start()
    process.join(CHILD_S)
    assert process.exitcode == -signal.SIGKILL
    assert states(cluster, tmp_path, pod) == ["T"]
    until(lambda: "T" not in states(cluster, tmp_path, pod), deadline_s=SOON_S + 30, awaited="the engine to go on")
    until(lambda: ready(cluster, pod), deadline_s=READY_S, awaited=f"{pod.name} Ready")
    (done,) = undo_all(cluster, LiveExecutor(cluster, NullJournal()), find_left(cluster, NAMESPACE))
    assert (done.result, "is not stopped" in done.words) == ("nothing", True)


def ready(cluster: Cluster, pod: Ref) -> bool:
    """Whether users are sent to a pod."""
    return PodView(cluster.get("Pod", NAMESPACE, pod.name) or {}).ready


def states(cluster: Cluster, folder: Path, pod: Ref) -> list[str]:
    """The states of the engine's processes in a pod, as the kernel shows them."""
    caller = UndoContext(cluster, LiveExecutor(cluster, NullJournal()), NullJournal(), "look")
    with Recorder(cluster, Clock.start(), folder / "look.jsonl", [Scope("Pod", NAMESPACE)]) as recorder:
        place = place_of(recorder, pod, "")
    assert isinstance(place, Place)
    seen = look(caller, place, "model-engine")
    assert seen
    return [one.state for one in seen]
