"""What a trial says and writes down of words that come from the cluster has no secret in it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_owners_meanwhile import running

from chaos.errors import ClusterRefused
from chaos.objects.base import Ref
from chaos.objects.readiness_blockers import Blocker
from chaos.system.deploy.wait import _last_lines
from chaos.trial.preflight.consent import Consent

CANARY = "sk-canary-1234567890abcdef"
REFUSED = f"pull from https://user:{CANARY}@registry.example/v2?token={CANARY} with Bearer {CANARY} refused"


def test_a_reason_is_said_and_kept_without_what_lets_in(tmp_path: Path) -> None:
    """Of a system that never came, of an action that was refused, and of a remark; the rest of the words stays."""
    with running(Consent(), tmp_path) as (trial, context, said):
        trial.note(REFUSED)
        with context.journal.action("patch", Ref("Pod", "llm", "chat-1")) as entry:
            entry.end("fail", reason=REFUSED)
        trial.stop(REFUSED)
    kept = (tmp_path / "actions.jsonl").read_text()
    assert (kept.count("redacted@registry.example"), len(said)) == (3, 1)
    assert "redacted@registry.example" in said[0]
    assert CANARY not in kept + said[0]


@pytest.mark.parametrize("previous", [True, False])
def test_a_container_s_last_line_tells_no_credential(*, previous: bool) -> None:
    """Whether it is that of the run before or of this one: programs print what they were started with."""

    def logs(*_: object, previous: bool, **__: object) -> str:
        if previous is not wanted:
            raise ClusterRefused("there is no such log")
        return f"loading\nfatal: HF_TOKEN={CANARY} is no token; --api-key {CANARY} neither\n\n"

    wanted = previous
    cluster: Any = SimpleNamespace(logs=logs)
    system: Any = SimpleNamespace(namespace="llm", spec=SimpleNamespace(name="chat"))
    lines = _last_lines(cluster, system, [Blocker("crashing", "chat-1", "the container ends")])
    assert lines["chat-1"].startswith("fatal: HF_TOKEN=redacted:")
    assert CANARY not in lines["chat-1"]
