"""A load pod obeys its driver, and reads nothing of what anybody else sends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from chaos.wait import until
from loadgen.pod import server as pod_server
from loadgen.pod.contract import ANSWERS, RECORDS, TOKEN_HEADER
from loadgen.pod.pages import Copy
from loadgen.pod.server import REQUEST_MAX_BYTES, handler_of

TOKEN = "the driver's"  # noqa: S105  # for this test
HELLO = json.dumps({"do": "hello", "arguments": {}}).encode()


class Pod:
    """Writes down what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def do(self, action: str, _arguments: object) -> dict[str, Any]:
        """Do it."""
        self.asked.append(action)
        return {"done": action}


@pytest.fixture
def pod() -> Pod:
    """A pod's actions."""
    return Pod()


@pytest.fixture
def port(pod: Pod) -> Iterator[int]:
    """The pod, on loopback."""
    handler = handler_of(cast("Any", pod), hashlib.sha256(TOKEN.encode()).hexdigest())
    kind = type("Server", (ThreadingHTTPServer,), {"request_queue_size": pod_server._Server.request_queue_size})
    with kind(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def said(
    port: int, body: bytes = b"", *, token: str = TOKEN, length: str | None = None, host: str = "127.0.0.1"
) -> int:
    """The status of the answer to a request, of which the body is sent as given, whatever its length is said to be."""
    head = f"POST /do HTTP/1.1\r\nHost: pod\r\n{TOKEN_HEADER}: {token}\r\n"
    head += f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    with socket.create_connection((host, port), 10) as connection:
        connection.sendall(head.encode() + body)
        return int(connection.recv(4096).split()[1])


def test_the_driver_is_obeyed(port: int, pod: Pod) -> None:
    """Its token is in a header."""
    assert said(port, HELLO) == 200
    assert pod.asked == ["hello"]


@pytest.mark.parametrize("length", [None, "67108864", "-1", "9" * 30, "many"])
def test_a_stranger_is_refused_before_the_body(length: str | None, port: int, pod: Pod) -> None:
    """Whatever he says is to come: the answer is there before any of it."""
    assert said(port, token=TOKEN.title(), length=length) == 403
    assert pod.asked == []


@pytest.mark.parametrize("length", ["-1", "", "many", "+5", "\u0665", "0" * 20 + "9" * 12, str(REQUEST_MAX_BYTES + 1)])
def test_a_length_without_a_bound_is_refused(length: str, port: int, pod: Pod) -> None:
    """Also from the driver: a negative one would be read until the connection ends."""
    assert said(port, HELLO, length=length) == 413
    assert pod.asked == []


def has(host: str) -> bool:
    """Whether this machine has that address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "family"),
    [
        pytest.param("127.0.0.1", None, id="IPv4"),
        pytest.param("::1", None, id="IPv6", marks=pytest.mark.skipif(not has("::1"), reason="there is no IPv6 here")),
        pytest.param("127.0.0.1", socket.AF_INET, id="a node without IPv6"),
    ],
)
def test_a_pod_is_reached_by_whichever_family_its_cluster_has(
    host: str, family: int | None, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cluster of both its address may be of either; a stranger is refused by each."""
    if family is not None:
        monkeypatch.setattr(pod_server._Server, "address_family", family)
    handler = handler_of(cast("Any", pod), hashlib.sha256(TOKEN.encode()).hexdigest())
    with pod_server._Server(("", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            assert said(server.server_port, HELLO, host=host) == 200
            assert said(server.server_port, host=host, token="another") == 403  # noqa: S106  # not the pod's
        finally:
            server.shutdown()
            thread.join()
    assert pod.asked == ["hello"]


def test_a_body_that_never_comes_is_given_up(port: int, pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing comes does not stay."""
    assert pod_server.REQUEST_S <= 60
    handler = handler_of(cast("Any", pod), hashlib.sha256(TOKEN.encode()).hexdigest())
    monkeypatch.setattr(handler, "timeout", 0.3)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert said(server.server_port, b"{", length="100") == 400
        server.shutdown()
    assert said(port, HELLO) == 200


def test_a_question_leaves_nothing_on_the_connection(port: int, pod: Pod) -> None:
    """What a stranger sends behind it is no request of whoever has the connection next."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        smuggled = b"POST /do HTTP/1.1\r\nHost: pod\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n" + smuggled)
        received = b""
        while piece := connection.recv(4096):
            received += piece
    assert received.count(b"HTTP/1.1 ") == 1
    assert pod.asked == []


def test_every_answer_is_as_agreed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver takes no other: each field is there and of its type, and there is none beside."""
    monkeypatch.setattr(pod_server, "await_reachable", lambda *_, **__: "not reachable")
    real = pod_server.Pod(tmp_path)
    monkeypatch.setattr(real._process, "tell", lambda *_: None)
    (tmp_path / "requests.jsonl").write_text("{}\n")
    arguments: dict[str, dict[str, Any]] = {
        "tell": {"number": 0, "command": {}, "environ": {}},
        "hear": {"number": 0, "wait_s": 0},
        "read": {"offsets": dict.fromkeys(RECORDS, 0)},
        "reach": {"url": "http://x", "deadline_s": 0},
    }
    assert real.actions.keys() == ANSWERS.keys()
    for action, fields in ANSWERS.items():
        said = json.loads(json.dumps(real.do(action, arguments.get(action, {}))))
        assert said.keys() == fields.keys()
        assert all(type(said[name]) in types for name, types in fields.items())
    pages = real.do("read", arguments["read"])["pages"]
    assert [Copy().take(one) for one in pages.values()] == [b"{}\n", b"", b""]


def test_many_strangers_do_not_keep_the_driver_out(port: int, pod: Pod) -> None:
    """They open connections and send nothing, or a little now and then: the oldest is closed for a new one."""
    with contextlib.ExitStack() as stack:
        driver = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        head = f"POST /do HTTP/1.1\r\nHost: pod\r\n{TOKEN_HEADER}: {TOKEN}\r\nContent-Length: {len(HELLO)}\r\n\r\n"
        driver.sendall(head.encode() + HELLO)
        assert driver.recv(4096).split()[1] == b"200"
        before = threading.active_count()
        strangers = []
        for _ in range(3 * pod_server.STRANGERS_MAX):
            strangers.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)))
            strangers[-1].sendall(b"POST /do HTTP/1.1\r\nX: ")
        assert said(port, HELLO) == 200
        assert strangers[0].recv(1) == b""
        until(lambda: threading.active_count() <= before + pod_server.STRANGERS_MAX, deadline_s=5, awaited="the end")
        driver.sendall(head.encode() + HELLO)
        assert driver.recv(4096).split()[1] == b"200"
    assert pod.asked == ["hello"] * 3
