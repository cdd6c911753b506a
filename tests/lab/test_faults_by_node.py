"""What the lab's node does to containers that cannot be hit from inside: no shell, process 1, no signal known."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from exec_room import NAMESPACE, started

from chaos.clock import Clock
from chaos.cluster import Cluster, Journal, LiveExecutor, NullJournal, Recorder, Scope
from chaos.faults import FaultContext, Infrastructure, MemoryHog, NotReady, ProcessCrash, ProcessHang, not_ready
from chaos.faults.containers import look, place_of
from chaos.faults.context import UndoContext
from chaos.faults.infrastructure import OwnMeans
from chaos.faults.support import reach
from chaos.faults.support.ways import NO_TOOLS
from chaos.faults.targets import Targets
from chaos.faults.undo.restore import restore
from chaos.lab.images.recipes import MODEL_IMAGE, PAUSE_IMAGE
from chaos.lab.nodes.containers import LabContainers, thaw_all
from chaos.lab.nodes.probes import LabProbes, pass_all_probes
from chaos.objects.base import Ref
from chaos.objects.pod import PodView

pytestmark = pytest.mark.root

NODE = Infrastructure(containers=LabContainers(), probes=LabProbes())


@pytest.fixture
def field(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """What a fault may use on the lab, in our namespace."""
    yield from context_of(cluster, tmp_path, NODE)


def context_of(cluster: Cluster, folder: Path, below: Infrastructure) -> Iterator[FaultContext]:
    """A context with that below the API."""
    clock = Clock.start()
    with (
        Journal(folder / "actions.jsonl", clock) as journal,
        Recorder(cluster, clock, folder / "watch.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        yield FaultContext(cluster, executor, journal, "fault-1", recorder, NAMESPACE, infrastructure=below)


def on(ref: Ref) -> Targets:
    """One pod as targets."""
    return Targets("one pod", (ref,), 1)


def shown(field: FaultContext, pod: Ref) -> PodView:
    """The pod, once the watch shows that it runs."""
    assert field.recorder.wait_for(lambda: place_of(field.recorder, pod, ""), 20)
    return next(one for one in map(PodView, field.recorder.objects("Pod")) if one.uid == pod.uid)


@pytest.fixture
def silent(cluster: Cluster, field: FaultContext, request: pytest.FixtureRequest) -> PodView:
    """A pod whose one container is a static program, process 1, with no shell beside it."""
    return shown(field, started(cluster, f"silent-{abs(hash(request.node.name)) % 10_000}", PAUSE_IMAGE))


def test_a_container_without_a_shell_is_frozen_and_goes_on_when_healed(field: FaultContext, silent: PodView) -> None:
    """The kernel says that it stands still; healing, and healing again, leaves it as it was."""
    nodes, container = LabContainers(), silent.containers[0].id
    hang = ProcessHang(on(silent.ref)).inject(field)
    assert hang.missed == ""
    assert "is frozen by the lab's own node" in hang.landed()
    assert nodes.frozen(silent.node, container)
    assert hang.heal() == ""
    assert not nodes.frozen(silent.node, container)
    assert hang.heal() == ""


def test_what_a_dead_run_froze_goes_on_by_its_entry_or_the_next_start(field: FaultContext, silent: PodView) -> None:
    """The entry undoes it once, and whoever starts or joins the lab next finds all that is frozen."""
    assert ProcessHang(on(silent.ref)).inject(field).missed == ""
    (entry,) = field.entries
    later = UndoContext(field.cluster, field.executor, NullJournal(), "f", infrastructure=NODE)
    assert restore(later, entry)[0] == "undone"
    assert restore(later, entry)[0] == "nothing"
    assert ProcessHang(on(silent.ref)).inject(field).missed == ""
    container = silent.containers[0].id
    assert thaw_all() == (container.rpartition("/")[2],)
    assert not LabContainers().frozen(silent.node, container)
    assert thaw_all() == ()


def test_process_one_is_killed_by_its_node(field: FaultContext, silent: PodView) -> None:
    """The kill that no process inside could send ends the container, which is started anew."""
    crash = ProcessCrash(on(silent.ref), process="pause").inject(field)
    assert crash.missed == ""
    assert field.recorder.wait_for(crash.landed, crash.landing_deadline_s)
    assert field.recorder.wait_for(lambda: "exit code 137" in crash.landed(), 20)


def test_memory_is_used_up_without_a_shell_in_the_image(field: FaultContext, cluster: Cluster) -> None:
    """The kernel ends what holds the most of the container's memory, and the runtime says OOMKilled."""
    pod = started(cluster, "starved-by-node")
    shown(field, pod)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chaos.faults.memory_hog.tools_of", lambda *_: NO_TOOLS)
        hog = MemoryHog(on(pod), piece_mib=32).inject(field)
    assert hog.missed == ""
    assert field.recorder.wait_for(hog.landed, hog.landing_deadline_s)
    assert "OOMKilled" in hog.landed()


def test_a_replica_is_not_ready_by_dropped_probes_and_serves_all_the_while(
    field: FaultContext, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet gets no answer, others do; and when healed it is Ready again, with no restart."""
    monkeypatch.setattr(not_ready, "REFERENCE", "no-such")
    pod = shown(field, started(cluster, "unasked"))
    away = NotReady(on(pod.ref)).inject(field)
    assert away.missed == ""
    assert field.recorder.wait_for(away.landed, away.landing_deadline_s)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}:8080/proxy/readyz"
    assert field.cluster.transport.call("GET", path, timeout_s=5, pod_max_bytes=1 << 20).ok
    assert away.heal() == ""

    def ready() -> bool:
        return any(one.uid == pod.uid and one.ready and not one.restarts for one in seen())

    def seen() -> list[PodView]:
        return list(map(PodView, field.recorder.objects("Pod")))

    assert field.recorder.wait_for(ready, 20)
    assert pass_all_probes() == ()


def test_probes_that_a_dead_run_dropped_pass_again(
    field: FaultContext, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the entry, twice without harm; or by whoever starts or joins the lab next."""
    monkeypatch.setattr(not_ready, "REFERENCE", "no-such")
    pod = shown(field, started(cluster, "unasked-too"))
    assert NotReady(on(pod.ref)).inject(field).missed == ""
    (entry,) = field.entries
    later = UndoContext(field.cluster, field.executor, NullJournal(), "f", infrastructure=NODE)
    assert [restore(later, entry)[0] for _ in range(2)] == ["undone", "undone"]
    assert NotReady(on(pod.ref)).inject(field).missed == ""
    assert pass_all_probes() == (f"probes of {pod.status['podIP']}:8080",)


def test_an_ephemeral_container_stops_what_has_no_shell_beside_it(cluster: Cluster, tmp_path: Path) -> None:
    """It sees the target's processes, and says that it stays; a second fault takes the same one."""
    below = Infrastructure(own=OwnMeans(debug_image=MODEL_IMAGE))
    for field in context_of(cluster, tmp_path, below):
        pod = shown(field, started(cluster, "beside"))
        image = str(pod.containers[0].raw["imageID"])
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(reach._tools, image, NO_TOOLS)  # the model's image has a shell
            for _ in range(2):
                hang = ProcessHang(on(pod.ref), process="model-engine").inject(field)
                assert hang.missed == ""
                assert "through the ephemeral container gameday-debug-" in hang.landed()
                place = place_of(field.recorder, pod.ref, "")
                assert place is not None
                assert [one.state for one in look(field, place, "model-engine") or ()] == ["T"]
                assert hang.heal() == ""
        now = cluster.get("Pod", NAMESPACE, pod.name) or {}
        assert len(now["spec"]["ephemeralContainers"]) == 1
