"""A load pod that is damaged, or in strange hands: lost in words, within bounds, and no harm to the others' records."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.clock import NS, Clock
from chaos.cluster.transport import Answer, Broken
from chaos.errors import HarnessBroken
from chaos.history.reading.measurements import _table, read_generator, read_requests
from chaos.objects.base import Ref
from chaos.trial.load_pods import channel as channels
from chaos.trial.load_pods.channel import Agent, Garbled, PodChannel, Unheard
from chaos.trial.load_pods.workers import PodWorkers, Worker, _named
from chaos.wait import until
from loadgen.answers import ChatStream
from loadgen.driver.channel import facts_of
from loadgen.driver.clock_offset import read_remote
from loadgen.driver.driver import Generator
from loadgen.plan import Plan
from loadgen.pod import intake as intakes
from loadgen.pod.contract import ANSWERS as ACTIONS
from loadgen.pod.intake import BadRecords, Intake, _Flow
from loadgen.pod.pages import BadPage, Copy, page
from loadgen.profiles import HttpProfile
from loadgen.records import TURN, Seen, record_of, unsent
from loadgen.shapes import Poisson, Shape, Spike, Steady, Step

CLOCK = Clock.start()
ROOM_BYTES = 10**9
STEADY = Steady(10)


def plan_of(folder: Path, worker: int = 1, workers: int = 2) -> Plan:
    """The part of one of two workers."""
    return Plan(
        clock=CLOCK,
        run_folder=folder,
        url="http://x",
        profile=HttpProfile(path="/"),
        seed=1,
        in_flight_max=10,
        duration_max_s=60.0,
        worker=worker,
        workers=workers,
    )


def record(number: int, **fields: Any) -> dict[str, Any]:
    """A record of the stream that was begun with the clock."""
    at_ns = CLOCK.utc_ns + STEADY.offset_ns(number)
    return {**unsent(number, "steady-1", at_ns, at_ns, "no port")._asdict(), **fields}


def sample(**fields: Any) -> dict[str, Any]:
    """A line of generator.jsonl as the generator writes it."""
    numbers = dict.fromkeys(("due", "sent", "done", "in_flight"), 1)
    lags = dict.fromkeys(("lag_p50_ns", "lag_p99_ns", "lag_max_ns"))
    return {"at_ns": CLOCK.utc_ns, **numbers, **lags, "cpu_share": 0.1, "opened": 1, "reused": 0, "worker": 1} | fields


def line(data: Mapping[str, Any]) -> bytes:
    """One line as the generator writes it."""
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


class Pod:
    """A pod behind an API server: honest, but for what `lies` makes of its answers by action."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lies = folder, cast("dict[str, Callable[[dict[str, Any]], Any]]", {})
        self.answers: list[Any] = [{"ready": {}}]
        self.asked: list[str] = []
        folder.mkdir()

    @property
    def transport(self) -> Pod:
        """The same."""
        return self

    def get(self, *_: object) -> dict[str, Any]:
        """It is there."""
        return {"metadata": {"uid": "uid", "name": "load-1"}, "status": {"phase": "Running"}}

    def write(self, name: str, data: bytes) -> None:
        """Append to one of its files."""
        with (self.folder / name).open("ab") as file:
            file.write(data)

    def call(self, _method: str, _path: str, *, body: Any, pod_max_bytes: int, **_: object) -> Answer:
        """An action through the proxy."""
        action, given = body["do"], body["arguments"]
        self.asked.append(action)
        said = self.lies.get(action, lambda right: right)(self._right(action, given))
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        if len(raw) > pod_max_bytes:
            raise Broken(f"the answer has more than {pod_max_bytes} bytes")
        return Answer(200, raw)

    def _right(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        state = {"ended": None, "told_to_end": False}
        match action:
            case "read":
                return {"pages": {name: page(self.folder / name, at) for name, at in given["offsets"].items()}, **state}
            case "hear":
                number = given["number"]
                return {"answer": self.answers[number] if number < len(self.answers) else None, **state}
            case "sums":
                return {name: self._sum(name) for name in ("requests.jsonl", "generator.jsonl", "generator.log")}
            case "clock":
                return {"mono_ns": time.monotonic_ns(), "utc_ns": time.time_ns()}
            case "hello":
                return {"code": "c", "folder": "/records"}
            case _:
                return {}

    def _sum(self, name: str) -> dict[str, Any]:
        data = (self.folder / name).read_bytes() if (self.folder / name).exists() else b""
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits as long as in a trial."""
    for name, value in (("READ_EVERY_S", 0.01), ("RETRY_S", 0.01), ("REST_S", 0.3)):
        monkeypatch.setattr(channels, name, value)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """Worker 1 of two."""
    return Pod(tmp_path / "pod")


@pytest.fixture
def channel(pod: Pod, tmp_path: Path) -> Iterator[PodChannel]:
    """The channel to it, which has begun a stream."""
    (tmp_path / "run").mkdir()
    made = PodChannel(agent(pod), tmp_path / "run", {}, Intake(plan_of(tmp_path), CLOCK, ROOM_BYTES))
    made.send({"plan": {}})
    made.send({"begin": {"stream": "steady-1", "shape": STEADY.plain(), "begin_ns": CLOCK.utc_ns}})
    yield made
    made.close()


def agent(pod: Pod) -> Agent:
    """How it is reached."""
    return Agent(cast("Any", pod), Ref("Pod", "here", "load-1", "uid"), "token")


def lost(channel: PodChannel) -> str:
    """Why the pod is lost, once it is."""
    why: list[str] = []

    def gone() -> bool:
        try:
            channel.check()
        except HarnessBroken as broken:
            why.append(broken.what)
        return bool(why)

    until(gone, deadline_s=60, poll_s=0.01, awaited="the loss")
    return why[0]


def test_no_traceback_shows_what_headers_hold(pod: Pod, tmp_path: Path) -> None:
    """Of the frame that raised pytest prints the arguments, here where the run folder is gone; the pod is sent all."""
    secret = os.urandom(8).hex()
    environ = _named({"Authorization": "Bearer ${KEY}"}, {"KEY": secret, "OTHER": "x"})
    with pytest.raises(FileNotFoundError) as raised:
        PodChannel(agent(pod), tmp_path / "gone", environ, Intake(plan_of(tmp_path), CLOCK, ROOM_BYTES))
    shown = str(raised.getrepr(funcargs=True, style="long"))
    assert "environ = <1 variables>" in shown
    assert secret not in shown
    assert json.loads(json.dumps({"environ": environ})) == {"environ": {"KEY": secret}}


def test_records_of_its_own_are_taken(channel: PodChannel, pod: Pod, tmp_path: Path) -> None:
    """Every line as it came, and the reader of run folders can read them."""
    whole = b"".join(line(record(number)) for number in range(1, 40, 2))
    at_ns = CLOCK.utc_ns + STEADY.offset_ns(41)
    seen = Seen(sent_ns=at_ns, status=200, replica="\u00fc", error="\U0001f600\n")
    answer = ChatStream()
    answer.token_gaps_ns, answer.tokens_out = [1, 2], 4
    answered = record_of(
        index=41,
        stream="steady-1",
        intended_ns=at_ns,
        ended_ns=at_ns,
        ending="broken",
        seen=seen,
        answer=answer,
        expected=frozenset({200}),
        patience_ns=None,
    )
    whole += line(answered._asdict())
    pod.write("requests.jsonl", whole)
    pod.write("generator.jsonl", line(sample()) + line(sample(final=True)))
    pod.write("generator.log", b"\xff any \x1b[2J text\n")
    pod.answers = [{"ready": {}}, {"begun": {}}, {"finished": {"streams": {}}}]
    channel.answer("ready", 5)
    channel.answer("begun", 5)
    channel.send({"finish": {"drain_s": 1}})
    assert channel.answer("finished", 5) == {"streams": {}}
    channel.check()
    assert (tmp_path / "run/requests.jsonl").read_bytes() == whole
    assert read_requests(tmp_path / "run/requests.jsonl")[0].height == 21
    assert len(read_generator(tmp_path / "run/generator.jsonl")[0]) == 2


NOT_ITS_OWN = {
    "no JSON": b"\x00\xffgarbage\n",
    "no object": b"[1]\n",
    "empty": b"\n",
    "nested": b"[" * 100_000 + b"\n",
    "half": line(record(1))[:40] + b"\n",
    "two objects": line(record(1))[:-1] + line(record(3)),
    "a field more": line(record(1, more=1)),
    "a field less": line({name: value for name, value in record(1).items() if name != "end_ns"}),
    "no outcome": line(record(1, outcome="splendid")),
    "no last outcome": line(record(1, last_outcome="splendid")),
    "no echo": line(record(1, echo="loud")),
    "a turn of no conversation": line(record(1 + TURN, turn=1)),
    "a turn before the first": line(record(1 - TURN, turn=-1)),
    "attempts of no client": line(record(1, attempts=2)),
    "no attempt": line(record(1, attempts=0)),
    "a last attempt of another time": line(record(1, last_end_ns=1)),
    "pieces beyond counting": line(record(1, leaves_after=2**60)),
    "a text for a time": line(record(1, end_ns="soon")),
    "true for a number": line(record(1, id=True)),
    "a float": line(record(1, status=200.5)),
    "a number that no table holds": line(record(1, tokens_out=10**30)),
    "gaps of text": line(record(1, token_gaps_ns=["x"])),
    "a lone surrogate": line(record(1, error="\ud800")),
    "a field twice": line(record(1)).replace(b'{"id":1', b'{"id":0,"id":1'),
    "NaN": line(record(1, error=float("nan"))),
    "of another worker": line(record(2)),
    "of an arrival that is never due": line(record(10**15 + 1) | {"intended_ns": CLOCK.utc_ns}),
    "of the past": line(record(1, intended_ns=1)),
    "of the future": line(record(1, end_ns=9 * 10**18)),
    "of another stream": line(record(1, stream="steady-2")),
    "of any stream": line(record(1, stream=["steady-1"])),
    "an arrival again and again": line(record(1)) * 2000,
}


@pytest.mark.parametrize("data", NOT_ITS_OWN.values(), ids=NOT_ITS_OWN)
def test_records_that_are_none_lose_the_worker(data: bytes, channel: PodChannel, pod: Pod, tmp_path: Path) -> None:
    """With a reason, at once; nothing of them is in the files, which stay readable for what the others send."""
    (tmp_path / "run/requests.jsonl").write_bytes(line(record(0)))
    pod.write("requests.jsonl", data)
    why = lost(channel)
    assert why.startswith("pod load-1: ")
    assert len(why) < 1000
    assert read_requests(tmp_path / "run/requests.jsonl")[0]["id"].to_list() == [0]
    pod.answers = [{"finished": {"streams": {}}}]
    with pytest.raises(HarnessBroken, match="pod load-1"):
        channel.answer("finished", 1)


def test_a_record_that_is_too_long_is_none(tmp_path: Path) -> None:
    """A pod of ours hands none over."""
    intake = Intake(plan_of(tmp_path), CLOCK, ROOM_BYTES)
    intake.begins({"begin": {"stream": "steady-1", "shape": STEADY.plain(), "begin_ns": CLOCK.utc_ns}})
    intake.look("requests.jsonl", line(record(1, error="x" * 1_000_000)))
    with pytest.raises(BadRecords, match="a line of 2000"):
        intake.look("requests.jsonl", line(record(3, error="x" * 2_000_000)))


def test_a_stream_that_has_ended_has_no_more_arrivals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the trial goes on; a minute is left for what the pod launched before it knew."""
    intake = Intake(plan_of(tmp_path), CLOCK, ROOM_BYTES)
    intake.begins({"begin": {"stream": "steady-1", "shape": STEADY.plain(), "begin_ns": CLOCK.utc_ns}})
    later = record(5001, end_ns=CLOCK.now_ns())
    monkeypatch.setattr(Clock, "now_ns", lambda clock: clock.utc_ns + 3000 * NS)
    intake.look("requests.jsonl", line(later))
    intake.ends({"end": {"stream": "steady-1", "end_ns": 0}})
    monkeypatch.setattr(Clock, "now_ns", lambda clock: clock.utc_ns + 7000 * NS)
    intake.look("requests.jsonl", line(record(30_001)))
    with pytest.raises(BadRecords, match="not due yet"):
        intake.look("requests.jsonl", line(record(31_001)))


@pytest.mark.parametrize("shape", [Steady(20), Spike(2, 40, at_s=5, for_s=10), Step(1, 50, at_s=20)])
@pytest.mark.parametrize("seed", range(20))
def test_drawn_arrivals_are_never_more_than_may_be(shape: Shape, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is one for chance too, however the arrivals of a seed fall; and it is one."""
    monkeypatch.setattr(intakes, "APART_NS", 0)
    drawn = Poisson(shape, seed)
    for span_s in (0, 1, 3, 10, 30):
        assert drawn.count(span_s * NS) <= _Flow(drawn, 0).due(span_s * NS) <= 2 * shape.count(span_s * NS) + 200


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{}\n", id="no sample"),
        pytest.param(line(sample(worker=0)), id="another's"),
        pytest.param(line(sample(due="many")), id="no number"),
        pytest.param(line(sample(cpu_share=float("inf"))), id="no share"),
        pytest.param(line(sample(final="yes")), id="no end"),
        pytest.param(line(sample(at_ns=1)), id="of the past"),
        pytest.param(line(sample()) * 500, id="more than one a second"),
    ],
)
def test_samples_that_are_none_lose_the_worker(data: bytes, channel: PodChannel, pod: Pod, tmp_path: Path) -> None:
    """They are evidence of the others' health too."""
    pod.write("generator.jsonl", data)
    assert "generator.jsonl" in lost(channel) or "line" in lost(channel)
    assert (tmp_path / "run/generator.jsonl").read_bytes() == b""


ANSWERS = {
    "garbage": lambda _: b"\x00\xff",
    "no object": lambda _: b"[]",
    "deep": lambda _: b"[" * 200_000,
    "deep in an object": lambda _: b'{"pages":' * 50_000,
    "nothing": lambda _: {},
    "pages of text": lambda right: right | {"pages": "text"},
    "a page of numbers": lambda right: right | {"pages": {"requests.jsonl": 7}},
    "no end": lambda right: right | {"ended": "soon"},
    "no offset": lambda right: right | {"pages": {"requests.jsonl": {"text": "x\n", "sha256": 1}}},
    "a field more, as large as may be": lambda right: right | {"junk": "x" * 1_000_000},
    "a file more": lambda right: right | {"pages": {**right["pages"], "shadow": {}}},
    "a page with a field more": lambda right: (
        right | {"pages": {"requests.jsonl": {**right["pages"]["requests.jsonl"], "junk": [[]] * 100_000}}}
    ),
    "an offset of text": lambda right: (
        right | {"pages": {"requests.jsonl": {**right["pages"]["requests.jsonl"], "offset": "0" * 1_000_000}}}
    ),
    "an endless line": lambda right: (
        right
        | {"pages": {"requests.jsonl": {"offset": 0, "text": "x" * 9, "sha256": hashlib.sha256(b"x" * 9).hexdigest()}}}
    ),
}


@pytest.mark.parametrize("lie", ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_none_lose_the_worker(
    lie: Callable[[dict[str, Any]], Any], channel: PodChannel, pod: Pod
) -> None:
    """The reader says so, and is no thread that died unnoticed."""
    pod.lies["read"] = lie
    why = lost(channel)
    assert why.startswith("pod load-1")
    assert len(why) <= 1000


def test_an_answer_without_a_bound_is_not_read(channel: PodChannel, pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is like none: the pod is lost when it was not heard for too long, and the reason says what came."""
    monkeypatch.setattr(channels, "OUTAGE_MAX_S", 0.1)
    pod.lies["read"] = lambda _: b" " * (channels.PAGES_MAX_BYTES + 1)
    assert "more than" in lost(channel)


def test_a_failure_that_nobody_thought_of_is_told(channel: PodChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is lost rather than its records missing."""

    def fails() -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(channel, "_read_once", fails)
    assert "ZeroDivisionError" in lost(channel)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([], id="a list"),
        pytest.param("text", id="text"),
        pytest.param({"broken": "why"}, id="no reason"),
        pytest.param({"broken": {"why": "x" * 100_000}}, id="a long reason"),
        pytest.param({"finished": 7}, id="a number"),
        pytest.param({"x" * 100_000: 1}, id="a long name"),
    ],
)
def test_an_answer_of_another_kind_is_told_in_few_words(facts: Any, channel: PodChannel, pod: Pod) -> None:
    """Whatever it is, the trial hears of a generator that is broken."""
    pod.answers = [facts]
    with pytest.raises(HarnessBroken) as broken:
        channel.answer("finished", 1)
    assert len(broken.value.what) < 2000


def test_records_without_end_are_given_up(channel: PodChannel, pod: Pod, tmp_path: Path) -> None:
    """The log is free text: of it so much is taken and no more, and one that grows for ever ends with the wait."""

    def grows(right: dict[str, Any]) -> dict[str, Any]:
        pod.write("generator.log", b"more\n")
        return right

    channel._stop.set()  # the reader would take some of it meanwhile
    channel._reader.join()
    pod.write("generator.log", b"more\n")
    pod.answers, pod.lies["read"] = [{"finished": {"streams": {}}}], grows
    with pytest.raises(HarnessBroken, match="came to no end"):
        channel.answer("finished", 1)
    assert not (tmp_path / "run/requests.jsonl").read_bytes()


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"size": "9" * 100_000}, id="text"),
        pytest.param({"size": 10**300, "sha256": ""}, id="more"),
        pytest.param({"size": 0, "sha256": []}, id="no digest"),
        pytest.param({"size": 0, "sha256": hashlib.sha256(b"other").hexdigest()}, id="another"),
    ],
)
def test_a_sum_that_is_none_loses_the_worker(whole: dict[str, Any], channel: PodChannel, pod: Pod) -> None:
    """What it kept from us nobody can tell then."""
    pod.lies["sums"] = lambda right: right | {"requests.jsonl": whole}
    pod.answers = [{"finished": {"streams": {}}}]
    with pytest.raises(HarnessBroken, match=r"requests\.jsonl of pod load-1 is not here as it is there") as broken:
        channel.answer("finished", 1)
    assert len(broken.value.what) < 300


def test_a_log_is_taken_up_to_a_bound(
    channel: PodChannel, pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs no worker: nobody judges by it."""
    monkeypatch.setattr(channels, "LOG_MAX_BYTES", 100)
    pod.write("generator.log", b"x" * 99 + b"\n")
    until(lambda: (tmp_path / "run/generator.log").stat().st_size == 100, deadline_s=5, poll_s=0.01, awaited="it")
    pod.write("generator.log", b"never\n" * 1000)
    pod.answers = [{"finished": {"streams": {}}}]
    channel.answer("finished", 1)
    assert (tmp_path / "run/generator.log").stat().st_size == 100


def test_a_share_of_the_disk_is_the_bound(tmp_path: Path, pod: Pod) -> None:
    """What all pods take together leaves half of what was free."""
    intake = Intake.of(plan_of(tmp_path), replace(plan_of(tmp_path), run_folder=tmp_path))
    free = os.statvfs(tmp_path)
    assert intake._left_bytes <= free.f_bavail * free.f_frsize * 0.3
    (tmp_path / "run").mkdir()
    channel = PodChannel(agent(pod), tmp_path / "run", {}, Intake(plan_of(tmp_path), CLOCK, 1000))
    pod.write("generator.log", b"x" * 2000 + b"\n")
    assert "more than its share of the free space" in lost(channel)
    assert (tmp_path / "run/generator.log").read_bytes() == b""
    channel.close()


def test_records_that_cannot_be_written_are_missed_at_the_end(
    channel: PodChannel, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the last moment: what was read and not kept is not taken for kept."""

    def full(_descriptor: int, data: bytes) -> None:
        if data:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(channels, "append", full)
    pod.write("requests.jsonl", line(record(1)))
    assert "No space left" in lost(channel)
    monkeypatch.setattr(channels, "append", lambda *_: None)
    pod.answers = [{"finished": {"streams": {}}}]
    with pytest.raises(HarnessBroken, match="No space left"):
        channel.answer("finished", 1)


@pytest.mark.parametrize(
    "shown",
    [{}, {"mono_ns": 1}, {"mono_ns": 1, "utc_ns": "now"}, {"mono_ns": -1, "utc_ns": 1}, {"mono_ns": 1, "utc_ns": 1e3}],
)
def test_a_clock_that_shows_no_time_is_no_clock(shown: dict[str, Any], pod: Pod) -> None:
    """It is an answer that is none, and no failure of another kind."""
    pod.lies["clock"] = lambda _: shown
    with pytest.raises(Garbled):
        agent(pod).clock()


def test_a_pod_s_own_401_renews_nothing(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server is asked itself; that renews credentials that are old. The question is then repeated once."""
    asked: list[str] = []
    monkeypatch.setattr(pod, "call", lambda *_, **__: asked.append("pod") or Answer(401, b"{}"))
    monkeypatch.setattr(pod, "get", lambda *_: asked.append("API server"))
    with pytest.raises(Unheard):
        agent(pod).do("hello")
    assert asked == ["pod", "API server", "pod"]


class Written:
    """A journal that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, **facts: Any) -> None:
        """Keep it."""
        self.lines.append((name, facts))


FALSE_ENDS: Mapping[str, dict[str, Any]] = {
    "no end": {"ended": {}},
    "text": {"ended": {"end_ns": "now"}},
    "in a century": {"ended": {"end_ns": CLOCK.utc_ns + 10**18}},
    "before it began": {"ended": {"end_ns": 0}},
    "true": {"ended": {"end_ns": True}},
}


@pytest.mark.parametrize("ended", FALSE_ENDS.values(), ids=FALSE_ENDS)
def test_one_that_lies_about_an_end_is_lost_and_the_others_go_on(ended: dict[str, Any], tmp_path: Path) -> None:
    """The end of a stream is that of the honest ones; the journal names who is lost, in one line."""
    (tmp_path / "run").mkdir()
    plan = replace(plan_of(tmp_path, 0), run_folder=tmp_path / "run")
    journal, workers, pods = Written(), [], []
    for number in range(2):
        pods.append(pod := Pod(tmp_path / f"pod-{number}"))
        own = plan_of(tmp_path, number)
        channel = PodChannel(agent(pod), tmp_path / "run", {}, Intake(own, CLOCK, ROOM_BYTES))
        reading = read_remote(agent(pod).clock, CLOCK.now_ns)
        generator = Generator(channel, own, plan.run_folder, CLOCK)
        workers.append(Worker(generator, agent(pod), CLOCK, reading, "n1"))
        generator.ready(None)
    group = PodWorkers(workers, CLOCK, cast("Any", journal))
    for pod in pods:
        pod.answers += [{"begun": {}}]
    began = group.begin(STEADY, "steady-1")
    pods[0].answers += [{"ended": {"end_ns": began.begin_ns + NS}}]
    pods[1].answers += [ended]
    assert group.end("steady-1").end_ns == began.begin_ns + NS
    assert [(name, facts["worker"]) for name, facts in journal.lines] == [("worker-lost", 1)]
    counts = {"steady-1": {"due": 5, "counts": {"ok": 5}, "end_ns": began.begin_ns + NS}}
    pods[0].answers += [{"finished": {"streams": counts}}]
    assert group.finish(1.0).due == {"steady-1": 5}
    group.close()
    assert threading.active_count() < 20


@pytest.mark.parametrize("streams", [None, 7, {}, {"steady-1": 7}, {"steady-1": {"due": "x", "counts": {}}}])
def test_one_that_counts_nothing_at_its_end_is_broken(streams: Any, tmp_path: Path) -> None:
    """Its counts would be summed with those of the others."""
    said = iter(
        [{"ready": {}}, {"begun": {}}, {"ended": {"end_ns": CLOCK.now_ns()}}, {"finished": {"streams": streams}}]
    )
    silent = SimpleNamespace(
        send=lambda _: None, check=lambda: None, close=lambda: None, answer=lambda kind, _: next(said)[kind]
    )
    generator = Generator(cast("Any", silent), plan_of(tmp_path), tmp_path, CLOCK)
    generator.ready(None)
    generator.begin(STEADY, "steady-1")
    with pytest.raises(HarnessBroken, match="no counts of steady-1"):
        generator.finish(1.0)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["ok", "x\n"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ended", "answer", "pages", "requests.jsonl", "text", "size"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def fields_like(wanted: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with these fields, some of which may be anything."""
    return st.fixed_dictionaries({name: st.just(value) | ANYTHING for name, value in wanted.items()})


def spoilt(right: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One field is anything."""
    return st.tuples(st.sampled_from(sorted(right)), ANYTHING).map(lambda pair: {**right, pair[0]: pair[1]})


@settings(max_examples=300)
@given(st.data())
def test_whatever_a_pod_says_it_is_lost_or_believed(data: st.DataObject) -> None:
    """Nothing but what is caught for a worker is ever raised, for any answer and any line."""
    action = data.draw(st.sampled_from(sorted(ACTIONS)))
    said = data.draw(ANYTHING | fields_like(dict.fromkeys(ACTIONS[action])))
    cluster: Any = SimpleNamespace(get=lambda *_: None)
    cluster.transport = SimpleNamespace(call=lambda *_, **__: Answer(200, json.dumps(said).encode()))
    with contextlib.suppress(Unheard):
        assert Agent(cluster, Ref("Pod", "here", "load-1", "uid"), "t").do(action).keys() <= ACTIONS[action].keys()
    with contextlib.suppress(BadPage):
        Copy().take(data.draw(fields_like({"offset": 0, "text": "x\n", "sha256": ""})))
    Copy().differs(data.draw(fields_like({"size": 0, "sha256": ""})))
    with contextlib.suppress(HarnessBroken):
        facts_of(data.draw(fields_like({"finished": {}, "broken": {"why": ""}})), "finished", Path("log"))
    intake = Intake(plan_of(Path()), CLOCK, ROOM_BYTES)
    intake.begins({"begin": {"stream": "steady-1", "shape": STEADY.plain(), "begin_ns": CLOCK.utc_ns}})
    with contextlib.suppress(BadRecords):
        intake.look("generator.jsonl", line(data.draw(spoilt(sample()))))
    with contextlib.suppress(BadRecords):
        intake.look("requests.jsonl", drawn := line(data.draw(spoilt(record(1)))))
        assert _table(drawn) is not None, "what is taken can be read"
