"""Logs of containers: followed, opened again, bounded, redacted, of each run of each container."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pod_endpoints import LogAsked, PodEndpoints, Reply, pod_endpoints, stamped

from chaos.clock import Clock
from chaos.cluster.log_file import bounded_lines, stamp_ns
from chaos.cluster.log_follower import runs_of
from chaos.cluster.pod_logs import LogLimits, PodLogs
from chaos.history import ContainerLog
from chaos.history.reading.container_logs import read_logs
from chaos.objects.pod import PodView

LIMITS = LogLimits(look_s=0.01, stop_s=4.0)
WAIT_S = 20.0
ENDED = {"exitCode": 1, "startedAt": "2026-01-01T12:00:00Z", "finishedAt": "2099-01-01T12:00:09Z"}


def status(name: str = "server", *, restarts: int = 0, ended: bool = False, last: bool = False) -> dict[str, Any]:
    """The status of a container."""
    state = {"terminated": ENDED} if ended else {"running": {"startedAt": "2026-01-01T12:00:00Z"}}
    former = {"lastState": {"terminated": ENDED}} if last else {}
    return {"name": name, "restartCount": restarts, "state": state, **former}


def pod(*containers: dict[str, Any], name: str = "chat-1", uid: str = "uid-1", **rest: Any) -> dict[str, Any]:
    """A raw pod with these container statuses."""
    return {
        "metadata": {"name": name, "uid": uid, "namespace": "llm"},
        "spec": rest.pop("spec", {"containers": [{"name": "server"}]}),
        "status": {"containerStatuses": list(containers), **rest},
    }


class Stage:
    """The pods as they are now, for a collector that looks again and again."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = list(pods)

    def __call__(self) -> list[PodView]:
        """The pods."""
        return [PodView(one) for one in self.pods]


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


def kept(
    folder: Path,
    ends: PodEndpoints,
    stage: Stage,
    done: Callable[[dict[str, ContainerLog]], object],
    *,
    limits: LogLimits = LIMITS,
    private: tuple[str, ...] = (),
) -> dict[str, ContainerLog]:
    """Follow until `done` says so of what is kept by file; then stop, and read what there is."""

    def now() -> dict[str, ContainerLog]:
        return {one.file: one for one in read_logs(folder)[0]}

    with pod_endpoints(ends) as transport:
        logs = PodLogs(transport, Clock.start(), folder, pods=stage, private=private, limits=limits)
        logs.start()
        try:
            until(lambda: done(now()))
        finally:
            logs.stop()
        assert logs.failure is None
    return now()


def texts(log: ContainerLog) -> list[str]:
    """The lines without their times."""
    return [line.partition(" ")[2] for line in log.tail]


def test_a_container_that_ended_is_read_whole(tmp_path: Path) -> None:
    """Its log is asked for with times, since the trial's start, and nobody else may read the file."""
    ends = PodEndpoints(logs=lambda _asked, reply: reply.send(stamped(1, "loading") + stamped(2, "CUDA out of memory")))
    found = kept(tmp_path, ends, Stage(pod(status(ended=True))), lambda all_: any(one.ended for one in all_.values()))
    (log,) = found.values()
    assert texts(log) == ["loading", "CUDA out of memory"]
    assert (log.pod, log.container, log.role, log.run, log.ended, log.reason) == (
        "chat-1",
        "server",
        "main",
        0,
        True,
        "",
    )
    (asked,) = ends.log_asked
    assert asked.query["timestamps"] == "true"
    assert asked.query["container"] == "server"
    assert stamp_ns(asked.query["sinceTime"])
    assert not asked.follows
    assert stat.S_IMODE((tmp_path / "logs" / log.file).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_a_connection_that_breaks_goes_on_after_the_last_line(tmp_path: Path) -> None:
    """Lines of the same second come again, and stand there once; two of the very same time are two."""
    stage = Stage(pod(status()))
    first = stamped(1, "one") + stamped(2, "two", 5) + stamped(2, "two again", 5)

    def say(_asked: LogAsked, reply: Reply) -> None:
        if len(ends.log_asked) == 1:
            reply.piece(first)
            reply.broken()
            return
        stage.pods = [pod(status(ended=True))]
        reply.piece(first[len(stamped(1, "one")) :] + stamped(2, "three", 9))
        reply.done()

    ends = PodEndpoints(logs=say)
    found = kept(tmp_path, ends, stage, lambda all_: any(one.ended for one in all_.values()))
    (log,) = found.values()
    assert texts(log) == ["one", "two", "two again", "three"]
    assert ends.log_asked[1].query["sinceTime"] == "2026-01-01T12:00:02.000000005Z"


def test_lines_whose_times_go_back_a_little_are_kept(tmp_path: Path) -> None:
    """Standard output and error are stamped side by side."""
    body = stamped(2, "out") + stamped(1, "err") + stamped(2, "out again") + stamped(3, "end")
    ends = PodEndpoints(logs=lambda _asked, reply: reply.send(body))
    (log,) = kept(tmp_path, ends, Stage(pod(status(ended=True))), lambda a: any(o.ended for o in a.values())).values()
    assert texts(log) == ["out", "err", "out again", "end"]


def test_the_run_before_a_restart_is_read_as_previous(tmp_path: Path) -> None:
    """Each run has a file of its own."""

    def say(asked: LogAsked, reply: Reply) -> None:
        if asked.query.get("previous") == "true":
            assert not asked.follows
            reply.send(stamped(1, "died"))
            return
        reply.piece(stamped(5, "anew"))
        reply.ending.wait(WAIT_S)

    ends = PodEndpoints(logs=say)
    stage = Stage(pod(status(restarts=2, last=True)))
    found = kept(tmp_path, ends, stage, lambda all_: len(all_) == 2 and all(one.tail for one in all_.values()))
    runs = {log.run: log for log in found.values()}
    assert (texts(runs[1]), runs[1].ended) == (["died"], True)
    assert (texts(runs[2]), runs[2].ended) == (["anew"], False)
    assert runs[2].reason == "it still ran when the trial ended"


def test_a_run_that_had_ended_before_the_trial_is_left_alone(tmp_path: Path) -> None:
    """A service of others may have been restarted long ago."""
    old = status(restarts=1, last=True)
    old["lastState"] = {"terminated": {**ENDED, "finishedAt": "2020-01-01T12:00:09Z"}}
    ends = PodEndpoints(logs=lambda asked, reply: reply.send(b"" if asked.follows else stamped(1, "old")))
    found = kept(tmp_path, ends, Stage(pod(old)), lambda all_: all_)
    assert [log.run for log in found.values()] == [1]
    assert not any("previous" in asked.query for asked in ends.log_asked)


def test_init_containers_and_sidecars_are_read_too() -> None:
    """With what they are; one that waits has no log."""
    spec = {
        "containers": [{"name": "server"}, {"name": "late"}],
        "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
    }
    waits = {"name": "late", "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}
    inits = [status("fetch", ended=True), status("proxy")]
    found = runs_of(PodView(pod(status(), waits, spec=spec, initContainerStatuses=inits)))
    assert {(one.container, one.role, one.over) for one in found} == {
        ("fetch", "init", True),
        ("server", "main", False),
        ("proxy", "sidecar", False),
    }


@pytest.mark.parametrize("code", [403, 404, 400])
def test_a_refusal_is_told_and_the_trial_goes_on(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the API server's words, without a secret."""
    monkeypatch.setattr("chaos.cluster.log_follower.RETRY_S", 0.001)
    body = json.dumps({"message": "no log: token=sk-canary-1234567890abcdef"}).encode()
    ends = PodEndpoints(logs=lambda _asked, reply: reply.send(body, status=code))
    found = kept(tmp_path, ends, Stage(pod(status())), lambda all_: any(one.reason for one in all_.values()))
    (log,) = found.values()
    assert str(code) in log.reason
    assert "sk-canary" not in (tmp_path / "logs.jsonl").read_text()
    assert not log.ended


def test_an_endless_log_is_cut_and_its_end_is_kept(tmp_path: Path) -> None:
    """The beginning up to a bound, then the last lines when it has ended."""
    stage = Stage(pod(status()))
    limits = replace(LIMITS, head_bytes=4000, tail_bytes=500)

    def say(asked: LogAsked, reply: Reply) -> None:
        if asked.follows:
            second = 0
            while not reply.ending.is_set():
                second += 1
                reply.piece(stamped(second % 3600, "noise " * 20))
        elif "tailLines" in asked.query:
            reply.send(b"".join(stamped(3600 + k, f"last {k}") for k in range(100)) + stamped(4000, "EngineDeadError"))

    ends = PodEndpoints(logs=say)

    def full(all_: dict[str, ContainerLog]) -> bool:
        if any((tmp_path / "logs" / name).stat().st_size > 3500 for name in all_):
            stage.pods = [pod(status(ended=True))]
        return any(one.ended for one in all_.values())

    (log,) = kept(tmp_path, ends, stage, full, limits=limits).values()
    assert log.cut
    assert texts(log)[-1] == "EngineDeadError"
    assert any("not kept" in line for line in log.tail)
    assert (tmp_path / "logs" / log.file).stat().st_size < 6000


def test_a_total_bound_holds_for_all_together(tmp_path: Path) -> None:
    """Whoever comes later has the last lines only."""
    ends = PodEndpoints(
        logs=lambda asked, reply: reply.send(b"" if "tailLines" in asked.query else stamped(1, "x" * 900))
    )
    pods = [pod(status(ended=True), name=f"chat-{k}", uid=f"uid-{k}") for k in range(5)]
    limits = replace(LIMITS, total_bytes=2000)
    found = kept(
        tmp_path, ends, Stage(*pods), lambda all_: len(all_) == 5 and all(o.ended for o in all_.values()), limits=limits
    )
    assert sum("x" in "".join(texts(log)) for log in found.values()) == 2
    assert sum(log.cut for log in found.values()) == 3


def test_a_pod_that_is_gone_leaves_what_was_followed(tmp_path: Path) -> None:
    """Its last words came before it went."""
    stage = Stage(pod(status()))

    def say(_asked: LogAsked, reply: Reply) -> None:
        reply.piece(stamped(1, "SIGTERM: shutting down"))
        stage.pods = []
        reply.done()

    found = kept(tmp_path, PodEndpoints(logs=say), stage, lambda all_: any(one.ended for one in all_.values()))
    (log,) = found.values()
    assert texts(log) == ["SIGTERM: shutting down"]


def test_no_more_containers_are_read_at_once_than_the_bound(tmp_path: Path) -> None:
    """The others follow; none is forgotten."""
    most, now, lock = [0], [0], threading.Lock()

    def say(_asked: LogAsked, reply: Reply) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        reply.send(stamped(1, "x"))
        with lock:
            now[0] -= 1

    pods = [pod(status(ended=True), name=f"chat-{k}", uid=f"uid-{k}") for k in range(12)]
    limits = replace(LIMITS, followers=2)
    kept(
        tmp_path, PodEndpoints(logs=say), Stage(*pods), lambda a: sum(o.ended for o in a.values()) == 12, limits=limits
    )
    assert most[0] <= 2


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "-rf", "ü" * 300, "a/b", ""])
def test_no_name_of_a_pod_leads_out_of_the_folder(name: str) -> None:
    """Whoever may write into the API may call things what he likes."""
    (run,) = runs_of(PodView(pod(status(), name=name)))
    assert Path(run.file).name == run.file
    assert not run.file.startswith(".")
    assert len(run.file) < 255


def test_what_servers_write_is_redacted_as_it_is_written(tmp_path: Path) -> None:
    """Credentials, prompts of the trial, commands to a terminal; a value in the next line, too."""
    lines = ["\x1b[31mapi_key=sk-canary-1234567890abcdef\x1b[0m", "Authorization: Bearer", "canary-next-line and more"]
    lines += ["Received request: prompt: 'canary prompt', params: n=1", "echo Tell me about whales, please"]
    body = b"".join(stamped(k, line) for k, line in enumerate(lines)) + stamped(9, b"\xff\x00\x07binary")
    ends = PodEndpoints(logs=lambda _asked, reply: reply.send(body))
    stage = Stage(pod(status(ended=True)))
    private = ("Tell me about whales, please",)
    found = kept(tmp_path, ends, stage, lambda a: any(o.ended for o in a.values()), private=private)
    (log,) = found.values()
    raw = (tmp_path / "logs" / log.file).read_bytes()
    assert b"canary" not in raw
    assert b"whales" not in raw
    assert b"\x1b" not in raw
    assert b"\x00" not in raw
    assert texts(log)[-1] == "\ufffdbinary"


@pytest.mark.parametrize("sizes", [(1,), (3,), (1000,), (7, 2, 100)])
def test_lines_are_bounded_however_they_arrive(sizes: tuple[int, ...]) -> None:
    """A line without an end is cut to a bound, and what follows it is whole."""
    data = b"short\n" + b"y" * 5000 + b"\n\nlast"
    pieces, k = [], 0
    while data:
        size = sizes[k % len(sizes)]
        pieces.append(data[:size])
        data, k = data[size:], k + 1
    assert list(bounded_lines(pieces, 100)) == [b"short", b"y" * 100, b"", b"last"]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-01T12:00:00Z", 1767268800_000000000),
        ("2026-01-01T12:00:00.5Z", 1767268800_500000000),
        ("2026-01-01T13:00:00.000000001+01:00", 1767268800_000000001),
        ("2026-13-01T12:00:00Z", None),
        ("Traceback", None),
        ("", None),
    ],
)
def test_times_before_lines(text: str, ns: int | None) -> None:
    """As kubelets write them; anything else is part of the line."""
    assert stamp_ns(text) == ns
