"""Undo entries as they are written into the cluster: read back as they were, or refused."""

import pytest

from chaos.objects.base import Ref
from chaos.safety import UndoEntry

NODE = UndoEntry(
    "uncordon", Ref("Node", "", "n1", "u-1"), "kubectl uncordon n1", fault="f-1", deadline_ns=17, key="0001"
)
PART = UndoEntry(
    "restore-part",
    Ref("Deployment", "llm", "chat", "u-2"),
    "kubectl rollout undo deployment/chat -n llm",
    {"path": "/spec/template", "before": {"spec": {"containers": []}}, "wanted": None},
    key="0001",
)


@pytest.mark.parametrize("entry", [NODE, PART], ids=lambda entry: entry.kind)
def test_an_entry_is_read_back_as_it_was(entry: UndoEntry) -> None:
    """Nothing is lost between the run that wrote it and the process that executes it."""
    assert UndoEntry.read("0001", entry.text()) == entry


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "uncordon"}', '{"target": null}'])
def test_what_is_no_entry_is_refused(text: str) -> None:
    """Whatever else is there is reported, and never executed."""
    with pytest.raises(ValueError, match="Error"):
        UndoEntry.read("0001", text)
