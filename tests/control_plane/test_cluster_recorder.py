"""The record of a watch on a real API server: complete, in order, and honest about what was missed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_room import Room, compact_etcd, config_map, pod, read_lines, room
from fault_proxy import Answer, FaultProxy, Old, Say
from simulated_cluster import SimulatedCluster

from chaos.cluster import KINDS, Limits, Recorder, Scope, connect, mutations, ref_of
from chaos.cluster.watch import heartbeat, reflector
from chaos.errors import ClusterRefused, HarnessBroken, TimedOut, UsageError
from chaos.history.reading.watch_log import read_watch
from chaos.history.writing.redaction import without_secrets

STATES = ("LISTED", "ADDED", "MODIFIED", "DELETED")
GONE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Expired",
    "code": 410,
    "message": "too old",
}


@pytest.fixture
def here(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace, directly on the server."""
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        yield made


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy before the server."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


@pytest.fixture
def recorder(here: Room, proxy: FaultProxy) -> Iterator[Recorder]:
    """A recorder of ConfigMaps through the proxy, started."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster, _recorder(here, cluster) as started:
        yield started


def _recorder(here: Room, cluster: Any, *kinds: str, **limits: float) -> Recorder:
    scopes = [Scope(kind, here.namespace, "test=yes") for kind in kinds or ("ConfigMap",)]
    return Recorder(cluster, here.clock, here.folder / "watch.jsonl", scopes, limits=Limits(**limits))


def _types(here: Room, *left_out: str) -> list[str]:
    return [line["type"] for line in here.watched() if line["type"] not in {"BOOKMARK", *left_out}]


def _await(condition: Any, deadline_s: float = 20) -> None:
    """Wait for something that no watch tells about."""
    ends = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.01)


def _assert_in_order(lines: list[dict[str, Any]]) -> None:
    """Times never go backwards; within a kind neither do the resourceVersions of what a watch brought."""
    times = [line["at_ns"] for line in lines]
    assert times == sorted(times)
    newest: dict[str, int] = {}
    for line in lines:
        if line["type"] in {"ADDED", "MODIFIED", "DELETED"}:
            rv = int(line["object"]["metadata"]["resourceVersion"])
        elif line["type"] in {"SYNCED", "BOOKMARK"}:
            rv = int(line["rv"])
        else:
            continue
        assert rv >= newest.get(line["kind"], 0), line
        newest[line["kind"]] = rv


def test_a_list_comes_first_then_what_happens_then_the_end(here: Room) -> None:
    """What was there is listed, what happens is recorded in order, and stopping says so."""
    here.make(config_map(here, "before"))
    with _recorder(here, here.cluster) as recorder:
        made = here.make(config_map(here, "after", colour="blue"))
        here.executor.do(mutations.patch(ref_of(made), {"data": {"colour": "red"}}))
        here.remove(made)
        assert recorder.wait_for(lambda: "DELETED" in _types(here), 20)
    assert _types(here) == ["LISTED", "SYNCED", "ADDED", "MODIFIED", "DELETED", "END"]
    _assert_in_order(here.watched())
    listed, _, added, *_ = here.watched()
    assert listed["object"]["metadata"]["name"] == "before"
    assert {name: added["object"][name] for name in made} == without_secrets(made)


def test_objects_are_recorded_as_the_bytes_that_were_sent(here: Room) -> None:
    """Text in every script, quotes, newlines and look-alikes of our own fields reach the file unchanged."""
    data = {"text": 'ÄÖ 🐙 "quoted"\n{"type":"DELETED","object":{"metadata":{"uid":"x"}}}\u2028', "uid": '","uid":"y'}
    with _recorder(here, here.cluster) as recorder:
        here.make(config_map(here, "strange", **data))
        assert here.seen(recorder, "ConfigMap", "strange")
        (seen,) = recorder.objects("ConfigMap")
    assert seen["data"] == data
    line = next(line for line in (here.folder / "watch.jsonl").read_bytes().splitlines() if b'"ADDED"' in line)
    assert json.loads(line)["object"]["data"] == data
    assert "🐙".encode() in line


def test_the_live_state_follows_the_watch(here: Room) -> None:
    """Objects appear, change and disappear in memory as they do on the server, and say their kind in every case."""
    here.make(config_map(here, "one"))
    with _recorder(here, here.cluster) as recorder:
        two = here.make(config_map(here, "two"))
        assert here.seen(recorder, "ConfigMap", "one", "two")
        assert {obj["kind"] for obj in recorder.objects("ConfigMap")} == {"ConfigMap"}
        here.remove(two)
        assert here.seen(recorder, "ConfigMap", "one")


def test_waiting_says_what_it_waited_for(here: Room) -> None:
    """A wait that is in vain names what was awaited and what was seen last."""
    with (
        _recorder(here, here.cluster) as recorder,
        pytest.raises(TimedOut, match=r"a map: not within 0\.2 s; last seen: nothing"),
    ):
        recorder.wait(
            lambda: recorder.objects("ConfigMap"), deadline_s=0.2, awaited="a map", last_seen=lambda: "nothing"
        )


def test_a_wait_is_woken_by_the_event(here: Room) -> None:
    """Somebody who waits sees the object that was made meanwhile, well before the deadline."""
    with _recorder(here, here.cluster) as recorder:
        maker = threading.Thread(target=here.make, args=(config_map(here, "awaited"),))
        maker.start()
        found = recorder.wait(lambda: recorder.objects("ConfigMap"), deadline_s=20, awaited="a map")
        maker.join()
    assert found[0]["metadata"]["name"] == "awaited"


def test_nothing_is_lost_when_connections_are_cut(here: Room, proxy: FaultProxy, recorder: Recorder) -> None:
    """Two hundred objects are made while connections break in the middle of lines: each is recorded exactly once."""
    proxy.crumb_bytes = 301
    names = [f"map-{n:03d}" for n in range(200)]
    cuts = 0
    for index, name in enumerate(names):
        here.make(config_map(here, name, text="🐙" * 200))
        if index % 20 == 10:
            _await(proxy.cut)  # until there is a watch to cut: the one before has been resumed
            cuts += 1
    assert here.seen(recorder, "ConfigMap", *names)
    recorder.stop()
    lines = here.watched()
    assert sorted(line["object"]["metadata"]["name"] for line in lines if line["type"] == "ADDED") == names
    resumed = [line for line in lines if line["type"] == "RESUMED"]
    assert len(resumed) == cuts
    assert all(line["since_ns"] <= line["at_ns"] and line["reason"] for line in resumed)
    assert set(_types(here)) == {"SYNCED", "ADDED", "RESUMED", "END"}
    _assert_in_order(lines)


def test_a_status_410_is_a_gap_and_a_new_list(here: Room, proxy: FaultProxy, recorder: Recorder) -> None:
    """When the server forgot our version: GAP, a new list, and what vanished in between is gone from memory too."""
    lost = here.make(config_map(here, "lost"))
    here.make(config_map(here, "kept"))
    assert here.seen(recorder, "ConfigMap", "lost", "kept")
    proxy.trouble(Answer(410, json.dumps(GONE).encode()), path="watch=true")
    proxy.mute()
    here.remove(lost)
    here.make(config_map(here, "new"))
    proxy.cut()
    proxy.unmute()
    assert here.seen(recorder, "ConfigMap", "kept", "new")
    recorder.stop()
    assert _types(here) == ["SYNCED", "ADDED", "ADDED", "GAP", "LISTED", "LISTED", "SYNCED", "END"]
    _assert_in_order(here.watched())
    heard, gap = (line for line in here.watched() if line["type"] in {"ADDED", "GAP"} and _name(line) != "lost")
    assert heard["at_ns"] <= gap["since_ns"] <= gap["at_ns"]
    assert "410" in gap["reason"]


def _name(line: dict[str, Any]) -> str:
    return str(line.get("object", {}).get("metadata", {}).get("name", ""))


def test_a_410_inside_a_watch_is_a_gap_that_begins_at_the_break(
    here: Room, proxy: FaultProxy, recorder: Recorder
) -> None:
    """The server takes the watch and only then says that the version is gone: the gap reaches back to the break."""
    lost = here.make(config_map(here, "lost"))
    assert here.seen(recorder, "ConfigMap", "lost")
    error = json.dumps({"type": "ERROR", "object": GONE}).encode()
    proxy.trouble(Say(error + b"\n"), path="watch=true")
    proxy.mute()
    here.remove(lost)
    proxy.cut()
    proxy.unmute()
    assert here.seen(recorder, "ConfigMap")
    recorder.stop()
    assert _types(here) == ["SYNCED", "ADDED", "RESUMED", "GAP", "SYNCED", "END"]
    (resumed,) = (line for line in here.watched() if line["type"] == "RESUMED")
    (gap,) = (line for line in here.watched() if line["type"] == "GAP")
    assert gap["since_ns"] == resumed["since_ns"]
    assert "410 Expired" in gap["reason"]


def test_the_history_reads_a_gap_as_a_gap(here: Room, proxy: FaultProxy, recorder: Recorder) -> None:
    """chaos.history reads what the recorder writes: the gap lasts until the new list, which the lost object lacks."""
    lost = here.make(config_map(here, "lost"))
    assert here.seen(recorder, "ConfigMap", "lost")
    proxy.trouble(Answer(410, json.dumps(GONE).encode()), path="watch=true")
    proxy.mute()
    here.remove(lost)
    proxy.cut()
    proxy.unmute()
    assert here.seen(recorder, "ConfigMap")
    recorder.stop()
    log = read_watch(here.folder / "watch.jsonl")
    synced = [line["at_ns"] for line in here.watched() if line["type"] == "SYNCED"]
    assert [(gap.kind, gap.until_ns) for gap in log.gaps] == [("ConfigMap", synced[-1])]
    assert log.covered_ns["ConfigMap"][0] == synced[0]
    assert [event.object["metadata"]["name"] for event in log.events if event.type == "VANISHED"] == ["lost"]
    assert not log.remark


def test_the_real_servers_410_is_understood(here: Room, proxy: FaultProxy, simulated: SimulatedCluster) -> None:
    """A version that etcd has compacted away leads to the real server's 410, and from there to a gap and a new list."""
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "kept", "namespace": here.namespace, "labels": {"test": "yes"}},
        "involvedObject": {"kind": "Namespace", "namespace": here.namespace, "name": here.namespace},
    }
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        _recorder(here, cluster, "Event") as recorder,  # a kind that is watched in etcd itself, not in a cache
    ):
        here.make(event)
        assert here.seen(recorder, "Event", "kept")
        compact_etcd(simulated)
        proxy.trouble(Old(), path="watch=true")
        proxy.cut()
        _await(lambda: _types(here).count("SYNCED") == 2)
    assert _types(here) == ["SYNCED", "ADDED", "RESUMED", "GAP", "LISTED", "SYNCED", "END"]
    (gap,) = (line for line in here.watched() if line["type"] == "GAP")
    assert "410 Expired" in gap["reason"]


def test_a_mute_connection_is_a_broken_one(here: Room, proxy: FaultProxy) -> None:
    """A connection that stands but brings nothing for too long is given up, and what it held back comes late."""
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        _recorder(here, cluster, silence_max_s=1.0) as recorder,
    ):
        here.make(config_map(here, "heard"))
        assert here.seen(recorder, "ConfigMap", "heard")
        proxy.mute()
        here.make(config_map(here, "held-back"))
        _await(lambda: sum("watch=true" in line for line in proxy.seen) > 1)
        proxy.unmute()
        assert here.seen(recorder, "ConfigMap", "heard", "held-back")
    lines = here.watched()
    heard = next(line for line in lines if _name(line) == "heard")
    resumed = next(line for line in lines if line["type"] == "RESUMED")
    assert resumed["since_ns"] == heard["at_ns"]
    assert "silent" in resumed["reason"]
    assert "GAP" not in _types(here)


def test_a_dead_connection_is_found_by_what_the_server_lists(here: Room, proxy: FaultProxy) -> None:
    """It stands and brings nothing: given up long before its silence is, and what it held back comes late."""
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        _recorder(here, cluster, heartbeat_s=0.2) as recorder,
    ):
        here.make(config_map(here, "heard"))
        assert here.seen(recorder, "ConfigMap", "heard")
        assert proxy.freeze() == 1
        here.make(config_map(here, "held-back"))
        assert here.seen(recorder, "ConfigMap", "heard", "held-back")
    assert _types(here) == ["SYNCED", "ADDED", "RESUMED", "ADDED", "END"]
    resumed = next(line for line in here.watched() if line["type"] == "RESUMED")
    heard, late = (line for line in here.watched() if line["type"] == "ADDED")
    assert heard["at_ns"] <= resumed["since_ns"] < resumed["at_ns"] <= late["at_ns"]
    assert "nothing came for 2 s" in resumed["reason"]


def test_a_live_watch_is_never_given_up(here: Room, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Felt twenty times while objects come, change and go, a watch that is alive stays as it is."""
    monkeypatch.setattr(heartbeat, "OBJECTS_PER_S", 1_000_000)
    kept: list[str] = []
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        _recorder(here, cluster, heartbeat_s=0.005) as recorder,
    ):
        for n in range(5000):
            made = here.make(config_map(here, f"map-{n}"))
            here.executor.do(mutations.patch(ref_of(made), {"data": {"n": str(n)}}))
            if n % 10:
                here.remove(made)
            else:
                kept.append(f"map-{n}")
            if sum("limit=" in line and "watch=true" not in line for line in proxy.seen) > 20:
                break
        else:
            pytest.fail("it was hardly felt, so nothing was proved")
        assert here.seen(recorder, "ConfigMap", *kept)
    assert "RESUMED" not in _types(here)
    assert "GAP" not in _types(here)


def test_a_watch_that_is_dead_at_the_end_leaves_a_gap_back_to_its_last_proof(here: Room, proxy: FaultProxy) -> None:
    """What happened after it is in no record, and the record says so instead of ending as if all was well."""
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        _recorder(here, cluster, heartbeat_s=3600) as recorder,
    ):
        here.make(config_map(here, "heard"))
        assert here.seen(recorder, "ConfigMap", "heard")
        recorder.prove()
        proved_ns = here.clock.now_ns()
        proxy.mute()
        here.make(config_map(here, "held-back"))
    assert _types(here) == ["SYNCED", "ADDED", "RESUMED", "GAP", "END"]
    (heard,) = (line for line in here.watched() if line["type"] == "ADDED")
    (gap,) = (line for line in here.watched() if line["type"] == "GAP")
    assert heard["at_ns"] <= gap["since_ns"] <= proved_ns
    assert gap["reason"] == "the watch was dead at its end"


def test_a_list_in_pages_is_one_list(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are of one moment: all their objects, then one SYNCED."""
    monkeypatch.setattr(reflector, "PAGE", 2)
    for n in range(5):
        here.make(config_map(here, f"map-{n}"))
    with _recorder(here, here.cluster) as recorder:
        assert here.seen(recorder, "ConfigMap", *(f"map-{n}" for n in range(5)))
    assert _types(here) == ["LISTED"] * 5 + ["SYNCED", "END"]


def test_every_kind_shares_one_file(here: Room) -> None:
    """All known kinds are recorded at once: each is synced and ended, whole lines only, times in order."""
    wide = [kind.name for kind in KINDS.values() if not kind.namespaced and "metrics" not in kind.group]
    namespaced = [kind.name for kind in KINDS.values() if kind.namespaced and "metrics" not in kind.group]
    assert len(wide + namespaced) >= 20
    scopes = [*(Scope(kind, here.namespace) for kind in namespaced), *(Scope(kind) for kind in wide)]
    with Recorder(here.cluster, here.clock, here.folder / "watch.jsonl", scopes) as recorder:
        here.make(pod(here, "model-0"))
        assert recorder.wait_for(lambda: recorder.objects("Event"), 20)
        assert len(recorder.objects("Node")) >= 3
    lines = here.watched()
    for type_ in ("SYNCED", "END"):
        assert sorted(line["kind"] for line in lines if line["type"] == type_) == sorted(namespaced + wide)
    _assert_in_order(lines)


def test_a_kind_that_may_not_be_watched_is_refused_at_once(here: Room, proxy: FaultProxy) -> None:
    """Without the right to list a kind the recorder does not start, and says which kind and right."""
    forbidden = GONE | {"reason": "Forbidden", "code": 403, "message": "configmaps is forbidden"}
    proxy.trouble(Answer(403, json.dumps(forbidden).encode()), path="/configmaps", times=99)
    with (
        connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster,
        pytest.raises(ClusterRefused, match="list and watch ConfigMap: 403 configmaps is forbidden"),
    ):
        _recorder(here, cluster).start()
    assert threading.active_count() == len([t for t in threading.enumerate() if not t.name.startswith("watch-")])


def test_a_server_that_stays_away_breaks_the_harness(here: Room, proxy: FaultProxy) -> None:
    """After the stated outage the recorder gives up: check and every wait say so, and the record ends in a gap."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster:
        recorder = _recorder(here, cluster, outage_max_s=1.0)
        recorder.start()
        _await(proxy.watches)
        proxy.trouble(Answer(503, b"away"), path="/configmaps", times=10_000)
        proxy.cut()
        with pytest.raises(HarnessBroken, match=r"the record of ConfigMap ended early: .*503 away"):
            recorder.wait_for(lambda: False, 30)
        with pytest.raises(HarnessBroken):
            recorder.check()
        recorder.stop()
    assert _types(here) == ["SYNCED", "GAP"]


def test_stopping_while_the_server_is_away_leaves_a_gap_at_the_end(here: Room, proxy: FaultProxy) -> None:
    """What happened since the connection broke was not recorded, and the record says so."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster, _recorder(here, cluster):
        _await(proxy.watches)
        asked = len(proxy.seen)
        proxy.trouble(Answer(503, b"away"), path="/configmaps", times=10_000)
        proxy.cut()
        _await(lambda: len(proxy.seen) > asked + 1)
    assert _types(here) == ["SYNCED", "GAP", "END"]


def test_a_kind_twice_is_refused(here: Room) -> None:
    """Two scopes of a kind would mix two lists under one name."""
    with pytest.raises(UsageError, match="ConfigMap is to be recorded twice"):
        _recorder(here, here.cluster, "ConfigMap", "ConfigMap")


RECORD = """
import sys, pathlib
from chaos.clock import Clock
from chaos.cluster import Recorder, Scope, connect
kubeconfig, context, namespace, path = sys.argv[1:]
cluster = connect(kubeconfig=pathlib.Path(kubeconfig), context=context)
with Recorder(cluster, Clock.start(), pathlib.Path(path), [Scope("ConfigMap", namespace)]) as recorder:
    print("ready", flush=True)
    recorder.wait_for(lambda: False, 60)
"""


def test_a_killed_recorder_leaves_whole_lines(here: Room, simulated: SimulatedCluster) -> None:
    """After SIGKILL in the middle of a busy watch every line is whole, but for at most a partial last one."""
    path = here.folder / "watch.jsonl"
    argv = [sys.executable, "-c", RECORD, str(simulated.kubeconfig), simulated.context, here.namespace, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=here.folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        made = ref_of(here.make(config_map(here, "busy", text="x" * 100_000)))
        for n in range(30):
            here.executor.do(mutations.patch(made, {"data": {"n": str(n)}}))
        os.kill(process.pid, signal.SIGKILL)
    *whole, last = path.read_bytes().split(b"\n")
    lines = [json.loads(line) for line in whole]
    assert len(lines) > 20
    assert b"END" not in last
    assert all(line["type"] != "END" for line in lines)
    assert read_watch(path).covered_ns["ConfigMap"][1] == lines[-1]["at_ns"]


def test_reading_lines_back_needs_no_cluster(here: Room) -> None:
    """The record alone gives the objects that the recorder saw."""
    with _recorder(here, here.cluster) as recorder:
        here.make(config_map(here, "one"))
        assert here.seen(recorder, "ConfigMap", "one")
        live = recorder.objects("ConfigMap")
    (kept,) = (line["object"] for line in read_lines(here.folder / "watch.jsonl") if line["type"] in STATES)
    assert "managedFields" not in kept["metadata"]
    assert (kept,) == live
