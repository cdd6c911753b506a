"""A command of the user's that may stop a run: asked again and again, and its no is told in its own words."""

import sys
from pathlib import Path

import pytest
from typing_extensions import override

from chaos.safety.abort_conditions import AbortCommand
from chaos.safety.stop_condition import StopCondition
from chaos.wait import until

EVERY_S = 0.2


def python(program: str) -> list[str]:
    """A command that runs this program."""
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python("print('checking'); print('error rate 12 %'); raise SystemExit(3)"), "says: error rate 12 %"),
        (python("raise SystemExit(3)"), "says: exit code 3"),
        (python("import time; time.sleep(60)"), "did not answer within"),
        (["/nowhere/to/be/found"], "cannot be run: No such file or directory"),
    ],
)
def test_whatever_is_not_a_yes_is_a_no(command: list[str], words: str) -> None:
    """An exit code, no answer and no program all stop the run, each with its reason."""
    with AbortCommand(command, every_s=EVERY_S if "sleep" in str(command) else 5) as abort:
        until(lambda: abort.objection, deadline_s=20, awaited="an objection")
    assert words in abort.objection


class Odd(StopCondition):
    """A question whose second answer nobody can read."""

    asked = 0

    @override
    def ask(self) -> str:
        self.asked += 1
        if self.asked > 1:
            raise ValueError("no such answer")
        return ""


def test_a_question_that_fails_stops_the_run() -> None:
    """Its thread would end unseen, and the last answer be taken for the present one."""
    with Odd("the owner", every_s=0.05) as odd:
        until(lambda: odd.objection, deadline_s=20, awaited="an objection")
    assert odd.objection == "nobody can tell whether the owner objects: ValueError: no such answer"


def test_a_no_does_not_tell_the_command_s_password() -> None:
    """It may repeat its own line; the rest of what it says is the reason."""
    program = "import sys; print('refused:', *sys.argv[1:]); raise SystemExit(3)"
    with AbortCommand([*python(program), "--token", "abc", "--limit", "5"], every_s=5) as abort:
        assert "abc" not in abort.objection
        assert abort.objection.startswith(f"safety.abort: {sys.executable} says: refused: --token ")
        assert abort.objection.endswith(" --limit 5")


def test_a_yes_is_asked_for_again(tmp_path: Path) -> None:
    """As long as the command is content the run goes on; when it changes its mind, that is noticed."""
    spoilt = tmp_path / "spoilt"
    program = f"import pathlib, sys; sys.exit(pathlib.Path({str(spoilt)!r}).exists())"
    with AbortCommand(python(program), every_s=5) as abort:
        assert abort.objection == ""
    with AbortCommand(python(program), every_s=1) as abort:
        spoilt.touch()
        until(lambda: abort.objection, deadline_s=20, awaited="an objection")


@pytest.mark.parametrize("code", [0, 3])
def test_the_first_answer_comes_before_any_fault(tmp_path: Path, code: int) -> None:
    """A command that is asked seldom, and takes its time, has answered once when the run goes on; it is asked once."""
    asked = tmp_path / "asked"
    program = f"import time; open({str(asked)!r}, 'a').write('x'); time.sleep(0.5); print('full'); exit({code})"
    with AbortCommand(python(program), every_s=60) as abort:
        assert abort.objection == (f"safety.abort: {sys.executable} says: full" if code else "")
    assert asked.read_text() == "x"


def test_without_a_command_nothing_is_asked() -> None:
    """No limit is no limit."""
    with AbortCommand([], every_s=EVERY_S) as abort:
        assert abort.objection == ""
