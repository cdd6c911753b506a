"""Undoing is one function for each kind of entry; done is what reads so afterwards, whatever the server answered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
from cluster_objects import node
from typing_extensions import override

from chaos.clock import Clock
from chaos.cluster import Done, DryRunExecutor, Journal, LiveExecutor, NullJournal
from chaos.errors import HarnessBroken
from chaos.faults import FaultContext, Injection, PodKill
from chaos.faults.targets import Targets
from chaos.faults.undo import restore as restoring
from chaos.faults.undo import restore_object
from chaos.faults.undo.find import Left
from chaos.faults.undo.restore import RESTORE, heal, restore, undo_all
from chaos.faults.undo.restore_object import Outcome
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import UndoKind

N1 = Ref("Node", "", "n1", "uid-n1")
ENTRY = UndoEntry("uncordon", N1, "kubectl uncordon n1")


class Api:
    """A cluster with one cordoned node, which answers an uncordon with `status`; 200 alone opens it."""

    def __init__(self, status: int, *, gone: bool = False) -> None:
        self.status = status
        self.gone = gone
        self.cordoned = True
        self.asked = 0

    def get(self, _kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """The node, unless it is gone."""
        raw = node(name)
        raw["metadata"]["uid"] = "uid-n1"
        raw.setdefault("spec", {})["unschedulable"] = self.cordoned
        return None if self.gone and self.asked else raw

    def do(self, _mutation: object) -> Done:
        """Answer."""
        self.asked += 1
        self.cordoned = self.status != 200
        return Done("ok" if self.status == 200 else "fail", self.status, {}, "" if self.status == 200 else "refused")


def context_of(api: Api) -> FaultContext:
    """A fault's context on that cluster."""
    made = cast("Any", api)
    return FaultContext(made, made, NullJournal(), "node-drain-1", cast("Any", None), "ns")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow at once."""
    monkeypatch.setattr(restore_object, "PAUSES_S", (0.0, 0.0))


def test_every_kind_of_entry_can_be_undone() -> None:
    """A new kind cannot be forgotten: each has its function."""
    assert set(RESTORE) == set(get_args(UndoKind))


@pytest.mark.parametrize("status", [403, 404, 409, 422, 429, 500])
def test_a_refused_uncordon_is_not_healed(status: int) -> None:
    """While the node reads cordoned it is left, with the command for people, and stays recorded for the next heal."""
    api = Api(status)
    context = context_of(api)
    assert context.record(ENTRY) == ""
    assert heal(context) == "node n1 is still cordoned (refused); run: kubectl uncordon n1"
    assert [entry.kind for entry in context.entries] == ["uncordon"]
    api.status = 200
    assert heal(context) == ""
    assert context.entries == ()


def test_an_uncordon_of_a_node_that_is_gone_is_healed() -> None:
    """A 404 counts because the node is not there afterwards, not because of the answer."""
    context = context_of(Api(404, gone=True))
    assert context.record(ENTRY) == ""
    assert heal(context) == ""


def test_a_refusal_that_passes_is_tried_again() -> None:
    """Three attempts in all; the second opens it."""
    api = Api(409)
    api.do = lambda _mutation: _second_time(api)  # type: ignore[method-assign]
    assert restore(context_of(api), ENTRY) == ("undone", "node n1 is open again")
    assert api.asked == 2


def _second_time(api: Api) -> Done:
    api.asked += 1
    api.cordoned = api.asked < 2
    return Done("fail" if api.cordoned else "ok", 409 if api.cordoned else 200, {}, "conflict")


def test_an_error_of_one_entry_is_left_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong is said with the manual command; it does not stop the others."""

    def fail(_context: object, _entry: object) -> Any:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(restoring, "RESTORE", {**RESTORE, "node-on": fail})
    context = context_of(Api(200))
    assert context.record(UndoEntry("node-on", N1, "virsh resume n1")) == ""
    assert context.record(ENTRY) == ""
    assert heal(context) == ("node-on of Node n1 was not possible: RuntimeError: no such thing; run: virsh resume n1")
    assert [entry.kind for entry in context.entries] == ["node-on"]


def test_what_a_later_version_wrote_is_left() -> None:
    """An entry of an unknown kind is not guessed at."""
    result, words = restore(context_of(Api(200)), UndoEntry(cast("Any", "thaw"), N1, "thaw n1"))
    assert (result, words) == ("left", "this version does not know how to undo thaw; run: thaw n1")


class Full(Journal):
    """A journal on a full disk."""

    def _append(self, _rest: bytes) -> None:
        raise HarnessBroken("actions.jsonl cannot be written: No space left on device")


@pytest.fixture
def full(tmp_path: Path) -> Full:
    """The journal of a trial whose disk is full."""
    return Full(tmp_path / "actions.jsonl", Clock.start())


def test_a_full_disk_prevents_no_heal(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down any more is undone all the same."""
    api = Api(200)
    monkeypatch.setattr(restoring, "unrecorded_executor", lambda _cluster: api)
    made = cast("Any", api)
    context = FaultContext(made, LiveExecutor(made, full), full, "node-drain-1", cast("Any", None), "ns")
    assert context.record(ENTRY) == ""
    assert heal(context) == ""
    assert not api.cordoned
    assert context.entries == ()


def test_a_full_disk_makes_no_dry_run_real(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run goes on changing nothing, whatever cannot be written."""
    api = Api(200)
    monkeypatch.setattr(restoring, "unrecorded_executor", lambda _cluster: api)
    context = FaultContext(cast("Any", api), DryRunExecutor(full), full, "node-drain-1", cast("Any", None), "ns")
    assert context.record(ENTRY) == ""
    assert "No space left on device" in heal(context)
    assert api.cordoned


class Late(Injection):
    """A fault that goes on in the background; `running` says that it did not end in time."""

    running = "the drain did not stop within 30 s"

    @override
    def stop(self) -> str:
        return self.running


def test_what_still_goes_on_keeps_its_undo_entry() -> None:
    """A call under way may close the node after the look that found it open: then who heals next knows of it."""
    api = Api(200)
    context = context_of(api)
    injection = Late(PodKill(Targets("one", ())), context)
    assert context.record(ENTRY) == ""
    api.cordoned = False
    assert injection.heal() == "the drain did not stop within 30 s"
    api.cordoned = True
    assert [entry.kind for entry in context.entries] == ["uncordon"]
    injection.running = ""
    assert injection.heal() == ""
    assert (api.cordoned, context.entries) == (False, ())


def test_a_run_that_takes_long_to_undo_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that does not come back takes longer than a CronJob has; what is told stays in order, run by run."""
    others = threading.Event()

    def restored(_context: object, entry: UndoEntry) -> Outcome:
        if entry.fault == "slow":
            return ("undone", "back") if others.wait(20) else ("left", "not back")
        others.set()
        return "undone", "open"

    monkeypatch.setattr(restoring, "restore", restored)
    left = [
        Left(Ref("ConfigMap", f"{run}-gameday", "undo", f"uid-{run}"), run, "", "", (replace(ENTRY, fault=run),))
        for run in ("slow", "quick")
    ]
    removed: list[Ref] = []
    api: Any = SimpleNamespace(do=lambda mutation: removed.append(mutation.target))
    assert [(one.run, one.words) for one in undo_all(api, api, left)] == [("slow", "back"), ("quick", "open")]
    assert sorted(ref.uid for ref in removed) == ["uid-quick", "uid-slow"]


class Exhausted(ThreadPoolExecutor):
    """Threads of a process that may start so many."""

    left = 0

    def submit(self, *given: Any, **more: Any) -> Any:
        """See the base class."""
        if Exhausted.left <= 0:
            raise RuntimeError("can't start new thread")
        Exhausted.left -= 1
        return super().submit(*given, **more)


@pytest.mark.parametrize("started", [0, 1])
def test_a_process_that_may_start_no_thread_heals_all_the_same(started: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on processes, as in containers, counts threads; what one of them did is looked at once more."""
    monkeypatch.setattr(restoring, "ThreadPoolExecutor", Exhausted)
    monkeypatch.setattr(Exhausted, "left", started)
    healed: list[str] = []
    monkeypatch.setattr(restoring, "restore", lambda _context, entry: (healed.append(entry.kind), ("undone", ""))[1])
    context = context_of(Api(200))
    for kind in ("uncordon", "node-on"):
        assert context.record(replace(ENTRY, kind=kind)) == ""
    assert heal(context) == ""
    assert (set(healed), context.entries) == ({"uncordon", "node-on"}, ())


@pytest.mark.parametrize("started", [0, 1])
def test_a_process_that_may_start_no_thread_undoes_what_dead_runs_left(
    started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CronJob's container may have such a limit, too."""
    monkeypatch.setattr(restoring, "ThreadPoolExecutor", Exhausted)
    monkeypatch.setattr(Exhausted, "left", started)
    monkeypatch.setattr(restoring, "restore", lambda _context, _entry: ("undone", "open"))
    left = [Left(Ref("ConfigMap", f"{run}-gameday", "undo", run), run, "", "", (ENTRY,)) for run in ("one", "two")]
    removed: list[Ref] = []
    api: Any = SimpleNamespace(do=lambda mutation: removed.append(mutation.target))
    assert [(one.run, one.result) for one in undo_all(api, api, left)] == [("one", "undone"), ("two", "undone")]
    assert {ref.uid for ref in removed} == {"one", "two"}
