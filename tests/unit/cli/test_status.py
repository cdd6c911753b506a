"""What `gameday status` says of who is at work."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from chaos.cli import undo
from chaos.cli.app import app

HELD = {"metadata": {"name": "gameday"}, "spec": {"holderIdentity": "process 7 on ci", "renewTime": "12:00"}}


@pytest.mark.parametrize(
    ("namespace", "leases", "words"),
    [
        ("llm", {"llm": HELD}, "namespace llm: process 7 on ci holds the lease, renewed 12:00"),
        ("llm", {}, "namespace llm: nobody holds the lease"),
        (None, {"gameday": HELD}, "namespace gameday: process 7 on ci holds the lease, renewed 12:00"),
        (None, {"llm": HELD}, ""),
    ],
)
def test_the_holder_of_the_lease_is_named(
    monkeypatch: pytest.MonkeyPatch, namespace: str | None, leases: dict[str, Any], words: str
) -> None:
    """That of a system, or without one that of runs which deploy theirs and hit nodes; nobody is no news there."""
    cluster = SimpleNamespace(get=lambda _kind, where, _name: leases.get(where))
    reached = SimpleNamespace(cluster=nullcontext(cluster), namespace=namespace)
    monkeypatch.setattr(undo, "_reached", lambda *_: reached)
    monkeypatch.setattr(undo, "find_left", lambda *_, **__: ())
    said = CliRunner().invoke(app, ["status"])
    assert said.exit_code == 0, said.output
    assert said.output.splitlines() == [*([words] if words else []), "no fault is active"]
