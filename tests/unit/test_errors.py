"""Words that strangers may have written, on their way to a terminal or a CI log."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hostile_words import HOSTILE, steers

from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.errors import ClusterRefused, one_line, printable


@pytest.mark.parametrize("text", HOSTILE)
def test_what_strangers_wrote_steers_nothing(text: str) -> None:
    """Neither a terminal nor a job's log, and it begins no line of its own."""
    assert steers(one_line(text)) == []
    assert steers(printable(text)) == []
    assert steers(str(ClusterRefused(f"the server said: {text}", text))) == []


@pytest.mark.parametrize("text", ["", "Läuft: 3 von 4 ✓", "scenarios/test_a.py::test_b", "a  b", "#1, C# and ::"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Words of any language, and what is a command nowhere."""
    assert one_line(text) == text


def test_an_error_keeps_its_two_lines() -> None:
    """What went wrong, and what to do about it."""
    assert str(ClusterRefused("no", "do")) == "no\n  to mend it: do"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_verdict_steers_nothing(text: str) -> None:
    """A finding may quote a model server or an Event."""
    finding = Finding("slo-met", Answer.UNKNOWN, text, text, text, reason=text, settle=text)
    history = SimpleNamespace(facts=SimpleNamespace(seed=7, raw={"nodeid": "test_a.py::test_b"}))
    said = Judgement(Path("runs/a"), cast("Any", history), Verdict.of([finding])).text()
    assert steers(said) == []
