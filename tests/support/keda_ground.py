"""What stands around a system that KEDA scales: a gateway that counts, Prometheus, and a hand that stops it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from trial_room import served

from chaos.lab.addons.prometheus import PROMETHEUS
from chaos.lab.host.processes import Child, start_child
from chaos.progress import Terminal

LOOPBACK = "127.0.0.1"


@dataclass
class Front:
    """A gateway: it answers while `ready`, else refuses with 503, and tells Prometheus who asked, and who waits."""

    namespace: str = ""
    ready: Callable[[], object] = lambda: True
    asked: int = 0
    waiting: int = 1

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = self.path == "/metrics"
                front.asked += not told
                whose = f'{{namespace="{front.namespace}"}}'
                body = f"service_packets_total{whose} {front.asked}\nrequests_waiting{whose} {front.waiting}\n"
                self.send_response(200 if told or front.ready() else 503)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        with served(Handler) as url:
            yield url


@dataclass
class Signals:
    """The metrics path of these tests: Prometheus, which is stopped by signals."""

    child: Child

    def objection(self, program: str) -> str:
        """Why another cannot be stopped."""
        return "" if program == "prometheus" else f"there is no {program}"

    def stop(self, _program: str) -> str:
        """Stop it."""
        os.kill(self.child.process.pid, signal.SIGSTOP)
        return ""

    def go_on(self, _program: str) -> str:
        """Let it go on."""
        os.kill(self.child.process.pid, signal.SIGCONT)
        return ""

    def stands_still(self, _program: str) -> bool:
        """Whether the kernel says so."""
        return Path(f"/proc/{self.child.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def autoscaler(self) -> str:
        """Nobody restarts it here."""
        return ""

    def restart_autoscaler(self) -> str:
        """As above."""
        return "not here"


@contextlib.contextmanager
def running(name: str, argv: list[Any], folder: Path) -> Iterator[Child]:
    """A program, which must still live in the end."""
    child = start_child(name, argv, folder=folder)
    try:
        yield child
        assert child.alive(), child.log.read_text()[-2000:]
    finally:
        child.process.kill()
        child.process.wait()


@contextlib.contextmanager
def prometheus(front: str, folder: Path) -> Iterator[tuple[str, Child]]:
    """A Prometheus that scrapes the front every second: its address, and its process."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    jobs = [{"job_name": "front", "static_configs": [{"targets": [front.removeprefix("http://")]}]}]
    (folder / "prometheus.json").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    argv = [PROMETHEUS.make(Terminal()) / "prometheus", f"--config.file={folder / 'prometheus.json'}"]
    argv += [f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address={LOOPBACK}:{port}"]
    with running("prometheus", argv, folder) as child:
        yield f"http://{LOOPBACK}:{port}", child
