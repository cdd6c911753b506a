"""What a session is called where other users of the lab read it."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.cli.capacity import command
from chaos.cli.capacity.environment import Where
from chaos.errors import UsageError
from chaos.plugin import trial_setup

ARGS = ["scenarios", "--gameday-service-url", "https://me:hunter2@chat.example", "--api-key=hunter3", "-k", "drain"]


def without_secrets(words: str, program: str) -> bool:
    """Whether these are the words of a command with those arguments, without what is secret in them."""
    plain = words.startswith(f"{program} scenarios --gameday-service-url https://redacted@chat.example --api-key=")
    return plain and words.endswith(" -k drain") and "hunter" not in words


def test_a_session_of_pytest_tells_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command line is what others read of who uses the lab."""
    told: list[str] = []

    def lab(**given: Any) -> nullcontext[str]:
        told.append(given["words"])
        return nullcontext("the lab")

    options = SimpleNamespace(config_file=None, context="", lab_nodes=3, lab_release=None, keep_lab=False, image="")
    monkeypatch.setattr(trial_setup, "options_of", lambda _config: options)
    monkeypatch.setattr(trial_setup, "lab_environment", lab)
    monkeypatch.setattr(trial_setup, "signals_heal", nullcontext)
    monkeypatch.setattr(trial_setup, "uncaptured", nullcontext)
    config: Any = SimpleNamespace(invocation_params=SimpleNamespace(args=ARGS))
    opened: list[Any] = list(trial_setup.environment(config))
    assert opened == ["the lab"]
    assert [without_secrets(words, "pytest") for words in told] == [True]


def test_a_measurement_of_capacity_tells_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the command that measures."""
    told: list[str] = []

    def placed(where: Where, **_given: Any) -> None:
        told.append(where.command)
        raise UsageError("no further")

    monkeypatch.setattr(command, "placed", placed)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gameday", *ARGS])
    with pytest.raises(UsageError, match="no further"):
        command.capacity_command()
    assert [without_secrets(words, "gameday") for words in told] == [True]
