"""Promises as they are written into the cluster: read back as they were, or refused."""

from __future__ import annotations

import pytest

from chaos.objects.base import Ref
from chaos.safety import Inverse, Promise

NODE = Inverse("open-node", Ref("Node", "", "n1", "u-1"), "kubectl uncordon n1")
PART = Inverse(
    "restore-part",
    Ref("Deployment", "llm", "chat", "u-2"),
    "kubectl rollout undo deployment/chat -n llm",
    {"path": "/spec/template", "before": {"spec": {"containers": []}}, "wanted": None},
)


@pytest.mark.parametrize("inverse", [NODE, PART], ids=lambda inverse: inverse.kind)
def test_a_promise_is_read_back_as_it_was(inverse: Inverse) -> None:
    """Nothing is lost between the run that wrote it and the one that keeps it."""
    promise = Promise("0001", "fault-1", 1_700_000_000_000_000_000, inverse)
    assert Promise.read("0001", promise.text()) == promise


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inverse": {"kind": "open-node"}}', '{"inverse": null}'])
def test_what_is_no_promise_is_refused(text: str) -> None:
    """Whatever else stands there is told apart, and never acted on."""
    with pytest.raises(ValueError, match="Error"):
        Promise.read("0001", text)
