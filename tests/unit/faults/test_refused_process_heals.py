"""A process counts as healed, and a pod as connected again, only where that was seen; else it stays recorded.

How the other heals are is in test_refused_heals.py: these are done in a container, or below the API.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chaos.cluster import Command, NullJournal, Ran
from chaos.errors import ClusterRefused, LabError
from chaos.faults import FaultContext, containers
from chaos.faults.container_scripts import LOOK, NOBODY, REFUSED
from chaos.faults.containers import KILLED
from chaos.faults.infrastructure import Infrastructure
from chaos.faults.undo.restore import heal
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.safety.undo_rules import by_hand

POD = Ref("Pod", "llm", "chat-1", "pod-1")
ENGINE = {"container": "model", "container_id": "containerd://a", "process": "engine"}
HEALS: Mapping[str, UndoEntry] = {
    "continue-process": UndoEntry("continue-process", POD, "", ENGINE),
    "signal-process": UndoEntry("signal-process", POD, "", {**ENGINE, "signal": "USR2"}),
}
ANSWERS: Mapping[str, tuple[Ran, str]] = {
    "403": (Ran("fail", reason="403 pods is forbidden"), "403 pods is forbidden"),
    "403 of a proxy, in HTML": (Ran("fail", reason="403 <html>denied</html>"), "403 <html>denied</html>"),
    "404": (Ran("fail", reason="404 container not found"), "404 container not found"),
    "429": (Ran("fail", reason="429 too many requests"), "429 too many requests"),
    "503": (Ran("fail", reason="503 unavailable"), "503 unavailable"),
    "none": (Ran("info", reason="https://api: no answer within 5 s"), "no answer within 5 s"),
    "no status": (Ran("info", None, "7\n", "", "the connection broke"), "the connection broke"),
    "not permitted": (Ran("fail", REFUSED, "", "sh: kill: Operation not permitted"), "was not permitted"),
    "not there": (Ran("fail", NOBODY), "no process called engine"),
    "the shell was killed": (Ran("fail", KILLED, reason="exit code 137"), "exit code 137"),
    "no shell": (Ran("fail", reason='exec: "sh": executable file not found in $PATH'), "has no shell"),
}
"""What `pods/exec` comes to, and what of that is told."""


class Container:
    """A pod whose container answers each script with the next of these; the last one for ever."""

    def __init__(self, *answers: Ran, container_id: str = "containerd://a") -> None:
        self.answers, self.container_id = [*answers], container_id

    def get(self, _kind: str, namespace: str, name: str) -> dict[str, Any]:
        """The pod, which runs."""
        status = {"name": "model", "containerID": self.container_id, "state": {"running": {"startedAt": "2026-01-01"}}}
        return {
            "metadata": {"name": name, "namespace": namespace, "uid": POD.uid},
            "spec": {"containers": [{"name": "model"}]},
            "status": {"containerStatuses": [status]},
        }

    def list(self, _kind: str) -> list[dict[str, Any]]:
        """Its node."""
        return [{"metadata": {"name": "n1"}}]

    def execute(self, _cluster: object, _executor: object, _journal: object, command: Command) -> Ran:
        """Answer; a look at the processes is one of the scripts."""
        assert command.argv[2] == LOOK or command.argv[5] in {"CONT", "USR2", "0"}
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


Healed = Callable[..., tuple[str, int]]


@pytest.fixture
def healed(monkeypatch: pytest.MonkeyPatch) -> Healed:
    """What a heal of an entry leaves in words, and how many entries stay recorded."""

    def run(entry: UndoEntry, cluster: Any, network: object = None) -> tuple[str, int]:
        monkeypatch.setattr(containers, "execute", getattr(cluster, "execute", None))
        below = Infrastructure(None, cast("Any", network))
        context = FaultContext(
            cluster, cluster, NullJournal(), "fault-1", cast("Any", None), "llm", infrastructure=below
        )
        assert context.record(UndoEntry(entry.kind, entry.target, by_hand(entry), entry.detail)) == ""
        return heal(context), len(context.entries)

    return run


@pytest.mark.parametrize(("ran", "told"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("entry", HEALS.values(), ids=HEALS)
def test_a_process_that_no_signal_is_known_to_have_reached_is_not_healed(
    entry: UndoEntry, ran: Ran, told: str, healed: Healed
) -> None:
    """It stays recorded, and the command for people is told."""
    words, recorded = healed(entry, Container(ran))
    assert recorded == 1
    assert told in words
    assert f"run: {by_hand(entry)}" in words


def test_a_process_that_is_stopped_all_the_same_is_not_healed(healed: Healed) -> None:
    """The signal was sent, and had no effect, or somebody stopped it again; the kernel has the last word."""
    stopped = Ran("ok", 0, "7 T\n")
    words, recorded = healed(HEALS["continue-process"], Container(stopped, Ran("ok", 0, "7\n"), stopped))
    assert (recorded, "engine in llm/chat-1 is still stopped: it was stopped again" in words) == (1, True)


@pytest.mark.parametrize("entry", HEALS.values(), ids=HEALS)
def test_a_pod_that_cannot_be_read_is_not_healed(entry: UndoEntry, healed: Healed) -> None:
    """Nobody knows then whether its container is the one that was hit."""

    def refused(*_: object) -> None:
        raise ClusterRefused("get Pod chat-1: 403 forbidden")

    words, recorded = healed(entry, SimpleNamespace(get=refused, execute=None))
    assert recorded == 1
    assert f"{entry.kind} of Pod chat-1 was not possible: get Pod chat-1: 403 forbidden; run: " in words


def test_what_was_seen_to_be_healed_is(healed: Healed) -> None:
    """It goes on, it got its signal, or its container was started anew: nothing stays recorded."""
    done = Ran("ok", 0, "7\n")
    assert healed(HEALS["continue-process"], Container(Ran("ok", 0, "7 T\n"), done, Ran("ok", 0, "7 S\n"))) == ("", 0)
    assert healed(HEALS["continue-process"], Container(Ran("ok", 0, "7 S\n"), done)) == ("", 0)
    assert healed(HEALS["signal-process"], Container(done)) == ("", 0)
    for entry in HEALS.values():
        assert healed(entry, Container(ANSWERS["403"][0], container_id="containerd://b")) == ("", 0)


CUT = UndoEntry("reconnect-pod", POD, "", {"node": "n1", "address": "10.1.2.3"})


@pytest.mark.parametrize(("why", "recorded"), [("nft: no such table", 1), ("", 0)])
def test_a_pod_that_stays_cut_off_is_not_healed(why: str, recorded: int, healed: Healed) -> None:
    """The node's packet filter says why; where it says nothing, the pod is connected again."""
    words, kept = healed(CUT, Container(), SimpleNamespace(restore=lambda _node, _address: why))
    assert kept == recorded
    assert (f"pod chat-1: {why}; run: {by_hand(CUT)}" in words) == bool(why)


def test_a_packet_filter_that_cannot_be_asked_heals_nothing(healed: Healed) -> None:
    """An error of the means is no end of the fault."""

    def broken(_node: str, _address: str) -> str:
        raise LabError("nsenter: no such process")

    words, recorded = healed(CUT, Container(), SimpleNamespace(restore=broken))
    assert (recorded, "nsenter: no such process" in words, by_hand(CUT) in words) == (1, True, True)
