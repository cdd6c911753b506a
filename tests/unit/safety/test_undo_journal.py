"""A run's undo journal: its entries are renewed while the run lives, so that one that is late belongs to a dead run."""

import json
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from trial_contexts import context_with

from chaos.clock import NS
from chaos.cluster import Done, Mutation, unrecorded_executor
from chaos.cluster.transport import Answer
from chaos.errors import HarnessBroken
from chaos.faults.context import FaultContext
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.undo_journal import DEADLINE_S
from chaos.wait import until

ENTRY = UndoEntry("uncordon", Ref("Node", "", "n1", "u-1"), "", fault="node-drain-1")
OTHER = UndoEntry("uncordon", Ref("Node", "", "n2", "u-2"), "", fault="node-drain-2")


class Server:
    """Takes every write, unless it refuses them or they cannot be recorded."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self.refuses = False
        self.broken = False

    def do(self, mutation: Mutation) -> Done:
        """Take a write."""
        if self.broken:
            raise HarnessBroken("the disk is full")
        if self.refuses:
            return Done("fail", 403, {}, "no")
        self.written.append(cast("dict[str, Any]", mutation.body))
        return Done("ok", 200, {}, "")

    def deadlines(self) -> list[int]:
        """The deadlines of the last write, in order of the entries."""
        return [json.loads(text)["deadline_ns"] for _, text in sorted(self.written[-1]["data"].items())]


def log_on(server: Server, deadline_s: float) -> ClusterUndoLog:
    """A journal on that server."""
    return ClusterUndoLog(cast("Any", server), "llm", "run-1", deadline_s=deadline_s)


def test_entries_are_renewed_while_the_run_lives() -> None:
    """All of them get the same later deadline, in time and again and again; the rest of them stays as it is."""
    server = Server()
    log = log_on(server, 4.0)
    assert log.record(ENTRY) == ""
    assert log.record(OTHER) == ""
    first = server.deadlines()
    until(lambda: len(server.written) >= 4, deadline_s=30, awaited="two renewals")
    later = server.deadlines()
    assert later[0] == later[1] > max(first)
    (one, two) = (json.loads(text) for _, text in sorted(server.written[-1]["data"].items()))
    assert (one["target"]["name"], two["target"]["name"], two["fault"]) == ("n1", "n2", "node-drain-2")
    assert log.lost == ""
    log.remove(ENTRY)
    log.remove(OTHER)


def test_nothing_is_written_once_all_is_undone() -> None:
    """A journal without entries is gone from the cluster, and is not made anew."""
    server = Server()
    log = log_on(server, 1.0)
    log.record(ENTRY)
    log.remove(ENTRY)
    written = len(server.written)
    time.sleep(1.0)
    assert len(server.written) == written
    assert log.lost == ""


@pytest.mark.parametrize("fault", ["refuses", "broken"])
def test_a_run_that_cannot_renew_stops_at_the_deadline(fault: str) -> None:
    """From then on others may take it for dead, and undo what its fault did; that it can write again is too late."""
    server = Server()
    log = log_on(server, 1.0)
    log.record(ENTRY)
    setattr(server, fault, True)
    well = SimpleNamespace(stop_reason=str, objection=str)
    consent = SimpleNamespace(objection="")
    context = context_with(undo=log, environment=well, abort_conditions=well, consent=consent)
    assert context.stop_reason() == ""
    until(context.stop_reason, deadline_s=30, awaited="a reason to stop")
    assert "not renewed for 1 s" in context.stop_reason()
    setattr(server, fault, False)
    written = len(server.written)
    time.sleep(1.0)
    assert len(server.written) == written
    log.remove(ENTRY)
    assert "not renewed" in log.lost


def test_a_renewal_that_arrives_too_late_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it was under way, others could find the entries past their deadline."""
    server = Server()
    log = log_on(server, 1.0)
    log.record(ENTRY)
    take = server.do

    def slow(mutation: Mutation) -> Done:
        time.sleep(1.5)
        return take(mutation)

    monkeypatch.setattr(server, "do", slow)
    until(lambda: len(server.written) >= 2, deadline_s=30, awaited="a renewal")
    assert "not renewed" in log.lost
    log.remove(ENTRY)


def test_one_renewal_that_fails_is_made_up_for() -> None:
    """A server that was away for less than the deadline costs nothing."""
    server = Server()
    log = log_on(server, 8.0)
    log.record(ENTRY)
    server.broken = True
    time.sleep(2.5)
    server.broken = False
    until(lambda: len(server.written) >= 2, deadline_s=30, awaited="a renewal")
    assert log.lost == ""
    log.remove(ENTRY)


def test_a_run_counts_as_dead_after_five_minutes() -> None:
    """That, and the five minutes after which a CronJob looks again, are the ten that are promised."""
    server = Server()
    log = ClusterUndoLog(cast("Any", server), "llm", "run-1")
    log.record(ENTRY)
    assert abs(server.deadlines()[0] - time.time_ns() - DEADLINE_S * NS) < 30 * NS
    assert DEADLINE_S == 300
    log.remove(ENTRY)


def test_the_end_of_an_inner_fault_leaves_what_undoes_the_outer_one() -> None:
    """Both change the same part: the journal has the state before the first, until that is put back.

    The same when the inner one was not made at all.
    """
    server = Server()
    log = log_on(server, DEADLINE_S)
    unused: Any = None
    outer, inner = (
        FaultContext(unused, unused, unused, fault, unused, "llm", undo=log)
        for fault in ("rolling-update-1", "bad-rollout-2")
    )
    deployment = Ref("Deployment", "llm", "chat", "d-1")
    first, second = (UndoEntry("restore-part", deployment, "", {"path": "/spec/template", "before": n}) for n in (1, 2))
    assert (outer.record(first), inner.record(second)) == ("", "")
    inner.discard(second)
    assert [one.detail["before"] for one in outer.entries] == [1]
    log.record(ENTRY)
    kept = [json.loads(text) for _, text in sorted(server.written[-1]["data"].items())]
    assert [(one["fault"], one["detail"].get("before")) for one in kept] == [
        ("rolling-update-1", 1),
        ("node-drain-1", None),
    ]
    log.remove(ENTRY)
    outer.discard(first)
    written = len(server.written)
    assert log.record(ENTRY) == ""
    assert len(server.written[written]["data"]) == 1
    log.remove(ENTRY)


CHAT = Ref("Deployment", "llm", "chat", "d-1")


def scaled(before: int, wanted: int, fault: str) -> UndoEntry:
    """The entry of a fault that changes the number of replicas."""
    detail = {"path": "/spec/replicas", "before": before, "wanted": wanted}
    return UndoEntry("restore-part", CHAT, "", detail, fault)


def kept(server: Server) -> list[dict[str, Any]]:
    """The details of the entries, as written last."""
    return [json.loads(text)["detail"] for _, text in sorted(server.written[-1]["data"].items())]


def test_what_an_inner_fault_makes_of_the_same_part_is_written_down_before_it_does() -> None:
    """By that a later process knows what it finds for ours, until it ends; each once, and up to a bound."""
    server = Server()
    log = log_on(server, DEADLINE_S)
    outer, inner = scaled(3, 1, "scale-1"), scaled(1, 2, "scale-2")
    assert (log.record(outer), log.record(inner)) == ("", "")
    assert kept(server) == [{"path": "/spec/replicas", "before": 3, "wanted": 1, "also": [2]}]
    written = len(server.written)
    assert (log.record(inner), log.record(scaled(2, 1, "scale-3"))) == ("", "")
    assert len(server.written) == written
    assert [log.record(scaled(2, number, "scale-4")) for number in range(10, 30)] == [""] * 20
    assert kept(server)[0]["also"] == [2, *range(10, 17)]
    log.remove(inner)
    assert kept(server) == [{**outer.detail, "also": [*range(10, 17)]}]
    log.remove(outer)


def test_an_inner_fault_that_cannot_be_written_down_is_not_made() -> None:
    """Else what it leaves would be taken for somebody else's change; the outer entry stays as it was."""
    server = Server()
    log = log_on(server, DEADLINE_S)
    assert log.record(scaled(3, 1, "scale-1")) == ""
    server.refuses = True
    assert "the undo journal cannot be written (no)" in log.record(scaled(1, 2, "scale-2"))
    server.refuses = False
    assert log.record(ENTRY) == ""
    assert "also" not in kept(server)[0]
    log.remove(ENTRY)
    log.remove(scaled(3, 1, "scale-1"))


@pytest.mark.parametrize("body", [b"<title>Sign in</title>", b'{"error": "login required"}', b""])
def test_what_something_else_answered_is_not_written_down(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a login is a 200 as well: the entry is nowhere then, so its action must not be done."""
    monkeypatch.setattr("time.sleep", lambda _s: None)
    transport = SimpleNamespace(call=lambda *_, **__: Answer(200, body))
    executor = unrecorded_executor(cast("Any", SimpleNamespace(transport=transport)))
    assert "so nothing is done" in ClusterUndoLog(executor, "llm", "run-1").record(ENTRY)
