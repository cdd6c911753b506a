"""What `gameday init` hears of a service that runs already, and what it writes of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hostile_words import HOSTILE

from chaos.cluster import Cluster, ClusterFacts
from chaos.cluster.transport import Answer, Silent
from chaos.objects.base import Ref
from chaos.semantics.engines import engine_named
from chaos.system import System, SystemSpec
from chaos.system.adopt.answering import Answering, heard
from chaos.system.adopt.find import Adopted
from chaos.trial.config import GamedayConfig
from chaos.trial.config_template import file_text

SPEC = SystemSpec(name="chat", image="any", port=8000)
SYSTEM = System(SPEC, "llm", {"app": "chat"}, Ref("Deployment", "llm", "chat", "u"), "chat", 80, "", {}, 0, ())
SERVICE, POD = "/api/v1/namespaces/llm/services/chat:80/proxy", "/api/v1/namespaces/llm/pods/chat-1:8000/proxy"
READY = {
    "metadata": {"name": "chat-1", "namespace": "llm", "labels": {"app": "chat"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "podIPs": [{"ip": "10.0.0.7"}]},
}


def models(name: object = "tiny", owned_by: object = "vllm", **headers: str) -> Answer:
    """A list of one model."""
    return Answer(200, json.dumps({"data": [{"id": name, "owned_by": owned_by}]}).encode(), headers)


def status(code: int, message: str = "no") -> Answer:
    """An API server's own refusal."""
    return Answer(code, json.dumps({"kind": "Status", "apiVersion": "v1", "message": message}).encode())


def cluster(answers: Mapping[str, Answer], *, other: Answer | None = None) -> Cluster:
    """A cluster whose proxies answer so, else with the service's own 404."""

    def call(method: str, path: str, **_: Any) -> Answer:
        assert method == "GET"
        if path not in answers and other is None and path.startswith(SERVICE):
            return Answer(404, b"not found")
        return answers.get(path) or other or status(404)

    transport = SimpleNamespace(call=call)
    return cast("Cluster", SimpleNamespace(transport=transport, list=lambda *_, **__: [READY]))


VLLM = {
    f"{SERVICE}/v1/models": models(server="uvicorn"),
    f"{SERVICE}/version": Answer(200, b'{"version": "0.32.0"}'),
    f"{SERVICE}/metrics": Answer(200, b"vllm:num_requests_running 0\n"),
}
LLAMA_CPP = {
    f"{SERVICE}/v1/models": models("smollm2.gguf", "llamacpp", server="llama.cpp"),
    f"{SERVICE}/props": Answer(200, b'{"build_info": "b6500-1a2b"}'),
}


def written(answering: Answering) -> dict[str, Any]:
    """The table [traffic] of the file, which must be one that is read."""
    facts = ClusterFacts("staging", "https://staging.example", "v1.36.3", "3f0c", ())
    parsed = tomllib.loads(file_text(Adopted(SYSTEM, {}, ()), facts, "", answering))
    GamedayConfig.model_validate(parsed)
    return dict(parsed["traffic"])


@pytest.mark.parametrize(
    ("answers", "engine", "version", "model"),
    [(VLLM, "vllm", "0.32.0", "tiny"), (LLAMA_CPP, "llama.cpp", "b6500-1a2b", "smollm2.gguf")],
)
def test_an_engine_is_written_with_its_model(answers: dict[str, Answer], engine: str, version: str, model: str) -> None:
    """Nothing is left to edit: the request is a chat with that model, and each replica is asked directly."""
    found = heard(cluster(answers), SYSTEM)
    assert found == Answering(True, engine_named(engine), version, model, "")
    traffic = written(found)
    assert (traffic["profile"], traffic["request"]["model"]) == ("openai-chat", model)
    assert (traffic["engine"], traffic["engine_version"], traffic["canary"]) == (engine, version, True)
    profile = GamedayConfig.model_validate({"system": {"namespace": "a", "deployment": "b"}, "traffic": traffic})
    assert profile.traffic.request_profile() is not None
    assert model in found.words


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-served-by": "chat-1"}, "x-served-by"),
        ({"x-backend": "10.0.0.7:8000"}, "x-backend"),
        ({"x-backend": " 10.0.0.7 "}, "x-backend"),
        ({"x-backend": "router-1", "x-served-by": "10.0.0.9:8000"}, ""),
    ],
)
def test_a_header_with_a_pods_name_or_address_is_used(headers: dict[str, str], name: str) -> None:
    """Whatever it is called; one that names a router is not."""
    found = heard(cluster({f"{SERVICE}/v1/models": models(**headers)}), SYSTEM)
    assert found.replica_header == name
    traffic = written(found)
    assert traffic["request"].get("replica_header", "") == name
    assert traffic.get("canary", False) is (not name)


def test_a_pod_is_asked_where_the_service_may_not_be() -> None:
    """Who has only pods/proxy is heard as well."""
    answers = {path.replace(SERVICE, POD): answer for path, answer in VLLM.items()}
    found = heard(cluster(answers, other=status(403)), SYSTEM)
    assert (found.engine, found.version) == (engine_named("vllm"), "0.32.0")


@pytest.mark.parametrize("other", [status(403), status(503, "no endpoints available")])
def test_where_nothing_answers_the_file_is_as_without_asking(other: Answer) -> None:
    """The API server's own words are nobody's answer."""
    found = heard(cluster({}, other=other), SYSTEM)
    assert found == Answering()
    assert written(found) == written(Answering())
    assert written(found)["profile"] == "http"


def test_a_service_that_says_nothing_in_time_is_none() -> None:
    """It is not waited for."""

    def call(*_: Any, **__: Any) -> Answer:
        raise Silent("silent for too long")

    silent = SimpleNamespace(transport=SimpleNamespace(call=call), list=lambda *_, **__: [READY])
    assert heard(cast("Cluster", silent), SYSTEM) == Answering()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(307, b"", {"location": "https://elsewhere.example"}),
        Answer(200, b"<html>"),
        Answer(200, b"[" * 100_000),
        Answer(200, b'{"data": {"id": "x"}}'),
        Answer(200, b'{"data": [7, {"id": 7}, {"id": ""}]}'),
        models("x" * 1000),
        models("a\nb"),
        models("\x1b[31mred"),
    ],
)
def test_what_is_no_list_of_models_names_none(answer: Answer) -> None:
    """A plain service, or a hostile one."""
    found = heard(cluster({f"{SERVICE}/v1/models": answer}), SYSTEM)
    assert (found.reached, found.model) == (True, "")
    assert (written(found)["profile"], written(found)["canary"]) == ("http", True)


@pytest.mark.parametrize(
    "text", [*HOSTILE, 'x"\n[safety]\nabort = ["touch", "x"]\n#', "a\x7fb", "\U0001f600 {0} {path}"]
)
def test_no_word_of_a_service_writes_a_line_of_the_file(text: str) -> None:
    """A model's name is a value of its own key."""
    answering = Answering(True, engine_named("vllm"), "1.0", text, "")
    traffic = written(answering)
    assert traffic["request"]["model"] == text
    assert set(traffic) == {"profile", "request", "engine", "engine_version", "canary"}
    assert set(written(replace(answering, replica_header="x-pod"))) == {
        "profile",
        "request",
        "engine",
        "engine_version",
    }
