"""Waiting for the service to take connections, before any traffic."""

from __future__ import annotations

import socket
import threading

from loadgen.driver.reachability import await_reachable


def test_a_port_that_listens_is_reachable() -> None:
    """A connection that is taken ends the wait with nothing to say."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert await_reachable(url, list, deadline_s=10) == ""


def test_a_closed_port_is_named_with_what_was_seen_last() -> None:
    """Nobody listens: the words name the address and the refusal."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = await_reachable(f"http://127.0.0.1:{port}", list, deadline_s=0.3)
    assert str(port) in said
    assert "refused" in said


def test_a_port_that_opens_later_is_waited_for() -> None:
    """A listener that comes while the wait goes on is found."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        timer = threading.Timer(1.0, held.listen)
        timer.start()
        assert await_reachable(f"http://127.0.0.1:{held.getsockname()[1]}", list, deadline_s=20) == ""
        timer.join()
