"""A pod that sees the processes of its node is none in which processes are looked for by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.faults.containers import Place, not_running, place_of, same_container
from chaos.objects.base import Ref

POD = Ref("Pod", "llm", "chat-1", "uid-1")


def pod(**spec: Any) -> dict[str, Any]:
    """A pod whose container runs."""
    running = {"name": "chat", "containerID": "c://1", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    return {
        "metadata": {"name": "chat-1", "namespace": "llm", "uid": "uid-1"},
        "spec": {"containers": [{"name": "chat"}], **spec},
        "status": {"phase": "Running", "containerStatuses": [running]},
    }


@pytest.mark.parametrize(
    ("spec", "fit"),
    [({}, True), ({"hostPID": False}, True), ({"shareProcessNamespace": True}, True), ({"hostPID": True}, False)],
)
def test_only_a_container_with_processes_of_its_own_is_a_place(spec: dict[str, Any], fit: object) -> None:
    """For a new fault as for what an undo entry names; with hostPID a name would hit others' processes of the node."""
    recorder: Any = SimpleNamespace(objects=lambda _: [pod(**spec)])
    context: Any = SimpleNamespace(cluster=SimpleNamespace(get=lambda *_: pod(**spec)))
    assert (place_of(recorder, POD, "") is not None) is fit
    assert same_container(context, Place(POD, "chat", "c://1")) is fit
    assert "hostPID" in not_running(POD, "chat")
