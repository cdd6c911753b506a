"""A command in a container whose other end says nothing, or never stops: it is given up in its time, and not known."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from chaos.cluster import Command, NullJournal, Ran, execute, pod_exec
from chaos.objects.base import Ref

POD = Ref("Pod", "ns", "model-a", "uid-a")
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of RFC 6455, by which a server shows that it read the handshake."""

Peer = Callable[[socket.socket, threading.Event], None]


def greeted(peer: socket.socket) -> None:
    """Open the WebSocket as an API server does."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
    key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode(), usedforsecurity=False).digest()).decode()
    words = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
    told = (*words, f"Sec-WebSocket-Accept: {accept}", "Sec-WebSocket-Protocol: v5.channel.k8s.io", "", "")
    peer.sendall("\r\n".join(told).encode())


def dumb(_peer: socket.socket, over: threading.Event) -> None:
    """Take the connection and say nothing."""
    over.wait(30)


def silent(peer: socket.socket, over: threading.Event) -> None:
    """Begin the command and say nothing of it."""
    greeted(peer)
    over.wait(30)


def endless(peer: socket.socket, over: threading.Event) -> None:
    """Print for ever."""
    greeted(peer)
    while not over.wait(0.05):
        peer.sendall(bytes((0x82, 4, 1)) + b"out")


def knocking(peer: socket.socket, over: threading.Event) -> None:
    """Show that it lives, again and again, and nothing else."""
    greeted(peer)
    while not over.wait(0.05):
        peer.sendall(bytes((0x89, 0)))


@contextmanager
def talking_to(peer: Peer) -> Iterator[Any]:
    """A cluster whose API server is that, with one pod."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            peer(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        configuration = Configuration(host=f"http://127.0.0.1:{listening.getsockname()[1]}")
        configuration.proxy = None
        transport = SimpleNamespace(_api=ApiClient(configuration), server=configuration.host)
        yield SimpleNamespace(transport=transport, get=lambda *_: {"metadata": {"uid": POD.uid}})
        over.set()
        thread.join(10)


@pytest.mark.parametrize("peer", [dumb, silent, endless, knocking])
def test_a_command_that_is_never_answered_ends_in_its_time(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it ran cannot be known: a heal by it is none, and what it undoes stays recorded."""
    monkeypatch.setattr(pod_exec, "OPEN_S", 0.5)
    with talking_to(peer) as cluster:
        began = time.monotonic()
        ran: Ran = execute(cluster, SimpleNamespace(), NullJournal(), Command(POD, "model", ("true",), timeout_s=1.5))  # type: ignore[arg-type]  # it is not asked
        assert time.monotonic() - began < 15
    assert (ran.outcome, ran.exit_code, bool(ran.reason)) == ("info", None, True)
