"""Processes that hang and crash in real containers, and containers in which that cannot be done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from exec_room import NAMESPACE, started

from chaos.clock import Clock
from chaos.cluster import Cluster, DryRunExecutor, Executor, Journal, LiveExecutor, Recorder, Scope
from chaos.faults import FaultContext, MemoryHog, NotReady, ProcessCrash, ProcessHang
from chaos.faults.containers import look, place_of, watchdog_of
from chaos.faults.support import own_end
from chaos.faults.targets import Targets
from chaos.lab.images.recipes import PAUSE_IMAGE
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.wait import until

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def model(cluster: Cluster) -> Ref:
    """A Ready pod of the model."""
    return started(cluster, "hung-model")


@pytest.fixture
def field(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """What a fault may use, in our namespace."""
    yield from _field(cluster, tmp_path)


@pytest.fixture
def dry_run(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """The same with a hand that does nothing."""
    yield from _field(cluster, tmp_path, dry_run=True)


def _field(cluster: Cluster, folder: Path, *, dry_run: bool = False) -> Iterator[FaultContext]:
    clock = Clock.start()
    with (
        Journal(folder / "actions.jsonl", clock) as journal,
        Recorder(cluster, clock, folder / "watch.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor: Executor = DryRunExecutor(journal) if dry_run else LiveExecutor(cluster, journal)
        yield FaultContext(cluster, executor, journal, "fault-1", recorder, NAMESPACE)


def on(ref: Ref) -> Targets:
    """One pod as targets."""
    return Targets("one pod", (ref,), 1)


def dog_of(field: FaultContext) -> str:
    """What the watchdog is called that is to let go on what was stopped."""
    (entry,) = field.entries
    return watchdog_of(str(entry.detail["process"]), "CONT")


def states(field: FaultContext, pod: Ref) -> list[str]:
    """The states of the engine's processes in a pod."""
    place = place_of(field.recorder, pod, "")
    assert place is not None
    return [one.state for one in look(field, place, "model-engine") or ()]


def test_a_hung_process_is_seen_stopped_and_goes_on_when_healed(field: FaultContext, model: Ref) -> None:
    """The landing proof is the kernel's state T; healing takes it away, and healing again changes nothing."""
    hang = ProcessHang(on(model)).inject(field)
    assert hang.missed == ""
    assert "has state T" in hang.landed()
    assert states(field, model) == ["T"]
    assert hang.heal() == ""
    assert states(field, model) != ["T"]
    assert hang.heal() == ""


def test_a_hung_process_goes_on_by_itself(field: FaultContext, model: Ref, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody puts its end off or heals it, and what ended it is gone with that, or waits to be reaped."""
    monkeypatch.setattr(own_end, "OWN_END_S", 5.0)
    hang = ProcessHang(on(model)).inject(field)
    assert hang.missed == ""
    assert states(field, model) == ["T"]
    dog = dog_of(field)
    hang.stop()
    until(lambda: states(field, model) != ["T"], deadline_s=30, awaited="the engine to go on")
    place = place_of(field.recorder, model, "")
    assert place is not None
    left = look(field, place, dog)
    assert left is not None
    assert all(one.state == "Z" for one in left)


def test_nothing_is_left_in_a_container_that_was_healed(field: FaultContext, model: Ref) -> None:
    """What was to end the hang by itself ends with the heal."""
    hang = ProcessHang(on(model)).inject(field)
    dog = dog_of(field)
    assert hang.heal() == ""
    place = place_of(field.recorder, model, "")
    assert place is not None
    until(
        lambda: all(one.state == "Z" for one in look(field, place, dog) or ()),
        deadline_s=10,
        awaited="the end of the watchdog",
    )


def test_all_processes_but_the_init_hang_at_once(field: FaultContext, model: Ref) -> None:
    """Tini is process 1, to which no such signal comes, and only passes signals on: the server hangs as a whole."""
    hang = ProcessHang(on(model), process="*").inject(field)
    assert hang.missed == ""
    assert "every process" in hang.landed()
    place = place_of(field.recorder, model, "")
    assert place is not None
    seen = [look(field, place, name) or () for name in ("model-server", "model-engine")]
    assert [one.state for found in seen for one in found] == ["T", "T"]
    assert hang.heal() == ""
    assert all(one.state != "T" for name in ("model-server", "model-engine") for one in look(field, place, name) or ())


def test_process_one_cannot_be_stopped_from_inside(field: FaultContext, model: Ref) -> None:
    """The kernel brings no such signal to the first process, so the fault says so and has not landed."""
    hang = ProcessHang(on(model), process="tini").inject(field)
    assert "process 1" in hang.missed
    assert hang.landed() == ""
    assert hang.heal() == ""


def test_a_process_that_is_not_there_is_named(field: FaultContext, model: Ref) -> None:
    """A name that no process has is a reason, in words, for both faults."""
    for fault in (ProcessHang(on(model), process="no-such"), ProcessCrash(on(model), process="no-such")):
        injection = fault.inject(field)
        assert "no process called no-such" in injection.missed
        assert injection.landed() == ""


def test_an_image_without_a_shell_is_named(field: FaultContext, cluster: Cluster) -> None:
    """Where no shell can be started nothing is done, and the reason says why."""
    pod = started(cluster, "no-shell", PAUSE_IMAGE)
    assert field.recorder.wait_for(lambda: place_of(field.recorder, pod, ""), 10)
    for fault in (ProcessHang(on(pod), process="pause"), ProcessCrash(on(pod), process="pause")):
        injection = fault.inject(field)
        assert "has no shell" in injection.missed
        assert injection.heal() == ""


def test_a_dry_run_stops_nothing(dry_run: FaultContext, model: Ref) -> None:
    """A dry_run hand runs no command, so nothing lands and nothing is left to heal."""
    hang = ProcessHang(on(model)).inject(dry_run)
    assert "dry_run" in hang.missed
    assert hang.landed() == ""
    assert hang.heal() == ""


def test_a_crash_is_seen_in_the_container_that_ended(field: FaultContext, cluster: Cluster) -> None:
    """A killed engine ends its container: the restart is the proof, and the pod is the same."""
    pod = started(cluster, "crashed-model")
    assert field.recorder.wait_for(lambda: place_of(field.recorder, pod, ""), 10)
    crash = ProcessCrash(on(pod)).inject(field)
    assert crash.missed == ""
    assert field.recorder.wait_for(crash.landed, crash.landing_deadline_s)
    assert "ended" in crash.landed() or "is gone" in crash.landed()

    def restarted() -> bool:
        return any(one.uid == pod.uid and one.restarts == 1 for one in map(PodView, field.recorder.objects("Pod")))

    assert field.recorder.wait_for(restarted, 30)
    assert "ended: Error, exit code 1" in crash.landed()


def test_a_withdrawn_replica_is_seen_not_ready_and_comes_back_when_healed(field: FaultContext, model: Ref) -> None:
    """The landing proof is the watch's: not Ready, in the same container; healing makes it Ready again."""
    assert field.recorder.wait_for(lambda: place_of(field.recorder, model, ""), 10)
    away = NotReady(on(model)).inject(field)
    assert away.missed == ""
    assert field.recorder.wait_for(away.landed, away.landing_deadline_s)
    assert away.heal() == ""

    def ready() -> bool:
        return any(one.uid == model.uid and one.ready for one in map(PodView, field.recorder.objects("Pod")))

    assert field.recorder.wait_for(ready, 20)
    assert away.landed() == ""


def test_memory_used_up_is_seen_in_the_container_that_ended(field: FaultContext, cluster: Cluster) -> None:
    """The kernel ends the server, the runtime says OOMKilled, and the same pod starts its container anew."""
    pod = started(cluster, "starved-model")
    assert field.recorder.wait_for(lambda: place_of(field.recorder, pod, ""), 10)
    hog = MemoryHog(on(pod), piece_mib=32).inject(field)
    assert hog.missed == ""
    assert field.recorder.wait_for(hog.landed, hog.landing_deadline_s)
    assert "OOMKilled" in hog.landed()
    assert hog.heal() == ""


def test_a_dry_run_fills_nothing(dry_run: FaultContext, model: Ref) -> None:
    """A dry_run hand runs no command, and both faults say so."""
    assert dry_run.recorder.wait_for(lambda: place_of(dry_run.recorder, model, ""), 10)
    for fault in (NotReady(on(model)), MemoryHog(on(model))):
        injection = fault.inject(dry_run)
        assert "dry_run" in injection.missed
        assert injection.landed() == ""
        assert injection.heal() == ""
