"""How many watch events a second one core takes in: our recorder beside the kubernetes package's typed watch.

    python tests/bench/watch_intake.py [--events N] [--rounds N]

A second process replays watch events of pods (pod_events.jsonl, recorded on a real API server, about 2.7 kB each) over
HTTP on the loopback, each event in a chunk of its own, as an API server sends them. Counted is the processor time of
this process, so a busy machine disturbs the ratio little. The recorder does all it does in a trial: it writes every
event to a file, keeps the live state, and somebody waits on it. The typed watch makes its model of each event and
throws it away.
"""

import argparse
import json
import multiprocessing
import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes.watch import Watch

from chaos.clock import Clock
from chaos.cluster import Cluster, ClusterFacts, Recorder, Scope
from chaos.cluster.transport import Transport

EVENTS = Path(__file__).with_name("pod_events.jsonl")
REACH_PER_S = 20_000
REACH_RATIO = 10
BLOCK = 200
LAST = "the-last-one"


def main() -> int:
    """Measure in turns, print the medians, and fail if the recorder is slower than it must be."""
    parser = argparse.ArgumentParser(description="events a second and core: recorder beside typed watch")
    parser.add_argument(
        "--events", type=int, default=60_000, help="events for the recorder; the typed watch gets a tenth"
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = [len(line) for line in EVENTS.read_bytes().splitlines()]
    say = sys.stdout.write
    say(f"{len(sizes)} events, {statistics.mean(sizes):.0f} bytes on average; {options.rounds} rounds in turns\n")
    ours, typed = [], []
    for _ in range(options.rounds):
        ours.append(_measured(_record, options.events))
        typed.append(_measured(_watch_typed, options.events // 10))
    rate, beside = statistics.median(ours), statistics.median(typed)
    say(f"recorder     {rate:9,.0f} events/s/core   {_spread(ours)}\n")
    say(f"typed watch  {beside:9,.0f} events/s/core   {_spread(typed)}\n")
    say(f"ratio        {rate / beside:9.1f}   to reach: {REACH_PER_S:,} events/s/core and a ratio of {REACH_RATIO}\n")
    return 0 if rate >= REACH_PER_S and rate >= REACH_RATIO * beside else 1


def _spread(rates: Sequence[float]) -> str:
    return f"({min(rates):,.0f} to {max(rates):,.0f})"


def _measured(take_in: Callable[[str, int], float], events: int) -> float:
    """Events a second of the processor time that `take_in` says it needed for a stream of `events`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        replayer = multiprocessing.get_context("fork").Process(target=_replay, args=(listener, events), daemon=True)
        replayer.start()
        try:
            return events / take_in(f"http://127.0.0.1:{listener.getsockname()[1]}", events)
        finally:
            replayer.terminate()
            replayer.join()


def _record(server: str, events: int) -> float:
    """Take the stream in as a trial does; the number of lines in the file must be the number of events."""
    client = ApiClient(_configuration(server))
    cluster = Cluster(Transport(client), ClusterFacts("bench", server, "", "", ()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watch.jsonl"
        began = time.process_time()
        with cluster, Recorder(cluster, Clock.start(), path, [Scope("Pod", "bench")]) as recorder:
            arrived = recorder.wait_for(lambda: LAST in [p["metadata"]["name"] for p in recorder.objects("Pod")], 120)
            assert arrived, "the stream did not come to its end"
        needed_s = time.process_time() - began
        kept = sum(b'"object":' in line for line in path.read_bytes().splitlines())
        assert kept == events, f"{kept} events in the file, {events} sent"
    return needed_s


def _watch_typed(server: str, events: int) -> float:
    """Take the stream in with the package's own means."""
    with ApiClient(_configuration(server)) as client:
        watch: Any = Watch()  # type: ignore[no-untyped-call]  # the package leaves it untyped
        pods = CoreV1Api(client)
        count, began = 0, time.process_time()
        for event in watch.stream(pods.list_namespaced_pod, "bench", resource_version="1"):
            count += 1
            if event["object"].metadata.name == LAST:
                watch.stop()
        needed_s = time.process_time() - began
    assert count == events, f"{count} events of {events}"
    return needed_s


def _configuration(server: str) -> Configuration:
    configuration = Configuration(host=server)
    configuration.retries = False
    return configuration


# --- the other process ------------------------------------------------------------------------------------------


def _replay(listener: socket.socket, events: int) -> None:
    """Answer a list with an empty one, and the first watch with all the events."""
    while True:
        connection, _ = listener.accept()
        with connection:
            while request := connection.recv(65536):
                query = parse_qs(urlsplit(request.split(b" ", 2)[1].decode()).query)
                if "watch" in query:
                    _stream(connection, events)
                else:
                    body = json.dumps({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}).encode()
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    connection.sendall(head % len(body) + body)


def _stream(connection: socket.socket, events: int) -> None:
    recorded = [line + b"\n" for line in EVENTS.read_bytes().splitlines()]
    last = re.sub(rb'"(name|uid)":"[^"]*"', rb'"\1":"%b"' % LAST.encode(), recorded[0], count=2)
    chunks = [_chunk(recorded[n % len(recorded)]) for n in range(events - 1)]
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for begin in range(0, len(chunks), BLOCK):
        connection.sendall(b"".join(chunks[begin : begin + BLOCK]))
    connection.sendall(_chunk(last))
    connection.recv(1)  # until the other side has had enough


def _chunk(line: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(line), line)


if __name__ == "__main__":
    sys.exit(main())
