"""A heal that is interrupted: by the first interrupt it is made once more, by the next one it is given up."""

import json
from pathlib import Path

import pytest
from test_owners_meanwhile import Marked, running
from typing_extensions import override

from chaos.faults import FaultContext, Injection
from chaos.faults.targets import Targets
from chaos.trial.preflight.consent import Consent


class Interrupted(Marked):
    """A fault whose heal meets Ctrl-C as often as there are words of refusal."""

    @override
    def inject(self, context: FaultContext) -> Injection:
        deeds, interrupts = self.deeds, self.refusals

        class Healed(Injection):
            @override
            def heal(self) -> str:
                deeds.append("heal")
                if interrupts:
                    raise KeyboardInterrupt(interrupts.pop())
                return ""

        return Healed(self, context, lambda: "seen")


@pytest.mark.parametrize(("times", "outcomes"), [(1, ["info", "ok"]), (2, ["info", "info"])])
def test_an_interrupted_heal_is_made_once_more(tmp_path: Path, times: int, outcomes: list[str]) -> None:
    """Who ends a session while it heals wants no node to stay closed; who insists gets the command for it."""
    fault = Interrupted(Targets("one", ()), [], ["^C"] * times)
    with (
        pytest.raises(KeyboardInterrupt),
        running(Consent(), tmp_path) as (trial, _, _),
        trial.fault(fault),
    ):
        pass
    assert fault.deeds == ["heal", "heal"]
    journal = [json.loads(line) for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in journal if line["event"] == "fault-healed"] == outcomes
