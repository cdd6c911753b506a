"""How fast one core of open-loop traffic is, beside Locust's own closed loop in the same run.

`python tests/bench/open_loop.py` (needs `apt-get install nginx-light wrk`, and two processors). The server and the
generator each have a processor of their own. The highest rate is the highest at which every arrival is answered and
the start lag stays bounded; the lag at half of it says how truthful latencies are there.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import NS, Clock
from chaos.wait import until
from loadgen.driver.driver import Generator
from loadgen.profiles import HttpProfile
from loadgen.shapes import Steady

SERVER_CPU, GENERATOR_CPU = "1", "0"
WARM_UP_S = 1.0
LAG_BOUND_S = 0.05
"""A generator whose start lag p99 is above this has fallen behind."""

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{{"answer":"ok"}}'; }} }}
}}
"""

CLOSED_LOOP = """
import sys, time
import gevent, locust
from locust.env import Environment

class Closed(locust.FastHttpUser):
    host = sys.argv[1]
    @locust.task
    def get(self):
        self.client.get("/")

environment = Environment(user_classes=[Closed])
runner = environment.create_local_runner()
runner.start(50, spawn_rate=50)
gevent.sleep(2)
began, before = time.monotonic(), environment.stats.total.num_requests
gevent.sleep(float(sys.argv[2]))
print((environment.stats.total.num_requests - before) / (time.monotonic() - began))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run at a fixed rate, its warm-up left out."""

    rate_rps: float
    ok_share: float
    lag_p50_s: float
    lag_p99_s: float
    cpu_share: float

    @property
    def kept_up(self) -> bool:
        """Whether the generator sent what it should, when it should."""
        return self.ok_share == 1.0 and self.lag_p99_s < LAG_BOUND_S


@contextmanager
def nginx() -> Iterator[str]:
    """A static server on its own processor."""
    program = shutil.which("nginx") or sys.exit("nginx is needed: apt-get install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, port=port))
        process = subprocess.Popen(["taskset", "-c", SERVER_CPU, program, "-c", str(config), "-p", folder])
        try:
            until(lambda: _answers(port), deadline_s=10, awaited="nginx")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wrk_rps(url: str, duration_s: float) -> float:
    """What wrk gets out of the server with one thread and 50 kept connections: how much the server can give."""
    command = ["taskset", "-c", GENERATOR_CPU, "wrk", "-t1", "-c50", f"-d{round(duration_s)}s", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=duration_s + 60)
    return next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Requests/sec:"))


def closed_loop_rps(url: str, duration_s: float) -> float:
    """What 50 of Locust's FastHttpUsers get out of one core, connections kept."""
    command = ["taskset", "-c", GENERATOR_CPU, sys.executable, "-c", CLOSED_LOOP, url, str(duration_s)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=duration_s + 60)
    return float(done.stdout)


def open_loop(url: str, connections: str, rate_rps: float, duration_s: float) -> Measured:
    """Offer a fixed rate for a while, in a generator of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Clock.start()
        with Generator.start(
            run_folder=folder,
            clock=clock,
            profile=HttpProfile(path="/", connections=connections, timeout_s=10),  # type: ignore[arg-type]
            url=url,
            seed=1,
            duration_max_s=duration_s + 60,
            in_flight_max=5000,
            wrap=lambda command: ["taskset", "-c", GENERATOR_CPU, *command],
        ) as generator:
            stream = generator.begin(Steady(rate_rps), "bench")
            time.sleep(duration_s)  # the length of the measurement, not a wait for something
            generator.finish()
        from_ns = stream.begin_ns + round(WARM_UP_S * NS)
        with (folder / "requests.jsonl").open() as lines:
            rows = [row for row in map(json.loads, lines) if row["intended_ns"] >= from_ns]
        with (folder / "generator.jsonl").open() as lines:
            cpus = [sample["cpu_share"] for sample in map(json.loads, lines) if not sample.get("final")]
    lags = sorted(row["sent_ns"] - row["intended_ns"] for row in rows if row["sent_ns"] is not None) or [10**12]
    ok = sum(row["outcome"] == "ok" for row in rows)
    return Measured(rate_rps, ok / len(rows), _at(lags, 0.5), _at(lags, 0.99), max(cpus, default=0.0))


def _at(ordered: list[int], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] / NS


def highest(url: str, connections: str, start_rps: float, duration_s: float) -> Measured:
    """The highest rate that the generator keeps up with, to 5 percent."""
    low, best = 0.0, open_loop(url, connections, start_rps / 4, duration_s)
    low, high, rate_rps = best.rate_rps, 0.0, start_rps
    for _ in range(10):
        measured = open_loop(url, connections, rate_rps, duration_s)
        if measured.kept_up:
            low, best = rate_rps, measured
        else:
            high = rate_rps
        if high and high - low < 0.05 * high:
            break
        rate_rps = (low + high) / 2 if high else 1.5 * low
    return best


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration-s", type=float, default=4.0, help="length of each measurement")
    duration_s = parser.parse_args().duration_s
    if (os.cpu_count() or 1) < 2:
        sys.exit("two processors are needed: one for the server, one for the generator")
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    with nginx() as url:
        _say(f"wrk, 1 thread, 50 kept connections: {wrk_rps(url, duration_s):,.0f}/s (what the server can give)")
        closed_rps = closed_loop_rps(url, duration_s)
        _say(f"Locust FastHttpUser, closed loop, 50 users, kept connections: {closed_rps:,.0f}/s")
        for connections in ("reuse", "fresh"):
            best = highest(url, connections, closed_rps if connections == "reuse" else closed_rps / 2, duration_s)
            half = open_loop(url, connections, best.rate_rps / 2, duration_s)
            _say(
                f"open loop, connections {connections}: highest {best.rate_rps:,.0f}/s "
                f"({best.rate_rps / closed_rps:.2f} of the closed loop; start lag p99 {best.lag_p99_s * 1e3:.1f} ms)\n"
                f"  at half of it, {half.rate_rps:,.0f}/s: start lag p50 {half.lag_p50_s * 1e3:.2f} ms, "
                f"p99 {half.lag_p99_s * 1e3:.2f} ms, max CPU of a second {half.cpu_share:.0%}"
            )


if __name__ == "__main__":
    main()
