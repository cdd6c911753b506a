"""What the real server tells the kubelet. The engine is a process of its own: it is made to hang by stopping it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path

import pytest
from model_replica import Replica

from chaos.wait import until

# A stall of 1 s is seen at the second tick after it began; the rest is for a busy machine.
STALL = {"STALL_S": "1", "SELF_CHECK_S": "0.5"}
SEEN_WITHIN_S = 30.0


def test_a_server_whose_weights_are_not_loaded_is_alive_and_neither_started_nor_ready(
    start: Callable[..., Replica], tmp_path: Path
) -> None:
    """While the weights come (here: never, from a pipe that nobody fills) nobody is sent here, and nobody kills it."""
    weights = tmp_path / "weights.gguf"
    os.mkfifo(weights)
    server = start(ready=False, WEIGHTS=str(weights))
    assert [server.status(path) for path in ("/startupz", "/readyz", "/livez")] == [503, 503, 200]
    refused = server.chat()
    assert (refused.status, refused.json["error"]["code"]) == (503, "loading")
    server.terminate()
    assert server.exit_status(within_s=20) == 0


def test_a_ready_server_has_generated(replica: Replica) -> None:
    """All three health paths agree once the weights have answered, and the next answer is there."""
    assert [replica.status(path) for path in ("/startupz", "/readyz", "/livez")] == [200, 200, 200]
    assert replica.chat(max_tokens=1).json["usage"]["completion_tokens"] == 1


def test_a_withdrawn_server_is_alive_and_serves_who_comes(replica: Replica) -> None:
    """Told to be not ready it only says so, and takes it back when told."""
    replica.process.send_signal(signal.SIGUSR1)
    replica.until_status("/readyz", 503, deadline_s=SEEN_WITHIN_S)
    assert [replica.status(path) for path in ("/startupz", "/livez")] == [200, 200]
    assert replica.chat(max_tokens=1).status == 200
    replica.process.send_signal(signal.SIGUSR2)
    replica.until_status("/readyz", 200, deadline_s=SEEN_WITHIN_S)


def test_weights_that_come_late_keep_the_server_alive_and_away_from_users(start: Callable[..., Replica]) -> None:
    """A slow start is a start: alive from the first moment, started and ready when the weights have answered."""
    server = start(ready=False, LOAD_DELAY_S="3")
    assert [server.status(path) for path in ("/startupz", "/readyz", "/livez")] == [503, 503, 200]
    server.until_status("/readyz", 200, deadline_s=SEEN_WITHIN_S)


def test_weights_that_cannot_be_read_end_the_server(start: Callable[..., Replica], tmp_path: Path) -> None:
    """A broken file is no reason to wait: the container ends with status 1, and the log says of what."""
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(b"no model")
    server = start(ready=False, WEIGHTS=str(weights))
    assert server.exit_status(within_s=60) == 1
    assert "while it loaded the weights" in server.log()


def test_an_idle_engine_that_hangs_is_found_and_one_that_wakes_is_forgiven(start: Callable[..., Replica]) -> None:
    """Liveness asks an idle engine for a token; none in time is a failure, until one comes."""
    server = start(**STALL)
    server.signal_engine(signal.SIGSTOP)
    server.until_status("/livez", 503, deadline_s=SEEN_WITHIN_S)
    assert server.status("/readyz") == 503
    assert server.status("/startupz") == 200
    server.signal_engine(signal.SIGCONT)
    server.until_status("/livez", 200, deadline_s=SEEN_WITHIN_S)
    assert server.status("/readyz") == 200


def test_a_busy_engine_that_hangs_is_found_and_its_answer_goes_on_when_it_wakes(start: Callable[..., Replica]) -> None:
    """No token while a request runs is a failure; the request itself loses nothing."""
    server = start(**STALL, MAX_TOKENS="480")
    with server.stream(max_tokens=200, stream_options={"include_usage": True}) as stream:
        next(stream.lines)
        server.signal_engine(signal.SIGSTOP)
        server.until_status("/livez", 503, deadline_s=SEEN_WITHIN_S)
        server.signal_engine(signal.SIGCONT)
        server.until_status("/livez", 200, deadline_s=SEEN_WITHIN_S)
        assert stream.events()[-1]["usage"]["completion_tokens"] == 200


def test_an_engine_that_is_only_slow_is_alive(start: Callable[..., Replica]) -> None:
    """With a tenth of a processor a piece of prompt takes longer than the stall time, and liveness holds."""
    server = start(**STALL)
    longest_quiet_s = 0.0
    with ThreadPoolExecutor() as pool, tenth_of_a_processor(server.engine_pid):
        answer = pool.submit(server.chat, max_tokens=4, messages=[LONG])
        while not answer.done():
            assert server.status("/livez") == 200
            longest_quiet_s = max(longest_quiet_s, server.metric("model_engine_quiet_seconds"))
            wait([answer], timeout=0.1)
    assert answer.result().json["usage"]["completion_tokens"] == 4
    # There was quiet, or this test would prove nothing.
    assert 0 < longest_quiet_s < 1


LONG = {"role": "user", "content": "The river runs to the sea, and the sea to the sky. " * 6}


@contextmanager
def tenth_of_a_processor(pid: int) -> Iterator[None]:
    """Let a process run for 30 ms of each 300 ms, as a CPU limit of 100m does."""
    ended = threading.Event()

    def throttle() -> None:
        while not ended.is_set():
            os.kill(pid, signal.SIGSTOP)
            ended.wait(0.27)
            os.kill(pid, signal.SIGCONT)
            ended.wait(0.03)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_idle_costs_next_to_nothing(start: Callable[..., Replica]) -> None:
    """Nobody asks, nothing runs: under 2 % of one processor for both processes together over 3 s."""
    server = start()

    def used_ticks() -> int:
        pids = (server.process.pid, server.engine_pid)
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats)

    before, over = used_ticks(), threading.Event()
    over.wait(3)
    assert (used_ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.02 * 3


def test_an_engine_that_dies_ends_the_server_and_cuts_its_answers_visibly(start: Callable[..., Replica]) -> None:
    """The container ends with status 1 for the kubelet to restart; no user takes half an answer for a whole one."""
    server = start(MAX_TOKENS="480")
    with server.stream(max_tokens=480) as stream:
        lines = stream.lines
        next(lines)
        server.signal_engine(signal.SIGKILL)
        assert server.exit_status(within_s=30) == 1
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            assert "[DONE]" not in list(lines)
    assert "ended with status -9" in server.log()


def test_the_engine_never_outlives_the_front(start: Callable[..., Replica]) -> None:
    """A front that is killed outright takes its engine along."""
    server = start()
    server.process.kill()
    server.exit_status(within_s=10)
    until(lambda: not Path(f"/proc/{server.engine_pid}").exists(), deadline_s=20, awaited="the engine to end")
