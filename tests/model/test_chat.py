"""The OpenAI side of the real server."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from model_replica import Replica, chat_body

from chaos.wait import until

USER = {"role": "user", "content": "hello"}


def test_a_stream_comes_in_the_order_that_clients_expect(replica: Replica) -> None:
    """Role first, then text piece by piece, then the reason, then the usage, then [DONE]."""
    with replica.stream(max_tokens=12, stream_options={"include_usage": True}) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        first, *pieces, last, usage = stream.events()
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(piece["choices"][0]["delta"].keys() == {"content"} for piece in pieces)
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces).strip()
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "length")
    assert all(piece["choices"][0]["finish_reason"] is None for piece in (first, *pieces))
    assert all(chunk["usage"] is None for chunk in (first, *pieces, last))
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 12
    assert len({chunk["id"] for chunk in (first, *pieces, last, usage)}) == 1


def test_a_stream_has_no_usage_unless_asked(replica: Replica) -> None:
    """Clients that did not ask for usage get no chunk without choices."""
    with replica.stream() as stream:
        events = stream.events()
    assert all(event["choices"] for event in events)
    assert not any("usage" in event for event in events)


def test_a_whole_answer_has_text_reason_and_usage(replica: Replica) -> None:
    """Without `stream` there is one JSON object."""
    answer = replica.chat(max_tokens=10)
    assert answer.status == 200
    [choice] = answer.json["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"].strip()
    assert choice["finish_reason"] == "length"
    usage = answer.json["usage"]
    assert usage["completion_tokens"] == 10
    assert usage["total_tokens"] == usage["prompt_tokens"] + 10


def test_the_model_is_listed_under_the_name_it_answers_to(replica: Replica) -> None:
    """A client may take the model's name from the list."""
    [model] = replica.ask("GET", "/v1/models").json["data"]
    answer = replica.chat(model=model["id"])
    assert (answer.status, answer.json["model"]) == (200, model["id"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", chat_body(), 200),
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"x" * (2 << 20), 413),
        ("GET", "/v1/chat/completions", None, 405),
        ("GET", "/nowhere", None, 404),
        ("GET", "/v1/models", None, 200),
        ("GET", "/startupz", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/livez", None, 200),
        ("GET", "/metrics", None, 200),
    ],
)
def test_every_answer_names_the_pod(replica: Replica, method: str, path: str, body: Any, status: int) -> None:
    """`x-served-by` is on good answers and on errors."""
    answer = replica.ask(method, path, body)
    assert (answer.status, answer.headers["x-served-by"]) == (status, "pod-under-test")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[1]", 400, "invalid_json", None),
        ({"messages": []}, 400, "invalid_type", "messages"),
        ({"messages": [USER], "tools": []}, 400, "unknown_parameter", "tools"),
        ({"messages": [USER], "max_tokens": 257}, 400, "invalid_value", "max_tokens"),
        ({"messages": [USER], "model": "gpt"}, 404, "model_not_found", "model"),
        ({"messages": [{**USER, "content": "word " * 600}]}, 400, "context_length_exceeded", "messages"),
        (
            {"messages": [{**USER, "content": "word " * 600}], "stream": True},
            400,
            "context_length_exceeded",
            "messages",
        ),
    ],
)
def test_a_bad_request_is_refused_in_openai_s_shape(
    replica: Replica, body: Any, status: int, code: str, param: str | None
) -> None:
    """The error says what is wrong and with which field, also where only the engine can know."""
    answer = replica.ask("POST", "/v1/chat/completions", body)
    assert answer.status == status
    error = answer.json["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["message"]


def test_tokens_and_outcomes_are_counted(replica: Replica) -> None:
    """An answer of 9 tokens adds 9 to the tokens and 1 to the answers."""
    names = 'model_tokens_total{kind="completion"}', 'model_requests_total{outcome="ok"}'
    tokens, answers = (replica.metric(name) for name in names)
    assert replica.chat(max_tokens=9, temperature=0).json["usage"]["completion_tokens"] == 9
    # A token may be half a letter, and is then sent with the next.
    assert tokens + 7 <= replica.metric(names[0]) <= tokens + 9
    assert replica.metric(names[1]) == answers + 1


def test_a_client_that_leaves_frees_its_slot_and_a_full_queue_refuses(start: Callable[..., Replica]) -> None:
    """With one slot and one place to wait, the third is refused; the second is answered when the first leaves."""
    server = start(SLOTS="1", QUEUE_MAX="1", MAX_TOKENS="480")
    with ThreadPoolExecutor() as pool:
        with server.stream(max_tokens=480) as stream:
            next(stream.lines)
            second = pool.submit(server.chat, max_tokens=2)
            until(lambda: server.metric("model_requests_waiting") == 1, deadline_s=30, awaited="the second to wait")
            third = server.chat()
            assert (third.status, third.json["error"]["code"]) == (503, "overloaded")
            assert int(third.headers["retry-after"]) >= 1
            assert not second.done()
        assert second.result(timeout=60).status == 200
    assert server.metric('model_requests_total{outcome="cancelled"}') == 1
    assert server.metric('model_requests_total{outcome="overloaded"}') == 1
    assert server.metric('model_tokens_total{kind="completion"}') < 480
    assert server.metric("model_requests_running") == 0
