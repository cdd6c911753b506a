"""The help of the command `gameday`, as a terminal shows it."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from chaos.cli.app import app


def texts(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """The help of a command and of all that belongs to it, each with what it is about."""
    yield name, command.help or ""
    yield from ((f"{name} {param.name}", getattr(param, "help", None) or "") for param in command.params)
    for below, one in getattr(command, "commands", {}).items():
        yield from texts(one, f"{name} {below}")


def test_no_word_of_a_help_text_is_taken_for_markup() -> None:
    """A word in brackets would not be shown."""
    found = dict(texts(get_command(app), "gameday"))
    assert len(found) > 50
    assert [what for what, words in found.items() if "[" in words] == []
