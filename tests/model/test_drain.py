"""How the real server ends."""

import signal
import time
from collections.abc import Callable
from http.client import IncompleteRead, RemoteDisconnected

import pytest
from model_replica import Replica

from chaos.wait import until


def test_sigterm_unreadies_at_once_serves_what_comes_and_finishes_what_runs(start: Callable[..., Replica]) -> None:
    """A drain loses nothing: neither the stream under way nor a request that comes before the endpoints are updated."""
    server = start(SETTLE_S="3", GRACE_S="120")
    with server.stream(max_tokens=200, stream_options={"include_usage": True}) as stream:
        next(stream.lines)
        server.terminate()
        server.until_status("/readyz", 503, deadline_s=2)
        assert server.status("/livez") == 200
        late = server.chat(max_tokens=1)
        assert (late.status, late.headers["connection"]) == (200, "close")
        assert server.metric("model_draining") == 1
        assert stream.events()[-1]["usage"]["completion_tokens"] == 200
    assert server.exit_status(within_s=20) == 0
    assert server.log().endswith("drained\n")


def test_after_the_settle_time_no_connection_is_taken_and_the_stream_goes_on(start: Callable[..., Replica]) -> None:
    """The listener closes first, the answers under way end later."""
    server = start(SETTLE_S="0", GRACE_S="120")
    with server.stream(max_tokens=200) as stream:
        next(stream.lines)
        server.terminate()
        until(lambda: refuses(server), deadline_s=5, awaited="the listener to close")
        assert len(stream.events()) > 150
    assert server.exit_status(within_s=20) == 0


def test_an_idle_server_ends_when_the_settle_time_is_over(start: Callable[..., Replica]) -> None:
    """There is nothing to wait for but the endpoints."""
    server = start(SETTLE_S="1", GRACE_S="60")
    began_s = time.monotonic()
    server.terminate()
    assert server.exit_status(within_s=20) == 0
    assert time.monotonic() - began_s >= 1


def test_an_answer_that_outlasts_the_grace_is_cut_visibly(start: Callable[..., Replica]) -> None:
    """Shortly before SIGKILL would come the server ends by itself, with status 0, and the stream has no proper end."""
    server = start(SETTLE_S="0", GRACE_S="3", STALL_S="1000")
    with server.stream(max_tokens=256) as stream:
        lines = stream.lines
        next(lines)
        server.signal_engine(signal.SIGSTOP)  # so that no machine is fast enough
        server.terminate()
        assert server.exit_status(within_s=20) == 0
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            assert "[DONE]" not in list(lines)
    assert "cut off: the grace is nearly over" in server.log()


def test_a_drain_does_not_wait_for_a_stuck_engine(start: Callable[..., Replica]) -> None:
    """What liveness has given up is restarted at once, not after the whole grace."""
    server = start(SETTLE_S="0", GRACE_S="1000", STALL_S="1")
    with server.stream(max_tokens=256) as stream:
        next(stream.lines)
        server.signal_engine(signal.SIGSTOP)
        server.until_status("/livez", 503, deadline_s=30)
        server.terminate()
        assert server.exit_status(within_s=30) == 0
    assert "cut off: the engine is stuck" in server.log()


def refuses(server: Replica) -> bool:
    """Whether a new connection is refused: one that was waiting as the listener closed is reset instead."""
    try:
        server.status("/livez")
    except ConnectionRefusedError:
        return True
    except (ConnectionResetError, RemoteDisconnected):
        pass
    return False
