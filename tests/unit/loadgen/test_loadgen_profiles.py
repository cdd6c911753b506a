"""Profiles and origins: plain data, checked where they are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.errors import UsageError
from loadgen.origin import ApiServerProxy, Credentials, HostDirect, LabClient
from loadgen.plan import Plan, filled, place_of, request_bytes, request_head
from loadgen.profiles import (
    Conversation,
    Disconnects,
    Draw,
    EmbeddingsProfile,
    HttpProfile,
    Length,
    OpenAiChatProfile,
    OpenAiCompletionsProfile,
    Prefixes,
    Profile,
    Request,
    RerankProfile,
    Retries,
    Texts,
    profile_from_plain,
)

CHAT = OpenAiChatProfile(model="m", prompts=("a", "b", "c"))
BARE = {"name": "openai-chat", "model": "m", "prompts": ["a"]}


@pytest.mark.parametrize(
    "profile",
    [
        HttpProfile(),
        HttpProfile(method="POST", path="/x?y=1", body="ä", headers={"A": "b"}, expect_status=(200, 204), patience_s=1),
        CHAT,
        replace(CHAT, retries=Retries(), conversation=Conversation(turns=3), disconnects=Disconnects(share=0.2)),
        replace(CHAT, tokens_in=Length(median=80), tokens_out=Length(values=(3, 5)), prefixes=Prefixes(share=0.5)),
        OpenAiCompletionsProfile(model="m", prompts=("a",), nonce=True, max_tokens=40),
        EmbeddingsProfile(model="m", prompts=("a",), inputs=3, dimensions=4),
        RerankProfile(model="m", prompts=("a",), documents_field="texts"),
    ],
)
def test_a_profile_survives_json(profile: Profile) -> None:
    """What is recorded is what was asked."""
    assert profile_from_plain(json.loads(json.dumps(profile.plain()))) == profile


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "profile.name"),
        ({"name": "gopher"}, "gopher"),
        ({"name": "http", "pth": "/"}, "pth"),
        ({"name": "http", "path": "no-slash"}, "path"),
        ({"name": "http", "path": "/a b"}, "path"),
        ({"name": "http", "path": "/a\r\nX: y"}, "path"),
        ({"name": "http", "method": "G T"}, "method"),
        ({"name": "http", "timeout_s": 0}, "timeout_s"),
        ({"name": "http", "timeout_s": "soon"}, "timeout_s"),
        ({"name": "http", "patience_s": 30}, "patience_s"),
        ({"name": "http", "connections": "some"}, "connections"),
        ({"name": "http", "expect_status": []}, "expect_status"),
        ({"name": "http", "expect_status": [100]}, "expect_status"),
        ({"name": "http", "replica_header": "a b"}, "replica_header"),
        ({"name": "http", "headers": {"X": "a\nb"}}, "headers.X"),
        ({"name": "http", "headers": {"Connection": "close"}}, "headers.Connection"),
        ({"name": "http", "headers": {"Authorization": "Bearer sk-1"}}, "headers.Authorization"),
        ({"name": "openai-chat", "prompts": ["a"]}, "model"),
        ({"name": "openai-chat", "model": "m", "prompts": []}, "prompts"),
        ({"name": "openai-chat", "model": "m", "prompts": ["a"], "max_tokens": 0}, "max_tokens"),
        ({**BARE, "nonce": True}, "max_tokens"),
        ({**BARE, "stream": False, "disconnects": {"share": 0.1}}, "disconnects"),
        ({**BARE, "disconnects": {"share": 0}}, "disconnects.share"),
        ({**BARE, "disconnects": {"share": 0.1, "after": 3}}, "disconnects.after"),
        ({**BARE, "retries": {"attempts": 1}}, "retries.attempts"),
        ({**BARE, "retries": {"backoff_s": 9}}, "backoff_s"),
        ({**BARE, "retries": {"statuses": [200]}}, "retries.statuses"),
        ({**BARE, "conversation": {"turns": 1}}, "conversation.turns"),
        ({**BARE, "conversation": {"turns": 2, "think_s": -1}}, "think_s"),
        ({**BARE, "prefixes": {"share": 2}}, "prefixes.share"),
        ({**BARE, "tokens_in": {}}, "fixed, median"),
        ({**BARE, "tokens_in": {"fixed": 0}}, "1000000"),
        ({**BARE, "tokens_in": {"fixed": 3, "median": 3}}, "fixed, median"),
        ({**BARE, "tokens_in": {"trace": "no-such-file.csv"}}, "no-such-file.csv"),
        ({**BARE, "name": "openai-completions", "conversation": {"turns": 2}}, "conversation"),
        ({**BARE, "name": "openai-embeddings", "inputs": 0}, "inputs"),
        ({**BARE, "name": "rerank", "documents": 1}, "documents"),
    ],
)
def test_a_bad_field_is_named(data: dict[str, Any], field: str) -> None:
    """Each error says which field it is about."""
    with pytest.raises(UsageError) as caught:
        profile_from_plain(data)
    assert field in str(caught.value)


def asked(profile: Profile, arrival: int = 0, seed: int = 1) -> dict[str, Any]:
    """The body of the request of an arrival."""
    body: dict[str, Any] = json.loads(profile.request(Texts.of(seed), Draw("steady-1", arrival)).body)
    return body


def test_a_chat_request_asks_for_usage_only_in_a_stream() -> None:
    """`stream_options` without `stream` is an error to OpenAI's API."""
    assert asked(CHAT)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in asked(OpenAiChatProfile(model="m", prompts=("a",), stream=False))


def test_answers_of_a_fixed_length_are_asked_for_only_where_wanted() -> None:
    """`ignore_eos` is unknown to OpenAI's own API, which refuses what it does not know."""
    assert asked(OpenAiChatProfile(model="m", prompts=("a",), ignore_eos=True))["ignore_eos"] is True
    assert "ignore_eos" not in asked(CHAT)


def on_the_wire(request: Request, url: str, headers: dict[str, str], *, keep: bool) -> bytes:
    """All of its bytes."""
    return request_bytes(request, request_head(request, place_of(url), headers, keep=keep))


def test_a_request_on_the_wire_is_whole() -> None:
    """Host, length and connection are set; the profile's own headers win over the defaults."""
    request = HttpProfile(method="post", path="/a", body="ä").request(Texts.of(1), Draw("s", 0))
    text = on_the_wire(request, "http://[::1]:8080/base/", {"User-Agent": "me"}, keep=False)
    assert text == (
        b"POST /base/a HTTP/1.1\r\nUser-Agent: me\r\nHost: [::1]:8080\r\nAccept: */*\r\nConnection: close\r\n"
        b"Content-Length: 2\r\n\r\n\xc3\xa4"
    )
    usual = HttpProfile().request(Texts.of(1), Draw("s", 0))
    assert b"Content-Length" not in on_the_wire(usual, "http://a", {}, keep=True)


def test_variables_are_filled_from_the_environment_only() -> None:
    """`${NAME}` is replaced; a missing one is named, and a value that would add a header is refused."""
    assert filled({"A": "Bearer ${KEY}", "B": "$KEY"}, {"KEY": "k"}) == {"A": "Bearer k", "B": "$KEY"}
    with pytest.raises(UsageError, match="KEY"):
        filled({"A": "${KEY}"}, {})
    with pytest.raises(UsageError, match="KEY"):
        filled({"A": "${KEY}"}, {"KEY": "k\r\nX: y"})


@pytest.mark.parametrize("url", ["ftp://a", "a:80", "http://", "http://a:99999", "http://a/?q=1"])
def test_a_url_that_cannot_be_sent_to_is_refused(url: str) -> None:
    """By the plan and by the origins alike."""
    with pytest.raises(UsageError):
        place_of(url)
    with pytest.raises(UsageError):
        HostDirect(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a/?api_key=hunter2",
        "https://me:hunter2@a/?q=1",
        "http://me:hunter2@a:99999",
        "ftp://hunter2@a",
        "me:hunter2@a",
        "http:///hunter2",
    ],
)
def test_a_url_that_is_refused_is_not_quoted_whole(url: str) -> None:
    """A key may stand in it, and the error is printed; its host says which one it is."""
    refusing: tuple[Callable[[str], object], ...] = (place_of, HostDirect)
    for refuse in refusing:
        with pytest.raises(UsageError, match=r"url: \w+://a?… ") as refused:
            refuse(url)
        assert "hunter2" not in str(refused.value)


def test_a_plan_survives_json(tmp_path: Any) -> None:
    """The generator reads what the driver wrote."""
    plan = Plan(
        clock=Clock(1, 2), run_folder=tmp_path, url="http://a", profile=CHAT, seed=1, in_flight_max=2, duration_max_s=3
    )
    assert Plan.from_plain(json.loads(json.dumps(plan.plain()))) == plan


def test_origin_points_say_what_they_cannot_show() -> None:
    """Each has a name, words and an address; the API server's proxy has the address of the Service's proxy."""
    proxy = ApiServerProxy(
        server="https://10.0.0.1:6443", namespace="shop", service="model", port="80", credentials=Credentials()
    )
    assert proxy.url == "https://10.0.0.1:6443/api/v1/namespaces/shop/services/model:80/proxy"
    assert "kube-proxy" in proxy.words
    assert (LabClient("http://10.96.0.10").name, HostDirect("http://a").name) == ("lab client", "this host")
    with pytest.raises(UsageError, match="service"):
        ApiServerProxy(server="https://a", namespace="b", service="c/../d", port="80", credentials=Credentials())
    with pytest.raises(UsageError, match="recorded"):
        HostDirect("http://user:word@a")


def test_credentials_do_not_show_in_text() -> None:
    """Neither their repr nor that of the origin holds a secret."""
    credentials = Credentials(cert_pem="CERT", key_pem="KEY", headers={"authorization": "Bearer TOKEN"})
    proxy = ApiServerProxy(server="https://a", namespace="b", service="c", port="80", credentials=credentials)
    assert not any(secret in repr(proxy) + repr(credentials) for secret in ("CERT", "KEY", "TOKEN"))
    with pytest.raises(UsageError, match="key_pem"):
        Credentials(cert_pem="CERT")
