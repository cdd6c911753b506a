"""Which way a fault is made in any container, or in which words it is refused: every case, before anything is done."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import pytest

from chaos.faults.infrastructure import Infrastructure, OwnMeans
from chaos.faults.support.ways import (
    NO_TOOLS,
    Means,
    Seen,
    Tools,
    asked_for,
    crash_way,
    hang_way,
    hog_way,
    shell_way,
)
from chaos.objects.pod import PodView
from chaos.objects.process import EVERY, ProcessView, chosen, largest


class Node:
    """A node that can hold containers still."""

    words = "the node"


NODE = Infrastructure(containers=cast("Any", Node()))
DEBUG = Infrastructure(own=OwnMeans(debug_image="busybox:1"))
BOTH = Infrastructure(containers=cast("Any", Node()), own=OwnMeans(debug_image="busybox:1"))
BARE = Infrastructure()
BELOW = {"node": NODE, "debug": DEBUG, "both": BOTH, "bare": BARE}


def process(pid: int, name: str, size_kib: int = 1000, *, parent: int = 1, state: str = "S") -> ProcessView:
    """A process; process 1 has its parent outside."""
    return ProcessView(pid, 100 + pid, 0 if pid == 1 else parent, state, size_kib, name)


TINI = (process(1, "tini", 10), process(7, "model-server", 40_000), process(8, "model-engine", 300_000))
VLLM = (process(1, "vllm", 600_000), process(9, "VLLM::EngineCor", 1_500_000), process(10, "VLLM::Worker", 900_000))
LLAMA = (process(1, "llama-server", 200_000),)
SHELL = (process(1, "sh", 900), process(6, "python3", 250_000), process(70, "curl", 9_000, parent=0))
HELPED = (process(1, "python3", 500_000), process(12, "python3", 11_000))


def seen_in(processes: Sequence[ProcessView], means: Means = "exec", **spec: Any) -> Seen:
    """These processes, in container chat of a pod."""
    raw = {"metadata": {"name": "chat-1"}, "spec": {"containers": [{"name": "chat"}], **spec}}
    return Seen(PodView(raw), "chat", means, tuple(processes))


@pytest.mark.parametrize(
    ("tools", "below", "guarded", "means"),
    [
        *[(Tools(), below, guarded, "exec") for below in BELOW for guarded in (True, False)],
        *[(None, below, guarded, "exec") for below in BELOW for guarded in (True, False)],
        *[(Tools(sleep=False), below, False, "exec") for below in BELOW],
        (Tools(sleep=False), "node", True, "node"),
        (Tools(sleep=False), "both", True, "node"),
        (Tools(sleep=False), "debug", True, "debug"),
        (Tools(sleep=False), "bare", True, "none"),
        *[(NO_TOOLS, "node", guarded, "node") for guarded in (True, False)],
        *[(NO_TOOLS, "both", guarded, "node") for guarded in (True, False)],
        *[(NO_TOOLS, "debug", guarded, "debug") for guarded in (True, False)],
        *[(NO_TOOLS, "bare", guarded, "none") for guarded in (True, False)],
    ],
)
def test_what_an_image_has_and_what_is_offered_decide_the_way(
    tools: Tools | None,
    below: str,
    guarded: bool,  # noqa: FBT001  # a table
    means: str,
) -> None:
    """The container's own shell first, then its node, then a container beside it; else what would allow it is said."""
    way = shell_way("chat", tools, BELOW[below], guarded=guarded)
    assert way.means == means
    assert way.words
    if means == "none":
        assert "debug_image" in way.words


@pytest.mark.parametrize(
    ("seen", "hit"),
    [(TINI, "model-engine"), (VLLM, "VLLM::EngineCor"), (SHELL, "python3"), (LLAMA, "llama-server"), ((), None)],
)
def test_the_largest_process_is_where_the_weights_are(seen: Sequence[ProcessView], hit: str | None) -> None:
    """An init, a front, and what an exec brought in hold less; one that has ended is none."""
    found = largest([*seen, process(99, "ended", 10**9, state="Z"), process(98, "probe", 10**8, parent=0)])
    assert (found.name if found else None) == hit


@pytest.mark.parametrize("means", ["exec", "debug"])
@pytest.mark.parametrize(
    ("seen", "wanted", "name"),
    [
        (TINI, "", "model-engine"),
        (TINI, "model-server", "model-server"),
        (TINI, EVERY, "every process"),
        (VLLM, "", "VLLM::EngineCor"),
        (VLLM, "VLLM::EngineCore", "VLLM::EngineCore"),
        (SHELL, "", "python3"),
    ],
)
def test_what_is_not_process_one_is_stopped_by_signals(
    means: Means, seen: Sequence[ProcessView], wanted: str, name: str
) -> None:
    """Whatever the node could do besides; the default is this very process, not all of its name."""
    for below in BELOW.values():
        way = hang_way(seen_in(seen, means), wanted, below)
        assert (way.means, way.name) == (means, name)
        crash = crash_way(seen_in(seen, means), wanted, "KILL", below)
        assert (crash.means, crash.process) == (means, way.process)
    if not wanted:
        assert [one.name for one in chosen(seen, way.process)] == [name]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (LLAMA, ""),
        (LLAMA, "llama-server"),
        (LLAMA, EVERY),
        (VLLM, "vllm"),
        (VLLM, EVERY),
        (HELPED, ""),
        (HELPED, "python3"),
    ],
)
@pytest.mark.parametrize("means", ["exec", "debug"])
def test_process_one_takes_no_signal_from_inside(means: Means, seen: Sequence[ProcessView], wanted: str) -> None:
    """Only its node can stop or kill it, and no ephemeral container; where there is no node that is said."""
    there = seen_in(seen, means)
    for below in (BARE, DEBUG):
        for way in (hang_way(there, wanted, below), crash_way(there, wanted, "KILL", below)):
            assert way.means == "none"
            assert "process 1 of container chat" in way.words
            assert "init" in way.words
    assert crash_way(seen_in(seen, means), wanted, "KILL", NODE).means == "node"


@pytest.mark.parametrize(
    ("seen", "wanted", "means"),
    [
        (LLAMA, "", "node"),
        (LLAMA, "llama-server", "node"),
        (HELPED, "", "node"),
        (VLLM, EVERY, "node"),
        (HELPED, "python3", "node"),
        (VLLM, "vllm", "none"),
    ],
)
@pytest.mark.parametrize("through", ["exec", "node"])
def test_a_node_stops_a_container_only_as_a_whole(
    through: Means, seen: Sequence[ProcessView], wanted: str, means: str
) -> None:
    """One of several that is named is not all of them: that is refused, with the word that would allow it."""
    way = hang_way(seen_in(seen, through), wanted, NODE)
    assert way.means == means
    assert means == "node" or "process='*'" in way.words
    if means == "node":
        assert way.process == EVERY


def test_a_node_kills_one_of_several() -> None:
    """A kill is no freezer: it reaches the very process, also the first."""
    way = crash_way(seen_in(VLLM, "node"), "vllm", "KILL", NODE)
    assert (way.means, [one.pid for one in chosen(VLLM, way.process)]) == ("node", [1])


@pytest.mark.parametrize("wanted", ["", EVERY])
def test_shared_processes_are_named_or_let_be(wanted: str) -> None:
    """Else the largest, or every one, could be a neighbour's in the same pod."""
    shared = seen_in(TINI, shareProcessNamespace=True)
    for way in (hang_way(shared, wanted, BOTH), crash_way(shared, wanted, "KILL", BOTH)):
        assert (way.means, "name one, as process" in way.words) == ("none", True)
    assert hang_way(shared, "model-engine", BARE).means == "exec"
    assert hang_way(seen_in(TINI, "node", shareProcessNamespace=True), wanted, NODE).means == "node"


@pytest.mark.parametrize(("seen", "wanted"), [((), ""), (TINI, "no-such"), (TINI, "model"), (TINI, "8:999")])
def test_what_is_not_there_is_refused_by_name(seen: Sequence[ProcessView], wanted: str) -> None:
    """Also where a part of a name is, or another process with that number."""
    for means, below in itertools.product(("exec", "node"), BELOW.values()):
        way = hang_way(seen_in(seen, cast("Means", means)), wanted, below)
        assert way.means == "none"
        assert "no process" in way.words


@pytest.mark.parametrize(
    ("tools", "below", "means"),
    [
        (None, "bare", "exec"),
        (Tools(), "node", "exec"),
        (Tools(sleep=False), "bare", "exec"),
        (NO_TOOLS, "node", "node"),
        (NO_TOOLS, "both", "node"),
        (NO_TOOLS, "debug", "none"),
        (NO_TOOLS, "bare", "none"),
    ],
)
def test_memory_is_filled_from_inside_or_by_the_node(tools: Tools | None, below: str, means: str) -> None:
    """An ephemeral container has its own limit, so it is no way."""
    way = hog_way("chat", tools, BELOW[below])
    assert way.means == means
    assert means != "none" or "no shell" in way.words


def test_a_scenario_names_the_process_before_the_file_does() -> None:
    """What neither names is found by its size."""
    filed = Infrastructure(own=OwnMeans(process="VLLM::EngineCore"))
    assert [asked_for("a", filed), asked_for("", filed), asked_for("", BARE)] == ["a", "VLLM::EngineCore", ""]
