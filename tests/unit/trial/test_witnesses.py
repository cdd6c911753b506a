"""Whose metrics and logs are kept: the system's own pods, whoever else is in its namespace."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chaos.trial.witnesses
from chaos.clock import Clock
from chaos.trial.witnesses import witnesses_of
from loadgen.profiles import OpenAiChatProfile


def raw(name: str, **labels: str) -> dict[str, Any]:
    """A raw pod."""
    return {"metadata": {"name": name, "uid": name, "namespace": "llm", "labels": labels}}


def test_pods_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load pods and Jobs that fill claims are in the namespace, too; prompts of the profile go to the redactor."""
    given: dict[str, Any] = {}

    def logs(_transport: object, _clock: Clock, run: Path, **rest: Any) -> object:
        given.update(rest, run=run)
        return object()

    monkeypatch.setattr(chaos.trial.witnesses, "PodLogs", logs)
    pods = [raw("chat-1", app="chat", extra="1"), raw("load-1", app="load"), raw("bare")]
    recorder = SimpleNamespace(objects=lambda kind: pods if kind == "Pod" else ())
    environment = SimpleNamespace(cluster=SimpleNamespace(transport=None), adoption=None)
    profile = OpenAiChatProfile(model="m", prompts=("Tell me of whales.",), max_tokens=4)
    request = SimpleNamespace(run=tmp_path, spec=SimpleNamespace(port=8000), profile=profile, engine=("vllm", ""))
    system = SimpleNamespace(selector={"app": "chat"})
    parts: Any = (environment, Clock.start(), request, system, recorder)
    witnesses_of(*parts)
    assert [pod.name for pod in given["pods"]()] == ["chat-1"]
    assert given["private"] == ("Tell me of whales.",)
    assert given["run"] == tmp_path
    assert list(tmp_path.iterdir()) == []
