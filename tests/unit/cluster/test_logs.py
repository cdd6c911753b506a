"""Logs of containers, which may write anything."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaos.cluster import Cluster
from chaos.cluster.transport import Answer


class Wire:
    """A transport on which each read of a log gives the same; notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []

    def call(self, _method: str, _path: str, *, query: Mapping[str, str]) -> Answer:
        """The log."""
        self.asked.append(query)
        return Answer(200, b"one\ntwo\n")


@pytest.mark.parametrize(("lines", "most"), [(5, 80 * 1024), (1000, 16_000 * 1024)])
def test_a_line_without_an_end_is_not_read_whole(lines: int, most: int) -> None:
    """The server is asked for so many lines, and for no more bytes than these have where runtimes cut long ones."""
    wire: Any = Wire()
    log = Cluster(wire, None).logs("llm", "chat-1", "server", previous=True, tail_lines=lines)  # type: ignore[arg-type]
    assert log == "one\ntwo\n"
    (asked,) = wire.asked
    assert (asked["tailLines"], asked["limitBytes"]) == (str(lines), str(most))
    assert (asked["container"], asked["previous"]) == ("server", "true")
