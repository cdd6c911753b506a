"""The model server's own rules, without an engine."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.lab.images.model_server.server.admission import Admission
from chaos.lab.images.model_server.server.chat import MODEL, Refusal, chat_request, chunk, completion, piece
from chaos.lab.images.model_server.server.counts import Counts, exposition
from chaos.lab.images.model_server.server.progress import Progress
from chaos.lab.images.model_server.server.settings import BadSetting, Settings

SETTINGS = Settings.from_environment({"WEIGHTS": "/weights.gguf", "POD_NAME": "pod-1"})
USER = {"role": "user", "content": "hello"}


class Cpu:
    """A processor clock that the test turns."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        """Processor seconds so far."""
        return self.s


def test_an_engine_that_uses_no_processor_time_is_stuck_after_the_stall_time() -> None:
    """Stopped or waiting for ever: each tick counts in full."""
    progress = Progress(Cpu(), stall_s=3)
    for expected in (False, False, True, True):
        progress.tick()
        assert progress.stuck is expected


def test_an_engine_that_computes_is_stuck_only_after_the_stall_time_of_computing() -> None:
    """With a twentieth of a processor, 20 ticks without a beat are one second."""
    cpu = Cpu()
    progress = Progress(cpu, stall_s=1)
    for _ in range(19):
        cpu.s += 0.05
        progress.tick()
    assert not progress.stuck
    assert progress.quiet_s == pytest.approx(0.95)
    for _ in range(2):
        cpu.s += 0.05
        progress.tick()
    assert progress.stuck


def test_a_beat_forgives_all_quiet() -> None:
    """One sign of life, and the engine is not stuck; the tick it fell in is not quiet."""
    progress = Progress(Cpu(), stall_s=2)
    progress.tick()
    progress.tick()
    assert progress.stuck
    progress.beat()
    assert not progress.stuck
    progress.tick()
    assert progress.quiet_s == 0
    progress.tick()
    assert progress.quiet_s == 1


def test_one_tick_never_counts_for_more_than_its_length() -> None:
    """After the whole container was frozen the first tick is late; the engine may have used minutes since the last."""
    cpu = Cpu()
    progress = Progress(cpu, stall_s=2)
    cpu.s = 600.0
    progress.tick()
    assert progress.quiet_s == 1


def test_a_slot_is_given_in_order_of_arrival_and_a_waiter_who_leaves_leaves_no_gap() -> None:
    """Of three who wait for the one slot, the second gives up; the third follows the first."""

    async def scene() -> list[str]:
        admission = Admission(slots=1, queue_max=3)
        order: list[str] = []

        async def user(name: str) -> None:
            async with admission.slot():
                order.append(name)

        async with admission.slot():
            tasks = [asyncio.create_task(user(name)) for name in ("first", "second", "third")]
            await asyncio.sleep(0)  # one turn of the loop for each task, in order
            assert admission.waiting == 3
            with pytest.raises(Refusal) as refused:
                await user("fourth")
            assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
            tasks[1].cancel()
        await asyncio.wait(tasks)
        assert (admission.running, admission.waiting) == (0, 0)
        return order

    assert asyncio.run(scene()) == ["first", "third"]


def test_the_engine_is_asked_for_what_the_user_asked_and_always_to_stream() -> None:
    """Bounds and defaults are ours; a seed below 0 is a seed."""
    body = {"model": MODEL, "messages": [USER], "temperature": 0, "seed": -1, "stop": "x", "max_completion_tokens": 5}
    asked = chat_request(json.dumps(body).encode(), SETTINGS)
    assert (asked.stream, asked.include_usage) == (False, False)
    assert asked.engine_body == {
        "messages": [USER],
        "max_tokens": 5,
        "stop": ["x"],
        "ignore_eos": False,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "temperature": 0,
        "seed": 2**32 - 1,
    }


def test_what_is_null_is_as_if_left_out_and_text_parts_are_joined() -> None:
    """Clients of OpenAI send both."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = {"messages": [{"role": "developer", "content": parts}], "max_tokens": None, "stop": None, "stream": None}
    asked = chat_request(json.dumps(body).encode(), SETTINGS).engine_body
    assert asked["messages"] == [{"role": "system", "content": "ab"}]
    assert (asked["max_tokens"], asked["stop"]) == (SETTINGS.default_tokens, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", 257),
        ("max_tokens", True),
        ("max_tokens", 1.5),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("n", 2),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", [""]),
        ("stream", 1),
        ("stream_options", {"include_usage": True}),
        ("ignore_eos", "yes"),
        ("messages", [{"role": "robot", "content": "x"}]),
        ("messages", [{"role": "user", "content": None}]),
        ("messages", [{"role": "user", "content": [{"type": "image_url"}]}]),
        ("messages", [{"role": "user", "content": "x", "tool_calls": []}]),
        ("messages", "hello"),
    ],
)
def test_a_wrong_field_is_refused_by_name(field: str, value: Any) -> None:
    """The refusal's param leads to the field."""
    with pytest.raises(Refusal) as refused:
        chat_request(json.dumps({"messages": [USER], field: value}).encode(), SETTINGS)
    assert refused.value.status == 400
    assert str(refused.value.param).startswith(field)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "n",
        "model",
    ]
)


@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON | st.binary(max_size=20))
def test_whatever_is_sent_is_understood_or_refused(sent: Any) -> None:
    """No body makes the server fail, and none gets past the bound on tokens."""
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    try:
        asked = chat_request(raw, SETTINGS)
    except Refusal:
        return
    assert 1 <= asked.engine_body["max_tokens"] <= SETTINGS.max_tokens


def test_json_nested_too_deep_to_read_is_refused() -> None:
    """A hostile body is the user's mistake, not the server's."""
    with pytest.raises(Refusal, match="valid JSON"):
        chat_request(b"[" * 100_000, SETTINGS)


def engine_line(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A line as llama.cpp streams it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "chat-1", "created": 5, "model": "/path", "choices": choices, "timings": {}, **more}


def test_pieces_become_chunks_and_one_answer() -> None:
    """What only the engine's operator would want is left out: progress, timings, the path of the weights."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    lines = [
        engine_line({"role": "assistant", "content": None}, prompt_progress={"processed": 3}),
        engine_line({"role": "assistant", "content": None}),
        engine_line({"content": "a"}),
        engine_line({"content": "b"}),
        engine_line({}, "stop"),
        engine_line(None, usage=usage),
    ]
    parts = [part for line in lines if (part := piece(line))]
    assert len(parts) == 5
    assert [chunk(part, include_usage=False) is None for part in parts] == [False] * 4 + [True]
    first, *_, last = (chunk(part, include_usage=True) for part in parts)
    assert first
    assert last
    assert (first["model"], first["choices"][0]["delta"]) == (MODEL, {"role": "assistant", "content": ""})
    assert (last["choices"], last["usage"]) == ([], usage)
    whole = completion(parts)
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "ab"}
    assert (whole["choices"][0]["finish_reason"], whole["usage"]) == ("stop", usage)


def test_metrics_are_lines_that_prometheus_reads() -> None:
    """Each sample follows its HELP and TYPE, and outcomes are there before they happened."""
    text = exposition(Counts(), {"ready": ("1 if ready.", True)})
    assert text.endswith("# HELP model_ready 1 if ready.\n# TYPE model_ready gauge\nmodel_ready 1\n")
    assert 'model_requests_total{outcome="failed"} 0\n' in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"PORT": "http"},
        {"SLOTS": "0"},
        {"GRACE_S": "-1"},
        {"MAX_TOKENS": "512"},
        {"MAX_TOKENS": "10"},
        {"QUEUE_MAX": "1.5"},
    ],
)
def test_a_senseless_setting_is_refused_by_name(wrong: dict[str, str]) -> None:
    """The message names the variable."""
    with pytest.raises(BadSetting, match=next(iter(wrong))):
        Settings.from_environment({"WEIGHTS": "w", **wrong})


def test_settings_come_from_the_environment() -> None:
    """HOSTNAME names the pod where POD_NAME does not; without weights there is no server."""
    settings = Settings.from_environment({"WEIGHTS": "w", "HOSTNAME": "pod-2", "GRACE_S": "12.5", "SLOTS": "2"})
    assert (settings.pod_name, settings.grace_s, settings.slots) == ("pod-2", 12.5, 2)
    with pytest.raises(BadSetting, match="WEIGHTS"):
        Settings.from_environment({})
