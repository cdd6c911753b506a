"""Help for the generator's tests: a server that misbehaves, a generator that talks to it, and the accounts of both."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.clock import Clock
from chaos.wait import until
from loadgen.driver.driver import Finished, Generator, StreamHandle
from loadgen.profiles import Profile

SERVER = Path(__file__).with_name("http_server.py")


@dataclass(frozen=True, slots=True)
class Served:
    """A server process and where it listens."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(*tls: str) -> Iterator[Served]:
    """A server of `server.py` in a process of its own."""
    command = [sys.executable, str(SERVER), "pod-1", *tls]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Served(process, int(process.stdout.readline()))
        finally:
            process.kill()


def started(folder: Path, url: str, profile: Profile, **options: Any) -> Generator:
    """A generator that writes into `folder`; ended by itself after a minute at most."""
    given: dict[str, Any] = {"seed": 1, "duration_max_s": 60.0, "clock": Clock.start(), **options}
    return Generator.start(run_folder=folder, profile=profile, url=url, **given)


def wait_for_records(folder: Path, count: int) -> None:
    """Wait until so many arrivals have a record."""
    until(lambda: len(records(folder)) >= count, deadline_s=20, awaited=f"{count} records")


def wait_until_past(clock: Clock, at_ns: int) -> None:
    """Wait until the trial's clock has passed a moment."""
    until(lambda: clock.now_ns() > at_ns, deadline_s=20, awaited="a moment", poll_s=0.02)


def records(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of requests.jsonl."""
    path = folder / "requests.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def samples(folder: Path) -> list[dict[str, Any]]:
    """The lines of generator.jsonl."""
    return [json.loads(line) for line in (folder / "generator.jsonl").read_text().splitlines()]


def outcomes(folder: Path) -> Counter[str]:
    """How many records there are of each outcome."""
    return Counter(record["outcome"] for record in records(folder))


def intended(stream: StreamHandle) -> list[tuple[str, int, int]]:
    """What the plan says: each arrival of a stream that has ended, by name, number and moment."""
    assert stream.end_ns is not None
    return [(stream.name, k, at_ns) for k, at_ns in stream.shape.arrivals_ns(stream.begin_ns, stream.end_ns)]


def assert_all_accounted_for(folder: Path, finished: Finished, *streams: StreamHandle) -> None:
    """Every intended arrival has exactly one record, and the generator's own counts agree."""
    rows = records(folder)
    planned = sorted(arrival for stream in streams for arrival in intended(stream))
    assert sorted((row["stream"], row["id"], row["intended_ns"]) for row in rows) == planned
    for stream in streams:
        own = Counter(row["outcome"] for row in rows if row["stream"] == stream.name)
        assert finished.counts[stream.name] == own
        assert finished.due[stream.name] == len(intended(stream))
    last = samples(folder)[-1]
    assert last["final"]
    assert (last["due"], last["done"], last["in_flight"]) == (len(planned), len(rows), 0)
    assert last["sent"] == sum(row["sent_ns"] is not None for row in rows)
