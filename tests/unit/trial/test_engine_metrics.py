"""Replicas are asked for their servers' metrics; what they say is kept, and that they say nothing, too."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pod_endpoints import PodEndpoints, Reply, pod_endpoints

from chaos.clock import Clock
from chaos.history import EngineRecord
from chaos.history.reading.engine_metrics import read_engine
from chaos.objects.pod import PodView
from chaos.semantics.engines import engine_named
from chaos.trial import engine_metrics
from chaos.trial.engine_metrics import EngineMetrics, Metered

WAIT_S = 20.0
LLAMA = b"llamacpp:requests_processing 1\nllamacpp:tokens_predicted_total 7\nother 1\nprocess_start_time_seconds 5\n"


def pod(name: str = "chat-1", *, running: bool = True) -> PodView:
    """A pod whose container runs."""
    state = {"running": {"startedAt": "2026-01-01T12:00:00Z"}} if running else {"waiting": {}}
    status = {"phase": "Running", "containerStatuses": [{"name": "server", "restartCount": 0, "state": state}]}
    return PodView({"metadata": {"name": name, "uid": f"uid-{name}", "namespace": "llm"}, "status": status})


def kept(
    folder: Path,
    metrics: Callable[[str, Reply], None],
    done: Callable[[EngineRecord], object],
    *pods: PodView,
    **settings: Any,
) -> tuple[EngineRecord, PodEndpoints]:
    """Ask until `done` says so of the record; what there is at the end, and what was asked."""
    ends, path = PodEndpoints(metrics=metrics), folder / "engine-metrics.jsonl"
    with pod_endpoints(ends) as transport:
        metered = Metered(lambda: pods or (pod(),), 8000, **settings)
        asking = EngineMetrics(transport, Clock.start(), path, metered, period_s=0.02)
        asking.start()
        ends_s = time.monotonic() + WAIT_S
        while not done(read_engine(path)[0]):
            assert time.monotonic() < ends_s, "it never came"
            time.sleep(0.01)
        asking.stop()
    assert asking.failure is None
    return read_engine(path)[0], ends


def test_a_server_is_known_by_its_page_and_only_what_its_profile_names_is_kept(tmp_path: Path) -> None:
    """Through the API server's proxy, on the port that serves, on the trial's clock."""
    record, ends = kept(tmp_path, lambda _pod, reply: reply.send(LLAMA), lambda r: len(r.samples) > 2)
    assert ends.asked[0] == "/api/v1/namespaces/llm/pods/chat-1:8000/proxy/metrics"
    sample = record.samples[0]
    assert (sample.pod, sample.uid, sample.engine, sample.error) == ("chat-1", "uid-chat-1", "llama.cpp", "")
    assert {name: value for name, _, value in sample.values} == {
        "llamacpp:requests_processing": 1.0,
        "llamacpp:tokens_predicted_total": 7.0,
        "process_start_time_seconds": 5.0,
    }
    assert all(one.asked_ns <= one.at_ns for one in record.samples)
    assert record.engines["llama.cpp"].running == (("llamacpp:requests_processing", "", ""),)
    assert record.samples[0].values == record.samples[1].values
    assert '"same":true' in (tmp_path / "engine-metrics.jsonl").read_text()


def test_servers_that_say_ever_more_fill_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred series with other labels each second are megabytes each time; then only that is said."""
    monkeypatch.setattr(engine_metrics, "KEPT_MAX_BYTES", 200_000)
    asked: list[int] = []

    def page(_pod: str, reply: Reply) -> None:
        asked.append(1)
        label = b"%d" % len(asked) * 60
        reply.send(b"".join(b'llamacpp:requests_processing{n="%d",a="%b"} 1\n' % (n, label) for n in range(600)))

    record, _ = kept(tmp_path, page, lambda r: len([one for one in r.samples if one.error]) > 5)
    assert record.samples[-1].error.startswith("no more is kept: the servers' metrics take over")
    assert (tmp_path / "engine-metrics.jsonl").stat().st_size < 400_000


def test_no_label_holds_a_secret(tmp_path: Path) -> None:
    """Gateways label their metrics by the key of whoever asked; which are alike is still seen."""
    label = b'{api_key="s3cr3t-of-alice",user="hf_s3cr3tS3cr3tS3cr3tS3cr3t"}'
    page = b"".join(b"asked_%d_total%s 1\n" % (one, label) for one in (1, 2))
    names = ("asked_1_total", "asked_2_total")
    record, _ = kept(tmp_path, lambda _pod, reply: reply.send(page), lambda r: r.samples, names=names)
    first, second = (dict(labels) for _, labels, _ in record.samples[0].values)
    assert first == second
    assert all(value.startswith("redacted:") for value in first.values())
    assert "s3cr3t" not in (tmp_path / "engine-metrics.jsonl").read_text().lower()


def test_it_is_asked_once_more_after_the_end_of_the_traffic(tmp_path: Path) -> None:
    """So late that what ended by then is counted."""
    stopped: list[int] = []

    def done(record: EngineRecord) -> bool:
        if record.samples:
            stopped.append(time.time_ns())
        return bool(record.samples)

    record, _ = kept(tmp_path, lambda _pod, reply: reply.send(LLAMA), done)
    assert record.samples[-1].asked_ns >= stopped[-1] + 1_000_000_000


def hang(_pod: str, reply: Reply) -> None:
    """Nothing, for as long as anybody waits."""
    reply.ending.wait(WAIT_S)


def endless(_pod: str, reply: Reply) -> None:
    """A page that never ends."""
    while not reply.ending.is_set():
        reply.piece(b"vllm:num_requests_running 1\n" * 10_000)


FORBIDDEN = b'{"message": "pods is forbidden"}'
NONE_KNOWN = "no metric that is known"

HOSTILE: dict[str, tuple[Callable[[str, Reply], None], str]] = {
    "refused": (
        lambda _pod, reply: reply.send(b'{"message": "pods is forbidden"}', status=403),
        "403 pods is forbidden",
    ),
    "gone": (lambda _pod, reply: reply.send(b"", status=503), "503"),
    "moved": (lambda _pod, reply: reply.send(b"", status=302, location="http://127.0.0.1:9/steal"), "302"),
    "broken": (lambda _pod, reply: reply.broken(), "the connection to"),
    "silent": (hang, "silent"),
    "endless": (endless, "more than"),
    "packed": (
        lambda _pod, reply: reply.send(gzip.compress(LLAMA), content_encoding="gzip"),
        "no metric that is known",
    ),
    "html": (lambda _pod, reply: reply.send(b"<html>hello</html>"), NONE_KNOWN),
    "binary": (lambda _pod, reply: reply.send(bytes(range(256)) * 10), NONE_KNOWN),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_replica_that_does_not_answer_is_a_record(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, within a bound of bytes and time; no other address is asked."""
    monkeypatch.setattr("chaos.trial.engine_metrics.ANSWER_S", 0.3)
    say, words = HOSTILE[kind]
    engine = engine_named("vllm")
    record, ends = kept(tmp_path, say, lambda r: r.samples, engine=engine)
    assert words in record.samples[0].error
    assert not record.samples[0].values
    assert len(record.samples[0].error) <= 300
    assert all(path.endswith("/proxy/metrics") for path in ends.asked)


def test_a_replica_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    """Each is asked on its own."""

    def say(name: str, reply: Reply) -> None:
        if name == "hung":
            hang(name, reply)
        reply.send(LLAMA)

    def done(record: EngineRecord) -> bool:
        return sum(one.pod == "well" for one in record.samples) > 10

    record, _ = kept(tmp_path, say, done, pod("hung"), pod("well"))
    assert {one.pod for one in record.samples if not one.error} == {"well"}


def test_of_servers_that_nobody_knows_only_the_reason_is_kept(tmp_path: Path) -> None:
    """They are asked seldom, and at the end the record says why there are no metrics."""
    record, ends = kept(tmp_path, lambda _pod, reply: reply.send(b"unknown_metric 1\n"), lambda _r: True)
    assert [one.error for one in record.samples] == ["its metrics are of no server that is known"]
    assert len(ends.asked) <= 2


def test_metrics_of_an_unknown_server_that_the_file_names_are_kept(tmp_path: Path) -> None:
    """By their names alone: nobody knows what they mean."""
    page = b"my_queue 3\nmy_other 4\n"
    record, _ = kept(tmp_path, lambda _pod, reply: reply.send(page), lambda r: r.samples, names=("my_queue",))
    assert record.samples[0].values == (("my_queue", {}, 3.0),)
    assert record.engines[""].kept == (("my_queue", "", ""),)


def test_a_pod_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    """There is nobody to answer."""
    _, ends = kept(tmp_path, lambda _pod, reply: reply.send(LLAMA), lambda _r: True, pod(running=False))
    assert not ends.asked


def test_a_port_of_its_own_is_asked(tmp_path: Path) -> None:
    """Triton serves its metrics elsewhere."""
    _, ends = kept(tmp_path, lambda _pod, reply: reply.send(b"x 1"), lambda r: r.samples, engine=engine_named("triton"))
    assert ends.asked[0].startswith("/api/v1/namespaces/llm/pods/chat-1:8002/proxy/")
